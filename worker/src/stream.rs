//! What a streaming stage writes while it works: a handle for the stage, one writer a process.

mod buffer;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hellosales_core::queue::StreamTail;
use tokio::sync::Notify;

use buffer::Buffer;
pub use buffer::Position;

/// The step's token is gone: the stage must stop.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the stream's step is no longer this worker's")]
pub struct StreamLost;

/// A minor that no row has: a settlement that looks for it finds that the stream must be told whole.
const NO_MINOR: i32 = 999_999;

/// Where a streaming stage writes its text. Cheap to clone.
#[derive(Debug, Clone)]
pub struct StreamHandle {
    stream: Arc<Stream>,
}

/// One attempt's text, between its stage and the writer.
#[derive(Debug)]
struct Stream {
    state: Mutex<State>,
    /// Told when rows have landed or the token is lost.
    moved: Notify,
    bell: Arc<Bell>,
}

#[derive(Debug, Default)]
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

impl StreamHandle {
    /// A stream that is open at this position. Nobody reads it unless a writer knows it.
    #[must_use]
    pub fn new(position: Position) -> Self {
        Self::with_bell(position, Arc::default())
    }

    fn with_bell(position: Position, bell: Arc<Bell>) -> Self {
        let mut state = State { last_major: position.major, ..State::default() };
        state.buffer.opened(position);
        Self { stream: Arc::new(Stream { state: Mutex::new(state), moved: Notify::new(), bell }) }
    }

    /// Adds text. Returns at once while there is room in the buffer.
    ///
    /// # Errors
    /// If the step is no longer ours.
    pub async fn delta(&self, text: &str) -> Result<(), StreamLost> {
        self.push(|buffer| buffer.delta(text)).await
    }

    /// Takes back all that was written in this attempt and gives readers this text instead
    /// (`output.reset {filtered}`, then one delta).
    ///
    /// # Errors
    /// If the step is no longer ours.
    pub async fn replace(&self, text: &str) -> Result<(), StreamLost> {
        self.push(|buffer| buffer.replace(text)).await
    }

    /// What a reader has, or will have, of this attempt.
    #[must_use]
    pub fn text(&self) -> String {
        self.stream.lock().buffer.text().to_owned()
    }

    async fn push(&self, write: impl FnOnce(&mut Buffer)) -> Result<(), StreamLost> {
        let urgent = loop {
            // Made before the look, so that what moves in between is not missed.
            let moved = self.stream.moved.notified();
            {
                let mut state = self.stream.lock();
                if state.lost {
                    return Err(StreamLost);
                }
                if state.buffer.has_room() {
                    write(&mut state.buffer);
                    break state.buffer.is_urgent();
                }
            }
            moved.await;
        };
        if urgent {
            self.stream.bell.urgent.notify_one();
        } else {
            self.stream.bell.text.notify_one();
        }
        Ok(())
    }

    /// Waits until all is in rows, but no longer than `patience`: what isn't, the settlement tells whole.
    pub(crate) async fn finish(&self, patience: Duration) -> Option<StreamTail> {
        self.stream.bell.urgent.notify_one();
        let flushed = async {
            loop {
                let moved = self.stream.moved.notified();
                {
                    let state = self.stream.lock();
                    if state.lost || state.buffer.is_flushed() {
                        return;
                    }
                }
                moved.await;
            }
        };
        // Too late is an answer too: the tail says what should be there.
        let _in_time = tokio::time::timeout(patience, flushed).await;
        let state = self.stream.lock();
        if state.lost {
            return None;
        }
        let at = match state.buffer.position() {
            Some(position) if state.buffer.is_flushed() => position,
            _ => Position { major: state.last_major, last_minor: NO_MINOR },
        };
        Some(StreamTail { major: at.major, last_minor: at.last_minor, text: state.buffer.text().to_owned() })
    }
}

impl Stream {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
