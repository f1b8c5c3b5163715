//! Writes the summary as its session's next version.

use hellosales_core::content::summary::{self, NewSummary};
use hellosales_core::pipeline::SummaryInput;
use hellosales_core::{DatabaseError, OrgTx, SummaryId};

use super::{Llm, Written};
use crate::stage::{Outcome, Stage, StageContext, StageError, Values};

/// The stage.
#[derive(Debug, Clone, Copy)]
pub struct Persist;

impl Stage for Persist {
    const NAME: &'static str = "persist";
    type Run = SummaryInput;
    type Needs = (Llm,);
    type Output = Written;

    async fn execute(
        &self,
        _cx: &StageContext<SummaryInput>,
        (written,): Values<Self>,
    ) -> Result<Outcome<Written>, StageError> {
        Ok(Outcome::Done(written))
    }

    async fn effects(
        &self,
        tx: &mut OrgTx<'_>,
        cx: &StageContext<SummaryInput>,
        end: &Outcome<Written>,
    ) -> Result<(), DatabaseError> {
        let (Outcome::Done(Written { text: Some(text), token_count, .. }), Some(session_id)) = (end, cx.run.session_id)
        else {
            return Ok(());
        };
        let new = NewSummary {
            id: SummaryId::derived(cx.run.id, Self::NAME, 0),
            session_id,
            run_id: cx.run.id,
            text: text.clone(),
            cutoff_sequence: cx.input.cutoff_sequence,
            token_count: *token_count,
            turns_counted: cx.input.turns_counted,
        };
        summary::insert(tx, &new).await?;
        Ok(())
    }
}
