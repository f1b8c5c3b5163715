//! The life of one feed: how a person's runs and batches stand, each time that one stands elsewhere.
//!
//! Whoever comes is told how all stand that are under way, and what ended within the last minute. A position is a time of the
//! database in microseconds, doubled like that of a batch: whoever comes with one is also told what ended since. So a state may
//! come twice, and none is missed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use hellosales_core::batch::{self, Batch};
use hellosales_core::pulse::feed;
use hellosales_core::pulse::runs::{self, Run, RunRow};
use hellosales_core::{BatchId, DatabaseError, RunId, identity};
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior};

use super::frame;
use super::stream::{AUTHORISE, COMMENT, LONGEST, Over, Writer};
use crate::auth::Caller;
use crate::clock;
use crate::error::timestamp;
use crate::feed::{Page, RECENT, RunState, Seen};
use crate::object::{BatchObject, RunObject};
use crate::state::AppState;
use crate::streams::OpenStream;
use crate::watch::{self, OVERLAP};

/// Of what ended while the follower was away, so many of the newest runs are looked through.
const NEWEST: i64 = 1_000;
/// A statement reads so many of them whole.
const WHOLE: usize = 100;

/// What is written into one response.
pub(crate) struct FeedStream {
    pub(crate) state: AppState,
    pub(crate) caller: Caller,
    /// Whether this caller may look at batches.
    pub(crate) with_batches: bool,
    /// Counts as open for as long as it is here.
    pub(crate) _counted: OpenStream,
}

/// What the follower has.
#[derive(Default)]
struct Told {
    runs: HashMap<RunId, RunState>,
    batches: HashMap<BatchId, Arc<Batch>>,
}

impl FeedStream {
    /// Writes until the client is gone, the token ends or the process stops.
    pub(crate) async fn write(self, out: Writer, position: Option<i64>) {
        if let Err(Over::Database(error)) = self.follow(&out, position).await {
            tracing::warn!(org_id = %self.caller.org(), %error, "a feed was cut");
        }
    }

