//! Loads what was said before, told shorter.

use hellosales_core::content::summary;
use hellosales_core::pipeline::ChatInput;
use serde::{Deserialize, Serialize};

use crate::stage::{Outcome, Stage, StageContext, StageError, Values};

/// The stage.
#[derive(Debug, Clone, Copy)]
pub struct SummaryEnrich;

/// The newest summary of what was said before this turn.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SummarySoFar {
    /// Its text, if there is one.
    pub text: Option<String>,
    /// Interactions up to and with this one are in it; 0: none are.
    pub cutoff_sequence: i32,
}

impl Stage for SummaryEnrich {
    const NAME: &'static str = "summary_enrich";
    type Run = ChatInput;
    type Needs = ();
    type Output = SummarySoFar;

    async fn execute(
        &self,
        cx: &StageContext<ChatInput>,
        (): Values<Self>,
    ) -> Result<Outcome<SummarySoFar>, StageError> {
        let Some((session, sequence)) = super::turn(cx) else {
            return Ok(Outcome::Done(SummarySoFar::default()));
        };
        let mut tx = cx.environment.database.begin_fast_in(cx.run.org_id).await?;
        let found = summary::before(&mut tx.enter(cx.run.org_id).await?, session, sequence).await?;
        tx.rollback().await?;
        let so_far =
            found.map(|summary| SummarySoFar { text: Some(summary.text), cutoff_sequence: summary.cutoff_sequence });
        Ok(Outcome::Done(so_far.unwrap_or_default()))
    }
}
