//! What a streaming stage writes while it works: a handle for the stage, one writer a process.

mod buffer;
mod writer;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hellosales_core::queue::{ClaimedStep, StreamTail};
use hellosales_core::stream::write::ResetReason;
use hellosales_core::stream::{Opened, StreamText, open::open};
use hellosales_core::{Database, LeaseToken, RunId, metrics};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use buffer::Buffer;
pub(crate) use writer::Writer;

/// The step's token is gone: the stage must stop.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the stream's step is no longer this worker's")]
pub struct StreamLost;

/// A minor that no row has: a settlement that looks for it finds that the stream must be told whole.
const NO_MINOR: i32 = 999_999;
/// Before an opening that failed is tried again.
const REOPEN: Duration = Duration::from_millis(200);

/// Where a streaming stage writes its text. Cheap to clone.
#[derive(Debug, Clone)]
pub struct StreamHandle {
    stream: Arc<Stream>,
}

/// One attempt's text, between its stage and the writer.
#[derive(Debug)]
struct Stream {
    stage: usize,
    attempt: i16,
    state: Mutex<State>,
    /// Told when rows have landed, when they are in doubt, and when the token is lost.
    moved: Notify,
    bell: Arc<Bell>,
}

#[derive(Debug)]
struct State {
    buffer: Buffer,
    lost: bool,
    last_major: i32,
}

/// How stages wake the writer.
#[derive(Debug, Default)]
struct Bell {
    /// A first text waits, or an end.
    urgent: Notify,
    /// Some text waits.
    text: Notify,
}

/// The streams of a process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Streams {
    database: Database,
    bell: Arc<Bell>,
    open: Arc<Mutex<HashMap<Key, Arc<Stream>>>>,
}

type Key = (RunId, LeaseToken);

/// A stream that the writer knows, as long as this lives.
#[derive(Debug)]
pub struct OpenStream {
    key: Key,
    handle: StreamHandle,
    streams: Streams,
}