    async fn follow(&self, out: &Writer, position: Option<i64>) -> Result<(), Over> {
        let mut seen = self.state.feed.subscribe(self.caller.org(), self.caller.user());
        // There may be a page already, of somebody who came before.
        seen.mark_changed();
        let mut told: Option<Told> = None;
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
                changed = seen.changed() => {
                    // The loop has ended: the process is about to.
                    if changed.is_err() {
                        return Ok(());
                    }
                    let page: Seen = seen.borrow_and_update().clone();
                    let Some(page) = page else { continue };
                    let told = match &mut told {
                        Some(told) => told,
                        None => told.insert(self.begin(out, &page, position).await?),
                    };
                    self.tell(out, &page, told).await?;
                }
                _ = comments.tick() => out.write(frame::comment()).await?,
                _ = authorise.tick() => self.authorise().await?,
            }
        }
    }

    /// What ended since a position, and isn't on the page any more, is told first.
    async fn begin(&self, out: &Writer, page: &Page, position: Option<i64>) -> Result<Told, Over> {
        let mut told = Told::default();
        // Nobody was given a position that is yet to come.
        let position = position.filter(|position| *position <= of(page.at));
        let since = position.and_then(|position| DateTime::from_timestamp_micros(position / 2));
        let Some(since) = since.and_then(|since| since.checked_sub_signed(OVERLAP)) else { return Ok(told) };
        for (id, run) in &page.runs {
            if run.completed_at.is_some_and(|ended| ended <= since) {
                told.runs.insert(*id, RunState::of(run));
            }
        }
        for (id, batch) in &page.batches {
            if batch.completed_at.is_some_and(|ended| ended <= since) {
                told.batches.insert(*id, Arc::clone(batch));
            }
        }
        if since < page.at - RECENT {
            self.tell_missed(out, page, since).await?;
        }
        Ok(told)
    }

    async fn tell_missed(&self, out: &Writer, page: &Page, since: DateTime<Utc>) -> Result<(), Over> {
        let (runs, batches) = self.missed(since).await?;
        for group in runs.chunks(WHOLE) {
            for row in self.read_runs(group).await? {
                self.tell_run(out, page.at, row).await?;
            }
        }
        for batch in batches {
            self.tell_batch(out, page.at, &batch).await?;
        }
        Ok(())
    }

    async fn missed(&self, since: DateTime<Utc>) -> Result<(Vec<RunId>, Vec<Batch>), DatabaseError> {
        let mut tx = self.state.db.begin_fast().await?;
        let mut tx = tx.enter(self.caller.org()).await?;
        let runs = feed::runs(&mut tx, &[(self.caller.user(), NEWEST)], &[]).await?;
        let mut runs: Vec<RunId> =
            runs.into_iter().filter(|run| run.completed_at.is_some_and(|at| at > since)).map(|run| run.id).collect();
        runs.sort();
        let mut batches = Vec::new();
        if self.with_batches {
            let ended = feed::batches(&mut tx, &[self.caller.user()], since).await?;
            let ended: Vec<BatchId> = ended.iter().filter(|one| one.completed_at.is_some()).map(|one| one.id).collect();
            batches = batch::many(&mut tx, &ended).await?;
            batches.reverse();
        }
        Ok((runs, batches))
    }

    async fn read_runs(&self, ids: &[RunId]) -> Result<Vec<RunRow>, DatabaseError> {
        let mut tx = self.state.db.begin_fast().await?;
        let mut tx = tx.enter(self.caller.org()).await?;
        runs::of_person(&mut tx, self.caller.user(), ids).await
    }

    /// Whatever of the page stands elsewhere than the follower was told.
    async fn tell(&self, out: &Writer, page: &Page, told: &mut Told) -> Result<(), Over> {
        told.runs.retain(|id, _| page.runs.contains_key(id));
        told.batches.retain(|id, _| page.batches.contains_key(id));
        for (id, run) in &page.runs {
            let state = RunState::of(run);
            if told.runs.get(id) != Some(&state) {
                told.runs.insert(*id, state);
                self.tell_run(out, page.at, (**run).clone()).await?;
            }
        }
        for (id, batch) in page.batches.iter().filter(|_| self.with_batches) {
            if !told.batches.get(id).is_some_and(|last| watch::is_same(last, batch)) {
                told.batches.insert(*id, Arc::clone(batch));
                self.tell_batch(out, page.at, batch).await?;
            }
        }
        Ok(())
    }

    /// A run, without what it made: a page that wants to read it knows where it is.
    async fn tell_run(&self, out: &Writer, at: DateTime<Utc>, row: RunRow) -> Result<(), Over> {
        let run = RunObject { result: None, ..RunObject::from(Run { row, written: None }) };
        self.send(out, "run.updated", of(at), json!({"run_id": run.id, "run": run})).await
    }

    async fn tell_batch(&self, out: &Writer, at: DateTime<Utc>, batch: &Batch) -> Result<(), Over> {
        let members = json!({"batch_id": batch.id, "batch": BatchObject::from(batch)});
        self.send(out, "batch.updated", of(at), members).await
    }

    async fn send(&self, out: &Writer, event: &str, position: i64, members: Value) -> Result<(), Over> {
        out.write(frame::frame(Some(position), event, &data(event, Some(position), members))).await
    }

    async fn close(&self, out: &Writer, reason: &str) -> Result<(), Over> {
        let event = "stream.closing";
        out.write(frame::frame(None, event, &data(event, None, json!({"reason": reason})))).await
    }

    /// Over, if the caller is no longer of the organisation.
    async fn authorise(&self) -> Result<(), Over> {
        let mut tx = self.state.db.begin_fast().await?;
        let mut tx = tx.enter(self.caller.org()).await?;
        if identity::is_member(&mut tx, self.caller.user()).await? { Ok(()) } else { Err(Over::Done) }
    }
}

fn of(at: DateTime<Utc>) -> i64 {
    2 * at.timestamp_micros()
}

fn data(event: &str, seq: Option<i64>, members: Value) -> Value {
    let mut data = json!({"type": event, "seq": seq, "at": timestamp(clock::now())});
    if let (Value::Object(data), Value::Object(members)) = (&mut data, members) {
        data.extend(members);
    }
    data
}
