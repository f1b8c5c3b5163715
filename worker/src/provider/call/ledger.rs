//! A call's row in the ledger while the call is under way: an open entry can't be forgotten, since dropping it closes it.

use std::time::Duration;

use hellosales_core::breaker::Health;
use hellosales_core::budget::Exceeded;
use hellosales_core::provider_call::{CallEnd, NewCall, Opened};
use hellosales_core::{Database, DatabaseError, ErrorCode, ProviderCallId};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::price::{Prices, count_tokens};
use super::super::{Finish, Usage};
use super::desk::Ledger;
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
}

/// The row is open. Dropping this closes it.
pub(super) struct Entry {
    known: Known,
    /// Nothing is left to close.
    settled: bool,
    open: TaskTracker,
    runtime: Handle,
    cancelled: CancellationToken,
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
}

impl Entry {
    /// Opens the row, on a task of its own: should the stage be aborted between the commit and the answer, the entry is
    /// dropped there, and closed.
    pub(super) async fn open(
        door: &LlmDoor,
        db: &Database,
        call: NewCall,
        cancelled: CancellationToken,
    ) -> Result<Asked, StageError> {
        let ledger = door.ledger(db);
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
        };
        let mut entry = Self { known, settled: false, open: door.open.clone(), runtime: Handle::current(), cancelled };
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
                Ok(Opened::Shut(_)) => {
                    entry.forget();
                    Ok(Asked::Lost)
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

    /// There is no row to close.
    const fn forget(&mut self) {
        self.settled = true;
    }

    pub(super) const fn id(&self) -> ProviderCallId {
        self.known.id
    }

    pub(super) fn provider(&self) -> &str {
        &self.known.provider
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
        known.text.push_str(text);
    }

    pub(super) const fn told(&mut self, usage: Usage) {
        self.known.usage = Some(usage);
    }

    pub(super) async fn succeed(mut self, finish: Option<Finish>) -> Answer {
        let (usage, _) = self.known.usage(true);
        self.close(None, true).await;
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

    pub(super) async fn fail(mut self, code: ErrorCode, message: String, billed: bool) {
        self.close(Some((code, message)), billed).await;
    }

    async fn close(&mut self, error: Option<(ErrorCode, String)>, billed: bool) {
        self.settled = true;
        let closing = self.open.spawn_on(close(self.known.clone(), error, billed), &self.runtime);
        // It goes on if it takes longer.
        let _in_time = timeout(CLOSE_PATIENCE, closing).await;
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if !self.settled {
            let (code, message) = abandoned(self.cancelled.is_cancelled());
            let closing = close(self.known.clone(), Some((code, message.to_owned())), self.known.sent.is_some());
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

    fn end(self, error: Option<(ErrorCode, String)>, billed: bool) -> CallEnd {
        let (usage, usage_estimated) = self.usage(billed);
        let cost_cents = self.prices.cost_cents(&self.provider, &self.model, usage);
        CallEnd {
            latency_ms: self.sent.map(|sent| milliseconds(sent.elapsed())),
            ttft_ms: self.first_token.map(milliseconds),
            tokens_in: i32::try_from(usage.tokens_in).unwrap_or(i32::MAX),
            tokens_out: i32::try_from(usage.tokens_out).unwrap_or(i32::MAX),
            usage_estimated,
            cost_cents,
            health: if error.is_none() { Health::Well } else { Health::Unseen },
            error,
            output: self.text,
        }
    }
}

async fn close(known: Known, error: Option<(ErrorCode, String)>, billed: bool) {
    let (ledger, id) = (known.ledger.clone(), known.id);
    ledger.close(id, known.end(error, billed)).await;
}

fn milliseconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
