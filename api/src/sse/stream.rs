//! The life of one stream: what was, what comes, and how it ends.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::StreamExt;
use hellosales_core::pulse::runs::{self, Run};
use hellosales_core::stream::read::StreamRow;
use hellosales_core::stream::{MINORS, seq};
use hellosales_core::{DatabaseError, RunId};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::task::TaskTracker;

use super::frame;
use super::text::TextSoFar;
use crate::auth::Caller;
use crate::clock;
use crate::error::timestamp;
use crate::follow::Subscription;
use crate::object::RunObject;
use crate::state::AppState;
use crate::streams::OpenStream;

/// A comment this often.
pub(super) const COMMENT: Duration = Duration::from_secs(15);
/// Whether the caller may still see the run is asked this often.
pub(super) const AUTHORISE: Duration = Duration::from_secs(60);
/// A client that takes nothing for this long is given up.
const SLOW: Duration = Duration::from_secs(30);
/// A run without events of its own is looked at this often.
const LOOK: Duration = Duration::from_millis(500);
/// This many frames may wait for the client.
const FRAMES: usize = 64;
/// No token is good for longer than this in one go.
pub(super) const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// What is written into one response.
pub(crate) struct Stream {
    pub(crate) state: AppState,
    pub(crate) caller: Caller,
    pub(crate) run: RunId,
    /// Counts as open for as long as it is here.
    pub(crate) _counted: OpenStream,
}

/// Why writing ended; nothing more is to be done in any case.
pub(super) enum Over {
    /// The end event is out, or the client is gone.
    Done,
    /// The database failed: the client comes back with its position.
    Database(DatabaseError),
}

impl From<DatabaseError> for Over {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
    }
}

pub(crate) struct Writer(pub(super) mpsc::Sender<Bytes>);

impl Writer {
    pub(super) async fn write(&self, bytes: Bytes) -> Result<(), Over> {
        match tokio::time::timeout(SLOW, self.0.send(bytes)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Over::Done),
        }
    }
}

/// Answers at once: headers and the first bytes go out before anything is read.
pub(crate) fn response(stream: Stream, row: Run, position: Option<i64>) -> Response {
    let (run, work) = (stream.run, stream.state.work.clone());
    open(&work, |out| async move {
        if let Err(Over::Database(error)) = stream.write(out, row, position).await {
            tracing::warn!(run_id = %run, %error, "a stream was cut");
        }
    })
}

