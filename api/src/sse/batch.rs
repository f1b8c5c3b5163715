//! The life of one stream of a batch: absolute counts, its items if they are wanted, and the end of a round.
//!
//! A position is a time of the database in microseconds, doubled: an odd one is the end of a round. Whatever ended up to
//! [`OVERLAP`] before a position may come again after it, so that an item whose transaction was slow is not missed.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use hellosales_core::batch::{self, Batch, BatchStatus, Item};
use hellosales_core::{BatchId, DatabaseError};
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::{Instant, MissedTickBehavior};

use super::frame;
use super::stream::{AUTHORISE, COMMENT, LONGEST, Over, Writer};
use crate::auth::Caller;
use crate::clock;
use crate::error::timestamp;
use crate::object::{BatchObject, ItemObject};
use crate::state::AppState;
use crate::streams::OpenStream;
use crate::watch::{self, OVERLAP, Watched};

/// A page of items that ended while the follower was away.
const PAGE: i64 = 200;

/// What is written into one response.
pub(crate) struct BatchStream {
    pub(crate) state: AppState,
    pub(crate) caller: Caller,
    pub(crate) id: BatchId,
    pub(crate) with_items: bool,
    /// Counts as open for as long as it is here.
    pub(crate) _counted: OpenStream,
}

/// What the follower has.
struct Told {
    position: i64,
    batch: Arc<Batch>,
}

type Items = Option<broadcast::Receiver<Arc<Item>>>;

/// Whether nothing comes after this position: it is the end of the last round.
pub(crate) fn has_heard_the_end(batch: &Batch, position: i64) -> bool {
    let ended = batch.completed_at.filter(|_| has_ended(batch));
    position % 2 == 1 && ended.is_some_and(|at| position >= of(at))
}

fn has_ended(batch: &Batch) -> bool {
    BatchStatus::parse(&batch.status).is_ok_and(BatchStatus::has_ended)
}

fn of(at: DateTime<Utc>) -> i64 {
    2 * at.timestamp_micros()
}

impl BatchStream {
    /// Writes until the batch has ended, the client is gone, the token ends or the process stops.
    pub(crate) async fn write(self, out: Writer, position: Option<i64>) {
        if let Err(Over::Database(error)) = self.follow(&out, position).await {
            tracing::warn!(batch_id = %self.id, %error, "a stream was cut");
        }
    }

    async fn follow(&self, out: &Writer, position: Option<i64>) -> Result<(), Over> {
        // Before anything is read: what ends between is in both.
        let Watched { batch: mut seen, mut items } =
            self.state.watch.subscribe(self.caller.org(), self.id, self.with_items);
        let batch = Arc::new(self.load().await?.ok_or(Over::Done)?);
        let now = of(batch.at);
        // Nobody was given a position that is yet to come.
        let position = position.filter(|position| *position <= now + 1);
        let mut told = Told { position: position.unwrap_or(now), batch };
        if position.is_some() && self.with_items {
            self.catch_up(out, &mut told).await?;
        }
        told.position = told.position.max(now);
        let first = if position.is_some() { "batch.progress" } else { "batch.snapshot" };
        if has_ended(&told.batch) {
            if position.is_none() {
                self.tell_batch(out, first, &told).await?;
            }
            return self.tell_end(out, &mut told).await;
        }
        self.tell_batch(out, first, &told).await?;
        let mut comments = tokio::time::interval_at(Instant::now() + COMMENT, COMMENT);
        comments.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut authorise = tokio::time::interval_at(Instant::now() + AUTHORISE, AUTHORISE);
        let left = (self.caller.expires_at - clock::now()).to_std().unwrap_or(Duration::ZERO).min(LONGEST);
        let expiry = tokio::time::sleep(left);
        tokio::pin!(expiry);
        loop {
            tokio::select! {
                biased;
                () = out.0.closed() => return Ok(()),
                () = self.state.draining.cancelled() => return self.close(out, "server_shutdown").await,
                () = &mut expiry => return self.close(out, "token_expiring").await,
                item = next(&mut items) => self.hear(out, item, &mut told).await?,
                changed = seen.changed() => {
                    // The loop has ended: the process is about to.
                    if changed.is_err() {
                        return Ok(());
                    }
                    let batch = seen.borrow_and_update().clone();
                    if let Some(batch) = batch {
                        self.tell_change(out, batch, &mut items, &mut told).await?;
                    }
                }
                _ = comments.tick() => out.write(frame::comment()).await?,
                _ = authorise.tick() => {
                    self.load().await?.ok_or(Over::Done)?;
                }
            }
        }
    }

