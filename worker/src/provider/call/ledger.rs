//! A call's row in the ledger while the call is under way: an open entry can't be forgotten, since dropping it closes it.

use std::sync::Arc;
use std::time::Duration;

use hellosales_core::breaker::Health;
use hellosales_core::budget::Exceeded;
use hellosales_core::provider_call::{CallEnd, NewCall, Opened, Shut};
use hellosales_core::{Database, DatabaseError, ErrorCode, LeaseToken, ProviderCallId};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::price::{Prices, count_tokens};
use super::super::{Finish, Usage};
use super::desk::Ledger;
use super::gate::{Gate, Permit};
use super::gates::{Gates, Pass};
use super::{Answer, LlmDoor, abandoned};
use crate::stage::StageError;

/// A stage waits this long for its call to be closed, so that its run's end shows the cost; closing goes on without it.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// What became of an opening.
pub(super) enum Asked {
    /// The row is open.
    Open(Box<Entry>),
    /// The step is lost.
    Lost,
    /// The batch's budget doesn't reach.
    OverBudget {
        /// Other calls hold some of it, which may come back.
        may_come_back: bool,
    },
    /// The organisation's budget doesn't reach.
    OverOrgBudget(Exceeded),
    /// The model may not be called now.
    Shut(Shut),
}

/// The row is open. Dropping this closes it.
pub(super) struct Entry {
    known: Known,
    /// Nothing is left to close.
    settled: bool,
    open: TaskTracker,
    runtime: Handle,
    cancelled: CancellationToken,
    /// Its place among the calls under way.
    permit: Option<Permit>,
}

/// What is known of the call.
#[derive(Clone)]
struct Known {
    ledger: Ledger,
    id: ProviderCallId,
    provider: String,
    model: String,
    prices: Prices,
    prompt_tokens: u32,
    sent: Option<Instant>,
    first_token: Option<Duration>,
    text: String,
    usage: Option<Usage>,
    report: Report,
}

/// Whom to tell of its provider's health.
#[derive(Clone)]
pub(super) struct Report {
    pub(super) db: Database,
    pub(super) gates: Arc<Gates>,
    pub(super) gate: Arc<Gate>,
    /// The call is a probe.
    pub(super) probe: Option<LeaseToken>,
    /// What was drawn for it.
    pub(super) tokens: u32,
}

impl Entry {
    /// Opens the row, on a task of its own: should the stage be aborted between the commit and the answer, the entry is
    /// dropped there, and closed.
    pub(super) async fn open(
        door: &LlmDoor,
        (db, gate): (&Database, &Arc<Gate>),
        (call, pass): (NewCall, Pass),
        cancelled: CancellationToken,
    ) -> Result<Asked, StageError> {
        let ledger = door.ledger(db);
        let Pass { permit, probe, tokens } = pass;
        let (gates, gate) = (Arc::clone(&door.gates), Arc::clone(gate));
        let known = Known {
            ledger: ledger.clone(),
            id: call.id,
            provider: call.provider.clone(),
            model: call.model_id.clone(),
            prices: door.prices.clone(),
            prompt_tokens: u32::try_from(call.tokens_in).unwrap_or(0),
            sent: None,
            first_token: None,
            text: String::new(),
            usage: None,
            report: Report { db: db.clone(), gates, gate, probe, tokens },
        };
        let mut entry = Self {
            known,
            settled: false,
            open: door.open.clone(),
            runtime: Handle::current(),
            cancelled,
            permit: Some(permit),
        };
        let (give, take) = oneshot::channel();
        door.open.spawn(async move {
            let asked = match ledger.open(call).await {
                Ok(Opened::Open) => Ok(Asked::Open(Box::new(entry))),
                Ok(Opened::Lost) => {
                    entry.forget();
                    Ok(Asked::Lost)
                }
                Ok(Opened::OverBudget { may_come_back }) => {
                    entry.forget();
                    Ok(Asked::OverBudget { may_come_back })
                }
                Ok(Opened::Shut(shut)) => {
                    entry.forget();
                    Ok(Asked::Shut(shut))
                }
                Ok(Opened::OverOrgBudget(exceeded)) => {
                    entry.forget();
                    Ok(Asked::OverOrgBudget(exceeded))
                }
                // The answer may have been lost: `entry` is dropped, and closes the row if there is one.
                Err(error) => Err(error),
            };
            drop(give.send(asked));
        });
        match take.await {
            Ok(asked) => Ok(asked?),
            Err(_) => Err(DatabaseError::Interrupted.into()),
        }
    }

    /// There is no row to close. A probe that did not go leaves its place to another.
    fn forget(&mut self) {
        self.settled = true;
        if self.known.report.probe.is_some() {
            let report = self.known.report.clone();
            drop(self.open.spawn_on(async move { report.closed(Health::Unseen).await }, &self.runtime));
        }
    }

