//! Tells an answer to the run's readers while it comes: its decoded text, field by field, as far as the output guard lets
//! it pass. Only of a run that somebody follows; of others the guard judges the whole alone.

use hellosales_core::pipeline::PipelineInput;
use hellosales_core::stream::{StreamText, told};
use serde_json::Value;

use super::Written;
use super::output_guard::{self, Refusal};
use crate::guard::{Guard, OutputWindow, Release};
use crate::json_fields::{JsonFields, Piece};
use crate::stage::{StageContext, StageError};
use crate::stream::StreamHandle;

/// The readers of a run.
pub(super) struct Readers<'a> {
    run: Option<Followed<'a>>,
}

struct Followed<'a> {
    stream: &'a StreamHandle,
    guard: &'a Guard,
    known: &'static [&'static str],
    fields: JsonFields,
    /// The text that is being told. Each is judged by itself, as the output guard does.
    open: Option<(&'static str, OutputWindow)>,
}

impl<'a> Readers<'a> {
    /// Whoever follows this run.
    pub(super) fn of<R: PipelineInput>(cx: &'a StageContext<R>) -> Self {
        let known = R::PIPELINE.fields;
        let run = cx.stream.as_ref().map(|stream| Followed {
            stream,
            guard: &cx.environment.guard,
            known,
            fields: JsonFields::new(known),
            open: None,
        });
        Self { run }
    }

    /// Tells the next piece of the answer, as far as nothing can refuse it any more.
    ///
    /// # Errors
    /// If the step is no longer ours.
    pub(super) async fn hear(&mut self, piece: &str) -> Result<Option<Refusal>, StageError> {
        let Some(run) = &mut self.run else { return Ok(None) };
        for piece in run.fields.push(piece) {
            if let Some(refusal) = run.tell(piece).await? {
                return Ok(Some(refusal));
            }
        }
        Ok(None)
    }

    /// The answer is whole, and this is what it says. If readers were told anything else (it began twice, or named a field
    /// twice), they are told again.
    ///
    /// # Errors
    /// If the step is no longer ours.
    pub(super) async fn whole<W: Written>(
        &mut self,
        answer: &Value,
        written: &W,
    ) -> Result<Option<Refusal>, StageError> {
        let Some(run) = &mut self.run else { return Ok(None) };
        if let Some(refusal) = run.end_text().await? {
            return Ok(Some(refusal));
        }
        let mut whole = StreamText::default();
        for field in run.known {
            whole.push(Some(field), &answer.get(field).map(told).unwrap_or_default());
        }
        if run.stream.said().says_the_same(&whole) {
            return Ok(None);
        }
        if let Some(refusal) = output_guard::refusal(run.guard, written) {
            return Ok(Some(refusal));
        }
        run.stream.retell(&whole).await.map_err(|_| StageError::Lost)?;
        Ok(None)
    }
}

impl Followed<'_> {
    async fn tell(&mut self, piece: Piece) -> Result<Option<Refusal>, StageError> {
        if let Some(after) = piece.after {
            if let Some(refusal) = self.end_text().await? {
                return Ok(Some(refusal));
            }
            self.say(piece.field, after).await?;
            self.open = Some((piece.field, OutputWindow::new(self.guard)));
        }
        let Some((field, window)) = &mut self.open else { return Ok(None) };
        let (field, release) = (*field, window.push(&piece.text));
        self.pass(field, release).await
    }

    /// What is still held of a text leaves with its end, or is refused.
    async fn end_text(&mut self) -> Result<Option<Refusal>, StageError> {
        let Some((field, mut window)) = self.open.take() else { return Ok(None) };
        self.pass(field, window.finish()).await
    }

    /// Nothing of a match leaves; what left before it is taken back when the run fails of it.
    async fn pass(&self, field: &'static str, release: Release) -> Result<Option<Refusal>, StageError> {
        match release {
            Release::Text(text) => {
                self.say(field, &text).await?;
                Ok(None)
            }
            Release::Blocked { finding, .. } => Ok(Some(Refusal { field, finding })),
        }
    }

    async fn say(&self, field: &'static str, text: &str) -> Result<(), StageError> {
        if text.is_empty() {
            return Ok(());
        }
        self.stream.delta_in(field, text).await.map_err(|_| StageError::Lost)
    }
}
