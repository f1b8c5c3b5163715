//! Lets what the user said pass, or ends the run with polite words.

use hellosales_core::content::answer;
use hellosales_core::pipeline::ChatInput;
use hellosales_core::run::StatusReason;
use hellosales_core::{DatabaseError, OrgTx};
use serde::{Deserialize, Serialize};

use crate::guard::Verdict;
use crate::stage::{Outcome, Stage, StageContext, StageError, Values};

/// The stage.
#[derive(Debug, Clone, Copy)]
pub struct InputGuard;

/// The message may be sent to a model.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Passed {}

impl Stage for InputGuard {
    const NAME: &'static str = "input_guard";
    type Run = ChatInput;
    type Needs = ();
    type Output = Passed;

    async fn execute(&self, cx: &StageContext<ChatInput>, (): Values<Self>) -> Result<Outcome<Passed>, StageError> {
        let guard = &cx.environment.guard;
        match guard.check_input(&cx.input.message) {
            Verdict::Pass => Ok(Outcome::Done(Passed {})),
            Verdict::Block(finding) => {
                let (rule, category) = (finding.rule.as_ref(), finding.category.as_str());
                tracing::info!(run_id = %cx.run.id, org_id = %cx.run.org_id, rule, category, "a guard refused an input");
                let reply = guard.input_blocked_reply(finding.category).to_owned();
                Ok(Outcome::Cancel { reason: StatusReason::Guard, reply: Some(reply) })
            }
        }
    }

    async fn effects(
        &self,
        tx: &mut OrgTx<'_>,
        cx: &StageContext<ChatInput>,
        end: &Outcome<Passed>,
    ) -> Result<(), DatabaseError> {
        let Outcome::Cancel { reply: Some(reply), .. } = end else { return Ok(()) };
        answer::block_question(tx, cx.input.user_interaction_id).await?;
        if let Some(row) = super::answer(cx, reply, false, None) {
            answer::insert(tx, &row).await?;
        }
        Ok(())
    }
}