    /// The batch as it is now, after the items that had ended by then.
    async fn tell_change(
        &self,
        out: &Writer,
        batch: Arc<Batch>,
        items: &mut Items,
        told: &mut Told,
    ) -> Result<(), Over> {
        while let Some(item) = ready(items) {
            self.hear(out, item, told).await?;
        }
        if batch.at <= told.batch.at || watch::is_same(&batch, &told.batch) {
            return Ok(());
        }
        let round = told.batch.round;
        told.position = told.position.max(of(batch.at));
        told.batch = batch;
        if told.batch.round > round {
            // A round has ended, and the next one was begun between two looks.
            self.send(
                out,
                "batch.completed",
                told.position,
                json!({"round": round, "batch": BatchObject::from(&*told.batch)}),
            )
            .await?;
        }
        if has_ended(&told.batch) {
            self.tell_end(out, told).await
        } else {
            self.tell_batch(out, "batch.progress", told).await
        }
    }

    async fn tell_batch(&self, out: &Writer, event: &str, told: &Told) -> Result<(), Over> {
        self.send(out, event, told.position, json!({"batch": BatchObject::from(&*told.batch)})).await
    }

    /// The last event of a round.
    async fn tell_end(&self, out: &Writer, told: &mut Told) -> Result<(), Over> {
        told.position |= 1;
        let event = format!("batch.{}", told.batch.status);
        let members = json!({"round": told.batch.round, "batch": BatchObject::from(&*told.batch)});
        self.send(out, &event, told.position, members).await?;
        Err(Over::Done)
    }

    async fn hear(&self, out: &Writer, item: Result<Arc<Item>, RecvError>, told: &mut Told) -> Result<(), Over> {
        match item {
            Ok(item) => self.tell_item(out, (*item).clone(), told).await,
            // Too far behind: read on from where this follower is.
            Err(RecvError::Lagged(_)) => self.catch_up(out, told).await,
            Err(RecvError::Closed) => Err(Over::Done),
        }
    }

    async fn tell_item(&self, out: &Writer, item: Item, told: &mut Told) -> Result<(), Over> {
        let Some(at) = item.ended_at else { return Ok(()) };
        // An odd position is an end, and no item is one.
        told.position = (told.position & !1).max(of(at));
        let event = format!("item.{}", item.status);
        self.send(out, &event, told.position, json!({"item": ItemObject::from(item)})).await
    }

    /// The items that ended since the follower's position, page by page.
    async fn catch_up(&self, out: &Writer, told: &mut Told) -> Result<(), Over> {
        let since = DateTime::from_timestamp_micros(told.position / 2).unwrap_or_default() - OVERLAP;
        let mut after = (since, -1);
        loop {
            let (items, last) = {
                let mut tx = self.state.db.begin().await?;
                let mut org = tx.enter(self.caller.org()).await?;
                let ended = batch::ended_since(&mut org, self.id, after, PAGE).await?;
                let last = ended.last().map(|last| (last.at, last.n)).filter(|_| ended.len() >= 200);
                (watch::texts(&mut org, self.id, &ended).await?, last)
            };
            for item in items {
                self.tell_item(out, item, told).await?;
            }
            match last {
                Some(last) => after = last,
                None => return Ok(()),
            }
        }
    }

    async fn close(&self, out: &Writer, reason: &str) -> Result<(), Over> {
        let data = self.data("stream.closing", None, json!({"reason": reason}));
        out.write(frame::frame(None, "stream.closing", &data)).await
    }

    async fn send(&self, out: &Writer, event: &str, position: i64, members: Value) -> Result<(), Over> {
        out.write(frame::frame(Some(position), event, &self.data(event, Some(position), members))).await
    }

    fn data(&self, event: &str, seq: Option<i64>, members: Value) -> Value {
        let mut data = json!({"type": event, "batch_id": self.id, "seq": seq, "at": timestamp(clock::now())});
        if let (Value::Object(data), Value::Object(members)) = (&mut data, members) {
            data.extend(members);
        }
        data
    }

    /// The batch, if the caller may see it.
    async fn load(&self) -> Result<Option<Batch>, DatabaseError> {
        let mut tx = self.state.db.begin().await?;
        let mut org = tx.enter(self.caller.org()).await?;
        batch::get(&mut org, self.id).await
    }
}

/// The next item; never, if none are wanted.
async fn next(items: &mut Items) -> Result<Arc<Item>, RecvError> {
    match items {
        Some(items) => items.recv().await,
        None => std::future::pending().await,
    }
}

/// An item that is there already.
fn ready(items: &mut Items) -> Option<Result<Arc<Item>, RecvError>> {
    match items.as_mut()?.try_recv() {
        Ok(item) => Some(Ok(item)),
        Err(TryRecvError::Lagged(n)) => Some(Err(RecvError::Lagged(n))),
        Err(TryRecvError::Empty | TryRecvError::Closed) => None,
    }
}