/// An answer that a task writes into for as long as the client stays.
pub(crate) fn open<F: Future<Output = ()> + Send + 'static>(
    work: &TaskTracker,
    write: impl FnOnce(Writer) -> F,
) -> Response {
    let (sender, receiver) = mpsc::channel::<Bytes>(FRAMES);
    let _there_is_room = sender.try_send(frame::retry(RandomState::new().hash_one(Instant::now())));
    // Ends with the client: every wait looks at the channel.
    drop(work.spawn(write(Writer(sender))));
    let frames = tokio_stream::wrappers::ReceiverStream::new(receiver).map(Ok::<_, std::convert::Infallible>);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform")),
        (header::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    (StatusCode::OK, headers, Body::from_stream(frames)).into_response()
}

/// What a follower has when it has read a run's events up to a position.
struct Told {
    position: i64,
    text: TextSoFar,
    attempt: Option<Value>,
}

impl Told {
    fn hear(&mut self, row: &StreamRow) {
        self.position = row.seq;
        if let Some(attempt) = row.data.get("attempt").filter(|attempt| !attempt.is_null()) {
            self.attempt = Some(attempt.clone());
        }
        match row.event.as_str() {
            "output.reset" => self.text.clear(),
            "output.delta" => {
                let member = |name| row.data.get(name).and_then(Value::as_str);
                self.text.push(member("field"), member("delta").unwrap_or_default());
            }
            _ => {}
        }
    }
}

impl Stream {
    async fn write(self, out: Writer, row: Run, position: Option<i64>) -> Result<(), Over> {
        let has_events = row.stream;
        // Nobody was ever given a position in a major that doesn't exist yet.
        let position = position.filter(|position| *position < (i64::from(row.stream_major) + 1) * MINORS);
        let position = match position {
            Some(position) if !row.is_pruned => position,
            _ if row.is_pruned => return self.write_pruned(&out, row).await,
            _ if !row.stream => {
                let position = seq(row.stream_major, 0);
                let text = TextSoFar::of(&row);
                out.write(frame::snapshot(position, &RunObject::from(row), &text, None, &now())).await?;
                return self.follow(&out, Subscription::none(), Some(position)).await;
            }
            _ => self.write_snapshot(&out, row).await?,
        };
        if !has_events {
            return self.follow(&out, Subscription::none(), Some(position)).await;
        }
        let position = self.catch_up(&out, position).await?;
        let events = self.state.follow.subscribe(self.run, position).await;
        self.follow(&out, events, None).await
    }

    /// The chunks are gone: what is stored takes their place, and the end event is made from the run.
    async fn write_pruned(&self, out: &Writer, row: Run) -> Result<(), Over> {
        let end = seq(row.stream_major, 0);
        let mut text = TextSoFar::of(&row);
        text.push(None, row.said_content.as_deref().unwrap_or_default());
        let run = RunObject::from(row);
        text.stored(run.result.as_ref().map(|result| json!(result)).as_ref());
        out.write(frame::snapshot(end - 1, &run, &text, None, &now())).await?;
        let members = json!({"at": run.completed_at, "generation": run.generation});
        out.write(frame::ended(end, &format!("run.{}", run.status), members, &run)).await
    }

    /// The text so far. What ended the run, if it has ended, is left to be told after it.
    async fn write_snapshot(&self, out: &Writer, row: Run) -> Result<i64, Over> {
        let end = row.has_ended().then(|| seq(row.stream_major, 0));
        let mut told = Told { position: 0, text: TextSoFar::of(&row), attempt: None };
        'read: loop {
            let rows = self.state.follow.read(self.run, told.position).await?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                if Some(row.seq) == end || (end.is_none() && row.is_end() && self.ends_here(row.seq).await?) {
                    break 'read;
                }
                told.hear(row);
            }
        }
        let run = RunObject::from(row);
        out.write(frame::snapshot(told.position, &run, &told.text, told.attempt.as_ref(), &now())).await?;
        Ok(told.position)
    }

    /// Whether the end event at this position is the run's last one; it may have been redriven since.
    async fn ends_here(&self, position: i64) -> Result<bool, Over> {
        let row = self.load().await?.ok_or(Over::Done)?;
        Ok(row.has_ended() && seq(row.stream_major, 0) == position)
    }

    /// Tells what is there after a position; returns the position that is reached.
    async fn catch_up(&self, out: &Writer, mut position: i64) -> Result<i64, Over> {
        loop {
            let rows = self.state.follow.read(self.run, position).await?;
            if rows.is_empty() {
                return Ok(position);
            }
            for row in rows {
                position = row.seq;
                self.tell(out, row).await?;
            }
        }
    }

    /// Tells one event; over after the last one.
    async fn tell(&self, out: &Writer, row: StreamRow) -> Result<(), Over> {
        if !row.is_end() {
            return out.write(frame::stored(row)).await;
        }
        let run = self.load().await?.ok_or(Over::Done)?;
        // If not, a generation before this one ended here, and the run lives again.
        let is_last = run.has_ended() && seq(run.stream_major, 0) == row.seq;
        out.write(frame::ended(row.seq, &row.event, row.data, &RunObject::from(run))).await?;
        if is_last { Err(Over::Done) } else { Ok(()) }
    }

    /// The end of a run without events, once it has come: made from its row.
    async fn look(&self, out: &Writer, position: i64) -> Result<(), Over> {
        let row = self.load().await?.ok_or(Over::Done)?;
        let end = seq(row.stream_major, 0);
        if !row.has_ended() || end <= position {
            return Ok(());
        }
        let run = RunObject::from(row);
        let members = json!({"at": run.completed_at, "generation": run.generation});
        out.write(frame::ended(end, &format!("run.{}", run.status), members, &run)).await?;
        Err(Over::Done)
    }

    /// Tells what comes: events, or, of a run that has none (`quiet`, with the position that was told), its end.
    async fn follow(&self, out: &Writer, mut events: Subscription, quiet: Option<i64>) -> Result<(), Over> {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
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
                event = events.next(), if quiet.is_none() => match event {
                    Some(row) => self.tell(out, row).await?,
                    None => return Ok(()),
                },
                _ = look.tick(), if quiet.is_some() => self.look(out, quiet.unwrap_or_default()).await?,
                _ = comments.tick() => out.write(frame::comment()).await?,
                _ = authorise.tick() => {
                    self.load().await?.ok_or(Over::Done)?;
                }
            }
        }
    }

    async fn close(&self, out: &Writer, reason: &str) -> Result<(), Over> {
        out.write(frame::closing(self.run, reason, &now())).await
    }

    /// The run, if the caller may see it.
    async fn load(&self) -> Result<Option<Run>, DatabaseError> {
        let mut tx = self.state.db.begin_fast().await?;
        let mut org = tx.enter(self.caller.org()).await?;
        runs::get(&mut org, self.run, self.caller.viewer()).await
    }
}

fn now() -> Value {
    json!(timestamp(clock::now()))
}
