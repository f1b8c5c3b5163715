//! Tells an answer to the run's readers while it comes: its decoded text, field by field, as far as the output guard lets
//! it pass. Only of a run that somebody follows; of others the guard judges the whole alone.

use hellosales_core::pipeline::PipelineInput;
use hellosales_core::stream::{StreamText, told};
use serde_json::Value;

use super::input_guard::refused;
use super::{Written, output_guard};
use crate::guard::{Guard, OutputWindow, Release};
use crate::json_fields::{JsonFields, Piece};
use crate::stage::{StageContext, StageError};
use crate::stream::StreamHandle;

/// A guard refuses the answer: what the stage ends with, once its call is closed.
pub(super) struct Refused(pub(super) StageError);

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
    pub(super) async fn hear(&mut self, piece: &str) -> Result<Result<(), Refused>, StageError> {
        let Some(run) = &mut self.run else { return Ok(Ok(())) };
        for piece in run.fields.push(piece) {
            if let Err(refused) = run.tell(piece).await? {
                return Ok(Err(refused));
            }
        }
        Ok(Ok(()))
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
    ) -> Result<Result<(), Refused>, StageError> {
        let Some(run) = &mut self.run else { return Ok(Ok(())) };
        if let Err(refused) = run.end_text().await? {
            return Ok(Err(refused));
        }
        let mut whole = StreamText::default();
        for field in run.known {
            whole.push(Some(field), &answer.get(field).map(told).unwrap_or_default());
        }
        if run.stream.said().says_the_same(&whole) {
            return Ok(Ok(()));
        }
        if let Some((field, finding)) = output_guard::refusal(run.guard, written) {
            return Ok(Err(Refused(refused(field, &finding))));
        }
        run.stream.retell(&whole).await.map_err(|_| StageError::Lost)?;
        Ok(Ok(()))
    }
}

impl Followed<'_> {
    async fn tell(&mut self, piece: Piece) -> Result<Result<(), Refused>, StageError> {
        if let Some(after) = piece.after {
            if let Err(refused) = self.end_text().await? {
                return Ok(Err(refused));
            }
            self.say(piece.field, after).await?;
            self.open = Some((piece.field, OutputWindow::new(self.guard)));
        }
        let Some((field, window)) = &mut self.open else { return Ok(Ok(())) };
        let (field, release) = (*field, window.push(&piece.text));
        self.pass(field, release).await
    }

    /// What is still held of a text leaves with its end, or is refused.
    async fn end_text(&mut self) -> Result<Result<(), Refused>, StageError> {
        let Some((field, mut window)) = self.open.take() else { return Ok(Ok(())) };
        self.pass(field, window.finish()).await
    }

    /// Nothing of a match leaves; what left before it is taken back when the run fails of it.
    async fn pass(&self, field: &'static str, release: Release) -> Result<Result<(), Refused>, StageError> {
        match release {
            Release::Text(text) => {
                self.say(field, &text).await?;
                Ok(Ok(()))
            }
            Release::Blocked { finding, .. } => Ok(Err(Refused(refused(field, &finding)))),
        }
    }

    async fn say(&self, field: &'static str, text: &str) -> Result<(), StageError> {
        if text.is_empty() {
            return Ok(());
        }
        self.stream.delta_in(field, text).await.map_err(|_| StageError::Lost)
    }
}
