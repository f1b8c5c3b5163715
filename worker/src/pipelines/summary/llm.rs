//! Asks the model for the summary. Nobody watches, so nothing is streamed.

use hellosales_core::pipeline::SummaryInput;
use hellosales_core::{ErrorCode, Failure, ProviderCallId};
use serde::{Deserialize, Serialize};

use super::{HistoryEnrich, prompt};
use crate::guard::Verdict;
use crate::provider::call::Prompt;
use crate::stage::{Outcome, Stage, StageContext, StageError, Values};
use crate::stages::answer;

/// The stage.
#[derive(Debug, Clone, Copy)]
pub struct Llm;

/// The summary; none if there was nothing to sum up.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Written {
    /// What it says.
    pub text: Option<String>,
    /// Its length in tokens.
    pub token_count: Option<i32>,
    /// The call in the ledger.
    pub provider_call_id: Option<ProviderCallId>,
}

const TEMPERATURE: f64 = 0.2;
const MAX_TOKENS: u32 = 512;

impl Stage for Llm {
    const NAME: &'static str = "llm";
    type Run = SummaryInput;
    type Needs = (HistoryEnrich,);
    type Output = Written;

    async fn execute(
        &self,
        cx: &StageContext<SummaryInput>,
        (history,): Values<Self>,
    ) -> Result<Outcome<Written>, StageError> {
        if history.said.is_empty() {
            return Ok(Outcome::Done(Written { text: history.before, token_count: None, provider_call_id: None }));
        }
        let environment = &cx.environment;
        let messages = prompt::messages(&environment.prompts, &history)?;
        let prompt = Prompt { messages, temperature: Some(TEMPERATURE), max_tokens: Some(MAX_TOKENS), schema: None };
        let call = environment.llm.call(cx, prompt).await?;
        let answer = answer::whole(cx, call).await?;
        // A summary is told to a model in every later turn: what no answer may say, it may not say either.
        if environment.guard.check_output(&answer.text) != Verdict::Pass {
            let failure = Failure::new(ErrorCode::GuardBlocked, "a guard refused the summary");
            return Err(StageError::Fail(failure));
        }
        Ok(Outcome::Done(Written {
            text: Some(answer.text.trim().to_owned()),
            token_count: i32::try_from(answer.usage.tokens_out).ok(),
            provider_call_id: Some(answer.call_id),
        }))
    }
}
