//! Asks the model, and lets through what the guard can't refuse any more, as it comes.

use hellosales_core::ProviderCallId;
use hellosales_core::content::turn_history::{self, Said};
use hellosales_core::pipeline::ChatInput;
use serde::{Deserialize, Serialize};

use super::{InputGuard, ProfileEnrich, SummaryEnrich, SummarySoFar, prompt};
use crate::guard::{OutputWindow, Release};
use crate::prompt::Template;
use crate::provider::call::{Answer, Call, Prompt};
use crate::stage::{Outcome, Stage, StageContext, StageError, Values};
use crate::stages::answer;
use crate::stream::StreamHandle;

/// The stage.
#[derive(Debug, Clone, Copy)]
pub struct Llm;

/// What the model said.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Generated {
    /// The text, as it came.
    pub text: String,
    /// The guard refused it while it came: readers have the safe reply.
    pub filtered: bool,
    /// The call in the ledger.
    pub provider_call_id: ProviderCallId,
    /// Who answered.
    pub provider: String,
    /// Which model.
    pub model: String,
    /// The template that asked.
    pub prompt_version: String,
}

const TEMPERATURE: f64 = 0.7;
const MAX_TOKENS: u32 = 1024;

impl Stage for Llm {
    const NAME: &'static str = "llm";
    type Run = ChatInput;
    type Needs = (InputGuard, ProfileEnrich, SummaryEnrich);
    type Output = Generated;

    async fn execute(
        &self,
        cx: &StageContext<ChatInput>,
        (_, profile, summary): Values<Self>,
    ) -> Result<Outcome<Generated>, StageError> {
        let environment = &cx.environment;
        let history = history(cx, &summary).await?;
        let messages = prompt::messages(&environment.prompts, profile, &summary, history, &cx.input.message)?;
        let prompt = Prompt {
            messages,
            temperature: Some(cx.input.temperature.unwrap_or(TEMPERATURE)),
            max_tokens: Some(cx.input.max_tokens.unwrap_or(MAX_TOKENS)),
            schema: None,
        };
        let call = environment.llm.call(cx, prompt).await?;
        let readers = Readers { window: OutputWindow::new(&environment.guard), stream: cx.stream.as_ref() };
        let (answer, filtered) = told(cx, call, readers).await?;
        Ok(Outcome::Done(Generated {
            text: answer.text,
            filtered,
            provider_call_id: answer.call_id,
            provider: answer.provider,
            model: answer.model,
            prompt_version: Template::Chat.version().to_owned(),
        }))
    }
}

async fn history(cx: &StageContext<ChatInput>, summary: &SummarySoFar) -> Result<Vec<Said>, StageError> {
    let Some((session, sequence)) = super::turn(cx) else { return Ok(Vec::new()) };
    let mut tx = cx.environment.database.begin_fast().await?;
    let mut org = tx.enter(cx.run.org_id).await?;
    let said = turn_history::between(&mut org, session, summary.cutoff_sequence, sequence).await?;
    tx.rollback().await?;
    Ok(said)
}

/// Tells the answer to the run's readers while it comes; and whether it was refused.
async fn told(
    cx: &StageContext<ChatInput>,
    mut call: Call,
    mut readers: Readers<'_>,
) -> Result<(Answer, bool), StageError> {
    loop {
        let release = match answer::next(cx, &mut call).await? {
            Ok(Some(text)) => readers.window.push(&text),
            Ok(None) => break,
            Err(error) => return Err(call.fail(error).await),
        };
        if readers.blocked(cx, release).await? {
            return Ok((call.finish().await?, true));
        }
    }
    let last = readers.window.finish();
    let filtered = readers.blocked(cx, last).await?;
    Ok((call.finish().await?, filtered))
}

struct Readers<'a> {
    window: OutputWindow,
    stream: Option<&'a StreamHandle>,
}

impl Readers<'_> {
    /// Gives readers what was released; or, on a refusal, the safe reply in place of all that they have.
    async fn blocked(&self, cx: &StageContext<ChatInput>, release: Release) -> Result<bool, StageError> {
        let lost = |_| StageError::Lost;
        match release {
            Release::Text(text) => {
                if let Some(stream) = self.stream.filter(|_| !text.is_empty()) {
                    stream.delta(&text).await.map_err(lost)?;
                }
                Ok(false)
            }
            Release::Blocked { .. } => {
                if let Some(stream) = self.stream {
                    stream.replace(cx.environment.guard.output_replaced_reply()).await.map_err(lost)?;
                }
                Ok(true)
            }
        }
    }
}