impl Streams {
    /// None is open.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database, bell: Arc::default(), open: Arc::default() }
    }

    /// Opens a step's stream, unless the hand-over has done so; tries for as long as it is let.
    ///
    /// # Errors
    /// If the step is no longer ours.
    pub async fn open(&self, step: &ClaimedStep) -> Result<OpenStream, StreamLost> {
        let opened = match step.opened() {
            Some(opened) => opened,
            None => self.open_anew(step, StreamText::default).await?,
        };
        let stream = Arc::new(Stream::new(step, opened, Arc::clone(&self.bell)));
        let key = (step.run().id, step.token());
        self.lock().insert(key, Arc::clone(&stream));
        Ok(OpenStream { key, handle: StreamHandle { stream }, streams: self.clone() })
    }

    async fn open_anew(&self, step: &ClaimedStep, said: impl Fn() -> StreamText) -> Result<Opened, StreamLost> {
        loop {
            match open(&self.database, step, &said()).await {
                Ok(Some(opened)) => return Ok(opened),
                Ok(None) => return Err(StreamLost),
                Err(error) => tracing::warn!(%error, "a stream could not be opened"),
            }
            sleep(REOPEN).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Arc<Stream>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenStream {
    /// For the stage.
    #[must_use]
    pub fn handle(&self) -> StreamHandle {
        self.handle.clone()
    }

    /// Runs beside the stage, and opens the stream anew whenever a flush is in doubt. Ends only when the token
    /// turns out to be lost.
    pub async fn keep(&self, step: &ClaimedStep) -> StreamLost {
        let stream = &self.handle.stream;
        loop {
            stream.until(|state| state.buffer.position().is_none()).await;
            match self.streams.open_anew(step, || stream.lock().buffer.in_doubt()).await {
                Ok(opened) => {
                    metrics::REOPENED.add(1);
                    let mut state = stream.lock();
                    state.last_major = opened.major;
                    state.buffer.opened(opened);
                }
                Err(lost) => {
                    stream.lock().lost = true;
                    stream.moved.notify_waiters();
                    return lost;
                }
            }
            stream.moved.notify_waiters();
            stream.bell.text.notify_one();
        }
    }

    /// Waits until all is in rows, but no longer than `patience`: what isn't, the settlement tells whole.
    pub async fn finish(&self, patience: Duration) -> StreamTail {
        let stream = &self.handle.stream;
        stream.bell.urgent.notify_one();
        let flushed = stream.until(|state| state.buffer.is_flushed() || state.buffer.position().is_none());
        // Too late is an answer too: the tail says what should be there.
        let _in_time = timeout(patience, flushed).await;
        let state = stream.lock();
        let (major, last_minor) = match state.buffer.position() {
            Some(position) if state.buffer.is_flushed() => (position.major, position.next_minor - 1),
            _ => (state.last_major, NO_MINOR),
        };
        StreamTail { major, last_minor, text: state.buffer.text().clone() }
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.streams.lock().remove(&self.key);
    }
}

impl StreamHandle {
    /// Adds text. Returns at once while there is room in the buffer. Text beyond what a stage's output may have is
    /// dropped: that output will be refused.
    ///
    /// # Errors
    /// If the step is no longer ours.
    pub async fn delta(&self, text: &str) -> Result<(), StreamLost> {
        self.push(|buffer| buffer.delta(None, text)).await
    }

    /// The same, to one field of a structured answer.
    ///
    /// # Errors
    /// If the step is no longer ours.
    pub async fn delta_in(&self, field: &'static str, text: &str) -> Result<(), StreamLost> {
        self.push(|buffer| buffer.delta(Some(field), text)).await
    }

    /// Takes back all that was written in this attempt and gives readers this text instead
    /// (`output.reset {filtered}`, then one delta).
    ///
    /// # Errors
    /// If the step is no longer ours.
    pub async fn replace(&self, text: &str) -> Result<(), StreamLost> {
        self.push(|buffer| buffer.replace(ResetReason::Filtered, &StreamText::from(text.to_owned()))).await
    }

    /// Tells readers to forget what this attempt said, and says this (`output.reset {retry}`, then a delta a field).
    ///
    /// # Errors
    /// If the step is no longer ours.
    pub async fn retell(&self, text: &StreamText) -> Result<(), StreamLost> {
        self.push(|buffer| buffer.replace(ResetReason::Retry, text)).await
    }

    /// What a reader has, or will have, of this attempt, by field.
    #[must_use]
    pub fn said(&self) -> StreamText {
        self.stream.lock().buffer.text().clone()
    }

    /// The same, in one.
    #[must_use]
    pub fn text(&self) -> String {
        self.stream.lock().buffer.text().joined()
    }

    async fn push(&self, write: impl FnOnce(&mut Buffer)) -> Result<(), StreamLost> {
        let stream = &self.stream;
        loop {
            stream.until(|state| state.lost || state.buffer.has_room()).await;
            let mut state = stream.lock();
            if state.lost {
                return Err(StreamLost);
            }
            // Another clone may have been quicker.
            if state.buffer.has_room() {
                write(&mut state.buffer);
                let bell = if state.buffer.is_urgent() { &stream.bell.urgent } else { &stream.bell.text };
                bell.notify_one();
                return Ok(());
            }
        }
    }
}

impl Stream {
    fn new(step: &ClaimedStep, opened: Opened, bell: Arc<Bell>) -> Self {
        let mut buffer = Buffer::default();
        buffer.opened(opened);
        let state = Mutex::new(State { buffer, lost: false, last_major: opened.major });
        Self { stage: step.stage(), attempt: step.attempt(), state, moved: Notify::new(), bell }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn until(&self, holds: impl Fn(&State) -> bool) {
        loop {
            // Made before the look, so that what moves in between is not missed.
            let moved = self.moved.notified();
            if holds(&self.lock()) {
                return;
            }
            moved.await;
        }
    }
}