    pub(super) const fn id(&self) -> ProviderCallId {
        self.known.id
    }

    pub(super) fn provider(&self) -> &str {
        &self.known.provider
    }

    pub(super) const fn report(&self) -> &Report {
        &self.known.report
    }

    pub(super) fn text(&self) -> &str {
        &self.known.text
    }

    /// From now on the provider works, and is paid.
    pub(super) fn sent(&mut self) {
        self.known.sent.get_or_insert_with(Instant::now);
    }

    pub(super) fn received(&mut self, text: &str, streamed: bool) {
        let known = &mut self.known;
        if streamed {
            known.first_token = known.first_token.or_else(|| known.sent.map(|sent| sent.elapsed()));
        }
        if known.text.is_empty() && known.report.probe.is_some() {
            // It answers: nobody has to wait until it has said all.
            let report = known.report.clone();
            drop(self.open.spawn_on(async move { report.closed(Health::Well).await }, &self.runtime));
        }
        known.text.push_str(text);
    }

    pub(super) const fn told(&mut self, usage: Usage) {
        self.known.usage = Some(usage);
    }

    pub(super) async fn succeed(mut self, finish: Option<Finish>) -> Answer {
        let (usage, _) = self.known.usage(true);
        self.known.report.answered(&self.known, usage);
        self.close(None, true, Health::Well).await;
        let known = &mut self.known;
        Answer {
            text: std::mem::take(&mut known.text),
            call_id: known.id,
            provider: std::mem::take(&mut known.provider),
            model: std::mem::take(&mut known.model),
            finish,
            usage,
        }
    }

    pub(super) async fn fail(mut self, error: (ErrorCode, String), billed: bool, health: Health) {
        self.close(Some(error), billed, health).await;
    }

    async fn close(&mut self, error: Option<(ErrorCode, String)>, billed: bool, health: Health) {
        self.settled = true;
        self.permit = None;
        let closing = self.open.spawn_on(close(self.known.clone(), error, (billed, health)), &self.runtime);
        // It goes on if it takes longer.
        let _in_time = timeout(CLOSE_PATIENCE, closing).await;
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if !self.settled {
            let (code, message) = abandoned(self.cancelled.is_cancelled());
            let health = if self.known.text.is_empty() { Health::Unseen } else { Health::Well };
            let how = (self.known.sent.is_some(), health);
            let closing = close(self.known.clone(), Some((code, message.to_owned())), how);
            drop(self.open.spawn_on(closing, &self.runtime));
        }
    }
}

impl Known {
    /// What the provider told; else what we count, if it worked at all. And whether we counted.
    fn usage(&self, billed: bool) -> (Usage, bool) {
        match self.usage {
            Some(usage) => (usage, false),
            None if billed => (Usage { tokens_in: self.prompt_tokens, tokens_out: count_tokens(&self.text) }, true),
            None => (Usage { tokens_in: 0, tokens_out: 0 }, false),
        }
    }

    fn end(self, error: Option<(ErrorCode, String)>, billed: bool, health: Health) -> CallEnd {
        let (usage, usage_estimated) = self.usage(billed);
        let cost_cents = self.prices.cost_cents(&self.provider, &self.model, usage);
        CallEnd {
            latency_ms: self.sent.map(|sent| milliseconds(sent.elapsed())),
            ttft_ms: self.first_token.map(milliseconds),
            tokens_in: i32::try_from(usage.tokens_in).unwrap_or(i32::MAX),
            tokens_out: i32::try_from(usage.tokens_out).unwrap_or(i32::MAX),
            usage_estimated,
            cost_cents,
            health,
            error,
            output: self.text,
        }
    }
}

impl Report {
    async fn closed(&self, health: Health) {
        self.gates.closed(&self.db, &self.gate, self.probe, health).await;
    }

    /// The provider said 429.
    pub(super) async fn limited(&self, wait: Duration) {
        self.gates.limited(&self.db, &self.gate, wait).await;
    }

    fn answered(&self, known: &Known, usage: Usage) {
        if let Some(sent) = known.sent {
            self.gate.well(known.first_token, sent.elapsed());
        }
        self.gate.unused(self.tokens.saturating_sub(usage.tokens_in.saturating_add(usage.tokens_out)));
    }
}

/// In the ledger first, where it is counted; then its breaker is judged.
async fn close(known: Known, error: Option<(ErrorCode, String)>, (billed, health): (bool, Health)) {
    let (ledger, id, report) = (known.ledger.clone(), known.id, known.report.clone());
    ledger.close(id, known.end(error, billed, health)).await;
    report.closed(health).await;
}

fn milliseconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
