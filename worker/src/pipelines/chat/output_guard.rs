//! Lets the answer pass, or puts the safe reply in its place: the same decision that its readers have seen.

use hellosales_core::ProviderCallId;
use hellosales_core::pipeline::ChatInput;
use serde::{Deserialize, Serialize};

use super::Llm;
use crate::guard::Verdict;
use crate::stage::{Outcome, Stage, StageContext, StageError, Values};

/// The stage.
#[derive(Debug, Clone, Copy)]
pub struct OutputGuard;

/// What may be stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Checked {
    /// The answer, or the safe reply.
    pub text: String,
    /// It is the safe reply.
    pub filtered: bool,
    /// The call that made the answer.
    pub provider_call_id: ProviderCallId,
    /// Readers were given the answer that is refused here: the worker that streamed it had older rules, or none.
    #[serde(skip)]
    pub was_streamed: bool,
}

impl Stage for OutputGuard {
    const NAME: &'static str = "output_guard";
    type Run = ChatInput;
    type Needs = (Llm,);
    type Output = Checked;

    async fn execute(
        &self,
        cx: &StageContext<ChatInput>,
        (generated,): Values<Self>,
    ) -> Result<Outcome<Checked>, StageError> {
        let guard = &cx.environment.guard;
        let verdict = guard.check_output(&generated.text);
        if let Verdict::Block(finding) = &verdict {
            let (rule, category) = (finding.rule.as_ref(), finding.category.as_str());
            tracing::info!(run_id = %cx.run.id, org_id = %cx.run.org_id, rule, category, "a guard refused an answer");
        }
        // Readers were given the safe reply: what a newer worker's rules say of the text doesn't take it back.
        let was_streamed = verdict != Verdict::Pass && !generated.filtered;
        let filtered = generated.filtered || was_streamed;
        let text = if filtered { guard.output_replaced_reply().to_owned() } else { generated.text };
        Ok(Outcome::Done(Checked { text, filtered, provider_call_id: generated.provider_call_id, was_streamed }))
    }

    fn takes_back(&self, checked: &Checked) -> Option<String> {
        checked.was_streamed.then(|| checked.text.clone())
    }
}
