//! A call's row in the ledger while the call is under way: an open entry can't be forgotten, since dropping it closes it.

use std::time::Duration;

use hellosales_core::provider_call::{self, CallEnd, NewCall};
use hellosales_core::{Database, DatabaseError, ErrorCode, ProviderCallId};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::price::{Prices, count_tokens};
use super::super::{Finish, Usage};
use super::{Answer, LlmDoor, abandoned};
use crate::stage::StageError;

/// A stage waits this long for its call to be closed, so that its run's end shows the cost; closing goes on without it.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);
/// Tries at closing, a second more between each: some minutes of a lost database. Then the janitor finds the row.
const CLOSE_TRIES: u32 = 20;

/// The row is open. Dropping this closes it.
pub(super) struct Entry {
    known: Option<Known>,
    open: TaskTracker,
    runtime: Handle,
    cancelled: CancellationToken,
}

/// What is known of the call.
struct Known {
    db: Database,
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
    /// Opens the row; `None`: the step is lost. It is opened on a task of its own: should the stage be aborted between the
    /// commit and the answer, the entry is dropped there, and closed.
    pub(super) async fn open(
        door: &LlmDoor,
        db: Database,
        call: NewCall,
        cancelled: CancellationToken,
    ) -> Result<Option<Self>, StageError> {
        let entry = Self {
            known: Some(Known {
                db: db.clone(),
                id: call.id,
                provider: call.provider.clone(),
                model: call.model_id.clone(),
                prices: door.prices.clone(),
                prompt_tokens: u32::try_from(call.tokens_in).unwrap_or(0),
                sent: None,
                first_token: None,
                text: String::new(),
                usage: None,
            }),
            open: door.open.clone(),
            runtime: Handle::current(),
            cancelled,
        };
        let (give, take) = oneshot::channel();
        door.open.spawn(async move {
            let opened = match provider_call::open(&db, &call).await {
                Ok(Some(_)) => Ok(Some(entry)),
                Ok(None) => {
                    entry.forget();
                    Ok(None)
                }
                // The answer may have been lost: `entry` is dropped, and closes the row if there is one.
                Err(error) => Err(error),
            };
            drop(give.send(opened));
        });
        match take.await {
            Ok(opened) => Ok(opened?),
            Err(_) => Err(DatabaseError::Interrupted.into()),
        }
    }

    pub(super) fn id(&self) -> Option<ProviderCallId> {
        self.known.as_ref().map(|known| known.id)
    }

    pub(super) fn provider(&self) -> &str {
        self.known.as_ref().map_or("", |known| &known.provider)
    }

    pub(super) fn text(&self) -> &str {
        self.known.as_ref().map_or("", |known| &known.text)
    }

    /// From now on the provider works, and is paid.
    pub(super) fn sent(&mut self) {
        if let Some(known) = &mut self.known {
            known.sent.get_or_insert_with(Instant::now);
        }
    }

    pub(super) fn received(&mut self, text: &str) {
        if let Some(known) = &mut self.known {
            known.first_token = known.first_token.or_else(|| known.sent.map(|sent| sent.elapsed()));
            known.text.push_str(text);
        }
    }

    pub(super) fn told(&mut self, usage: Usage) {
        if let Some(known) = &mut self.known {
            known.usage = Some(usage);
        }
    }

    pub(super) async fn succeed(mut self, finish: Option<Finish>) -> Answer {
        let Some(known) = self.known.take() else { return Answer::nothing() };
        let (usage, _) = known.usage(true);
        let answer = Answer {
            text: known.text.clone(),
            call_id: known.id,
            provider: known.provider.clone(),
            model: known.model.clone(),
            finish,
            usage,
        };
        self.close(known, None, true).await;
        answer
    }

    pub(super) async fn fail(mut self, code: ErrorCode, message: String, billed: bool) {
        if let Some(known) = self.known.take() {
            self.close(known, Some((code, message)), billed).await;
        }
    }

    fn forget(mut self) {
        self.known = None;
    }

    async fn close(&self, known: Known, error: Option<(ErrorCode, String)>, billed: bool) {
        let closing = self.open.spawn_on(close(known, error, billed), &self.runtime);
        // It goes on if it takes longer.
        let _in_time = timeout(CLOSE_PATIENCE, closing).await;
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(known) = self.known.take() {
            let (code, message) = abandoned(self.cancelled.is_cancelled());
            let billed = known.sent.is_some();
            drop(self.open.spawn_on(close(known, Some((code, message.to_owned())), billed), &self.runtime));
        }
    }
}

impl Known {
    /// What the provider told; else what we count, if it worked at all. And whether we counted.
    fn usage(&self, billed: bool) -> (Usage, bool) {
        match self.usage {
            Some(usage) => (usage, false),
            None if billed => {
                (Usage { tokens_in: self.prompt_tokens, tokens_out: count_tokens(&self.text) }, true)
            }
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
            error,
            output: self.text,
        }
    }
}

async fn close(known: Known, error: Option<(ErrorCode, String)>, billed: bool) {
    let (db, id) = (known.db.clone(), known.id);
    let end = known.end(error, billed);
    for tried in 1..=CLOSE_TRIES {
        match provider_call::close(&db, id, &end).await {
            Ok(_) => return,
            Err(error) if error.is_rejected() => {
                tracing::error!(call_id = %id, error = %error, "the end of a provider call could not be stored");
                return;
            }
            Err(_) => sleep(Duration::from_secs(u64::from(tried))).await,
        }
    }
    tracing::error!(call_id = %id, tries = CLOSE_TRIES, "a provider call is still open in the ledger");
}

fn milliseconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
