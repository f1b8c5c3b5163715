//! The one task that writes tokens: one statement at a time, over all of a process's streams.

use std::sync::Arc;
use std::time::Duration;

use hellosales_core::notify::Notifier;
use hellosales_core::queue::Wakes;
use hellosales_core::stream::write::{Flush, flush};
use hellosales_core::{RunId, metrics};
use tokio::time::{Instant, sleep_until, timeout};

use super::{Stream, Streams};

/// Between two flushes, with few streams.
const TICK: Duration = Duration::from_millis(30);
/// And with many.
const SLOW_TICK: Duration = Duration::from_millis(150);
/// That is many.
const MANY: u32 = 1_000;
/// One statement writes about this many rows at most; the rest goes with the next.
const MAX_ROWS: usize = 4_000;
/// A flush without an answer for this long is in doubt.
const PATIENCE: Duration = Duration::from_secs(12);

/// Writes what stages say.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) streams: Streams,
    pub(crate) notifier: Notifier,
}

struct Sent {
    run: RunId,
    stream: Arc<Stream>,
}

impl Writer {
    pub(crate) async fn run(self) {
        let bell = Arc::clone(&self.streams.bell);
        let mut last = Instant::now();
        loop {
            let urgent = tokio::select! {
                () = bell.urgent.notified() => true,
                () = bell.text.notified() => false,
            };
            if !urgent {
                let next = last + tick(self.streams.lock().len());
                tokio::select! {
                    () = sleep_until(next) => {}
                    () = bell.urgent.notified() => {}
                }
            }
            last = Instant::now();
            if self.once().await {
                bell.text.notify_one();
            }
        }
    }

    /// Writes what waits; returns whether something does still.
    async fn once(&self) -> bool {
        let (flushes, sent, more) = self.collect();
        if flushes.is_empty() {
            return more;
        }
        metrics::FLUSHES.add(1);
        let written = match timeout(PATIENCE, flush(&self.streams.database, &flushes)).await {
            Ok(Ok(written)) => written,
            Ok(Err(error)) => {
                tracing::warn!(%error, streams = sent.len(), "a flush failed: its streams are opened anew");
                Default::default()
            }
            Err(_) => {
                tracing::warn!(streams = sent.len(), "a flush had no answer: its streams are opened anew");
                Default::default()
            }
        };
        let mut wakes = Wakes::default();
        for Sent { run, stream } in sent {
            let mut state = stream.lock();
            if written.contains(&run) {
                state.buffer.landed();
                wakes.stream(run);
            } else {
                state.buffer.in_doubt();
            }
            drop(state);
            stream.moved.notify_waiters();
        }
        self.notifier.send(wakes);
        more || self.streams.lock().values().any(|stream| stream.lock().buffer.waits())
    }

    fn collect(&self) -> (Vec<Flush>, Vec<Sent>, bool) {
        let (mut flushes, mut sent, mut rows) = (Vec::new(), Vec::new(), 0);
        for (&(run, token), stream) in self.streams.lock().iter() {
            if rows >= MAX_ROWS {
                return (flushes, sent, true);
            }
            let Some((at, chunks)) = stream.lock().buffer.send() else { continue };
            rows += chunks.len();
            flushes.push(Flush {
                run_id: run,
                stage: stream.stage,
                token,
                attempt: stream.attempt,
                major: at.major,
                first_minor: at.next_minor,
                chunks,
            });
            sent.push(Sent { run, stream: Arc::clone(stream) });
        }
        (flushes, sent, false)
    }
}

/// 30 ms, stretched evenly to 150 ms at a thousand streams.
fn tick(streams: usize) -> Duration {
    let streams = u32::try_from(streams).unwrap_or(MANY).min(MANY);
    TICK + (SLOW_TICK - TICK) * streams / MANY
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tick_stretches_as_streams_become_many() {
        let ms: Vec<u128> = [0, 1, 500, 1_000, 5_000].into_iter().map(|n| tick(n).as_millis()).collect();
        assert_eq!(ms, [30, 30, 90, 150, 150]);
    }
}
