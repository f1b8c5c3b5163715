//! Writes the assistant's row, counts the turn, and asks for a summary when one is due. No turn waits for a summary.

use hellosales_core::content::summary::Cadence;
use hellosales_core::content::{answer, summary};
use hellosales_core::pipeline::{ChatInput, SUMMARY, SummaryInput};
use hellosales_core::queue::submit::NewRun;
use hellosales_core::queue::{rank, submit};
use hellosales_core::{DatabaseError, InteractionId, OrgTx, ProviderCallId, RunId};
use serde::{Deserialize, Serialize};

use super::OutputGuard;
use crate::config::PipelineConfig;
use crate::stage::{Outcome, Stage, StageContext, StageError, Values};

/// The stage.
#[derive(Debug, Clone, Copy)]
pub struct Persist;

/// What is written, and where.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Persisted {
    /// The assistant's interaction.
    pub interaction_id: InteractionId,
    /// What it says.
    pub text: String,
    /// It stands in place of a refused answer.
    pub filtered: bool,
    /// The call that made it.
    pub provider_call_id: ProviderCallId,
}

impl Stage for Persist {
    const NAME: &'static str = "persist";
    type Run = ChatInput;
    type Needs = (OutputGuard,);
    type Output = Persisted;

    async fn execute(
        &self,
        cx: &StageContext<ChatInput>,
        (checked,): Values<Self>,
    ) -> Result<Outcome<Persisted>, StageError> {
        Ok(Outcome::Done(Persisted {
            interaction_id: cx.input.assistant_interaction_id,
            text: checked.text,
            filtered: checked.filtered,
            provider_call_id: checked.provider_call_id,
        }))
    }

    async fn effects(
        &self,
        tx: &mut OrgTx<'_>,
        cx: &StageContext<ChatInput>,
        end: &Outcome<Persisted>,
    ) -> Result<(), DatabaseError> {
        let Outcome::Done(persisted) = end else { return Ok(()) };
        let call = Some(persisted.provider_call_id);
        let Some(row) = super::answer(cx, &persisted.text, persisted.filtered, call) else { return Ok(()) };
        if !answer::insert(tx, &row).await? {
            return Ok(());
        }
        let cadence = summary::count_turn(tx, row.session_id).await?;
        match due(&cx.environment.config, &cadence, row.sequence_number) {
            Some(input) => request_summary(tx, cx, input).await,
            None => Ok(()),
        }
    }
}

/// Whether this turn asks for a summary, and of what: enough turns, none on its way, and something new to sum up.
fn due(config: &PipelineConfig, cadence: &Cadence, last_sequence: i32) -> Option<SummaryInput> {
    let cutoff_sequence = last_sequence.saturating_sub(config.summary_keep_last);
    let due = config.summary_enabled
        && cadence.turns_since_summary >= config.summary_threshold
        && cadence.pending_run_id.is_none()
        && cutoff_sequence > cadence.last_cutoff_sequence;
    due.then_some(SummaryInput { cutoff_sequence, turns_counted: cadence.turns_since_summary })
}

/// Submits the summary in the settlement's own transaction, under the session's lock: the two can't come apart. The rank
/// is taken here too; that row is the last that this transaction waits for.
async fn request_summary(
    tx: &mut OrgTx<'_>,
    cx: &StageContext<ChatInput>,
    input: SummaryInput,
) -> Result<(), DatabaseError> {
    let Some((session, _)) = super::turn(cx) else { return Ok(()) };
    let id = RunId::derived(cx.run.id, Persist::NAME, 0);
    if !summary::set_pending(tx, session, id).await? {
        return Ok(());
    }
    let org = tx.org();
    let rank = rank::take(tx.connection(), org, SUMMARY.lane, 1).await?.of(0);
    let run = NewRun {
        user_id: cx.run.user_id,
        session_id: Some(session),
        parent_run_id: Some(cx.run.id),
        request_id: cx.run.request_id.clone(),
        traceparent: cx.run.traceparent.clone(),
        ..NewRun::new(id, &input, rank, cx.environment.config.stage_timeout_ms)?
    };
    submit::submit(tx, &run).await
}

#[cfg(test)]
mod tests {

    use super::*;

    const CADENCE: Cadence = Cadence { turns_since_summary: 8, last_cutoff_sequence: 0, pending_run_id: None };

    #[test]
    fn a_summary_is_due_after_eight_turns_and_leaves_the_last_six_interactions() {
        let config = PipelineConfig::default();
        let input = due(&config, &CADENCE, 16).unwrap();
        assert_eq!((input.cutoff_sequence, input.turns_counted), (10, 8));
        assert!(due(&config, &Cadence { turns_since_summary: 7, ..CADENCE }, 14).is_none());
        assert!(
            due(&config, &Cadence { turns_since_summary: 9, ..CADENCE }, 18).is_some(),
            "one that failed is made up for"
        );
    }

    #[test]
    fn no_summary_is_asked_for_while_one_is_on_its_way_or_nothing_is_new() {
        let config = PipelineConfig::default();
        assert!(due(&config, &Cadence { pending_run_id: Some(RunId::new()), ..CADENCE }, 16).is_none());
        assert!(due(&config, &Cadence { last_cutoff_sequence: 10, ..CADENCE }, 16).is_none());
        assert!(due(&PipelineConfig { summary_enabled: false, ..config }, &CADENCE, 16).is_none());
        let all = PipelineConfig { summary_keep_last: 100, ..config };
        assert!(due(&all, &CADENCE, 16).is_none(), "all of it stays as it was said");
    }
}
