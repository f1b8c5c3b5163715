//! Loads what is to be summed up: the summary before, and what was said since, up to the cutoff.

use hellosales_core::content::summary;
use hellosales_core::content::turn_history::{self, Said};
use hellosales_core::pipeline::SummaryInput;
use hellosales_core::{ErrorCode, Failure};
use serde::{Deserialize, Serialize};

use crate::stage::{Outcome, Stage, StageContext, StageError, Values};

/// The stage.
#[derive(Debug, Clone, Copy)]
pub struct HistoryEnrich;

/// What a summary is made of. All that a chat's prompt could hold up to the cutoff.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct History {
    /// The summary before this one.
    pub before: Option<String>,
    /// What was said since, oldest first.
    pub said: Vec<Said>,
}

impl Stage for HistoryEnrich {
    const NAME: &'static str = "history_enrich";
    type Run = SummaryInput;
    type Needs = ();
    type Output = History;

    async fn execute(&self, cx: &StageContext<SummaryInput>, (): Values<Self>) -> Result<Outcome<History>, StageError> {
        let Some(session) = cx.run.session_id else {
            return Err(StageError::Fail(Failure::new(ErrorCode::StageFailed, "a summary needs a session")));
        };
        let cutoff = cx.input.cutoff_sequence;
        let mut tx = cx.environment.database.begin_fast_in(cx.run.org_id).await?;
        let mut org = tx.enter(cx.run.org_id).await?;
        let before = summary::before(&mut org, session, cutoff).await?;
        let since = before.as_ref().map_or(0, |summary| summary.cutoff_sequence);
        let said = turn_history::between(&mut org, session, since, cutoff.saturating_add(1)).await?;
        tx.rollback().await?;
        Ok(Outcome::Done(History { before: before.map(|summary| summary.text), said }))
    }
}
