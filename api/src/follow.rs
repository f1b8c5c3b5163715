//! Following runs: one loop a process reads the new events of all runs that somebody here watches, in one
//! statement. Wake-ups make it sooner; without them it polls. Who may watch was decided at the subscription.

use std::collections::HashMap;
use std::time::Duration;

use hellosales_core::notify::{Listener, RunMap, Wake};
use hellosales_core::stream::read::{self, StreamRow};
use hellosales_core::{Database, RunId};
use tokio::sync::{broadcast, mpsc};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// Polls this often when wake-ups arrive.
const POLL: Duration = Duration::from_secs(1);
/// Polls this often when they don't.
const POLL_DEAF: Duration = Duration::from_millis(250);
/// A statement reads this many runs, and of each this many events.
const RUNS: usize = 500;
const EVENTS: i64 = 200;
/// A follower may fall this many events behind; then it is dropped, and comes back with its position.
const BEHIND: usize = 512;
const REQUESTS: usize = 256;

/// The events of one run, from a position on. Ends when the follower was too slow, or the process stops.
#[derive(Debug)]
pub(crate) struct Subscription {
    receiver: mpsc::Receiver<StreamRow>,
}

impl Subscription {
    /// To nothing: of a run without events.
    pub(crate) fn none() -> Self {
        let (_, receiver) = mpsc::channel(1);
        Self { receiver }
    }

    /// The next event.
    pub(crate) async fn next(&mut self) -> Option<StreamRow> {
        self.receiver.recv().await
    }
}

/// The loop's door. It stops with the last clone.
#[derive(Debug, Clone)]
pub(crate) struct Follow {
    requests: mpsc::Sender<Request>,
    fanout: Database,
    _task: std::sync::Arc<AbortOnDropHandle<()>>,
}

#[derive(Debug)]
struct Request {
    run: RunId,
    after: i64,
    sender: mpsc::Sender<StreamRow>,
}

impl Follow {
    /// Starts the loop, with the fanout role's rights.
    pub(crate) fn start(fanout: Database, listener: Listener) -> Self {
        let (requests, receiver) = mpsc::channel(REQUESTS);
        let follower = Loop { db: fanout.clone(), listener, watched: HashMap::new() };
        let task = AbortOnDropHandle::new(tokio::spawn(follower.run(receiver)));
        Self { requests, fanout, _task: std::sync::Arc::new(task) }
    }

    /// The events of a run after a position, those that are there and those to come.
    pub(crate) async fn subscribe(&self, run: RunId, after: i64) -> Subscription {
        let (sender, receiver) = mpsc::channel(BEHIND);
        // If the loop has ended, the subscription ends at once.
        let _ended = self.requests.send(Request { run, after, sender }).await;
        Subscription { receiver }
    }

    /// The events that are there, from the first on, page by page.
    pub(crate) async fn read(&self, run: RunId, after: i64) -> Result<Vec<StreamRow>, hellosales_core::DatabaseError> {
        read::after(&self.fanout, &[(run, after)], EVENTS).await
    }
}

struct Follower {
    position: i64,
    sender: mpsc::Sender<StreamRow>,
}

struct Loop {
    db: Database,
    listener: Listener,
    watched: HashMap<RunId, Vec<Follower>>,
}

impl Loop {
    async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut wakes = self.listener.subscribe();
        let mut next_poll = Instant::now() + POLL;
        loop {
            let mut due = RunMap::default();
            tokio::select! {
                request = requests.recv() => match request {
                    Some(request) => self.add(request, &mut due),
                    None => return,
                },
                wake = wakes.recv() => heard(wake, &mut due),
                () = tokio::time::sleep_until(next_poll) => due = RunMap::all(),
            }
            // What else has come meanwhile is read in the same statement.
            while let Ok(request) = requests.try_recv() {
                self.add(request, &mut due);
            }
            while let Some(wake) = more(&mut wakes) {
                heard(wake, &mut due);
            }
            if due == RunMap::all() {
                next_poll = Instant::now() + if self.listener.is_listening() { POLL } else { POLL_DEAF };
            }
            self.read(due).await;
        }
    }

    fn add(&mut self, request: Request, due: &mut RunMap) {
        due.insert(request.run);
        let follower = Follower { position: request.after, sender: request.sender };
        self.watched.entry(request.run).or_default().push(follower);
    }

    /// Reads what is new of the watched runs that are due, until there is nothing more.
    async fn read(&mut self, due: RunMap) {
        if due == RunMap::default() {
            return;
        }
        self.watched.retain(|_, followers| {
            followers.retain(|follower| !follower.sender.is_closed());
            !followers.is_empty()
        });
        let mut runs: Vec<RunId> = self.watched.keys().copied().filter(|run| due.may_contain(*run)).collect();
        while !runs.is_empty() {
            let mut unfinished = Vec::new();
            for group in runs.chunks(RUNS) {
                let positions: Vec<(RunId, i64)> =
                    group.iter().filter_map(|run| Some((*run, self.position(*run)?))).collect();
                match read::after(&self.db, &positions, EVENTS).await {
                    Ok(rows) => unfinished.extend(self.hand_out(rows)),
                    Err(error) => tracing::warn!(%error, "the streams could not be read"),
                }
            }
            runs = unfinished;
        }
    }

    fn position(&self, run: RunId) -> Option<i64> {
        self.watched.get(&run)?.iter().map(|follower| follower.position).min()
    }

    /// Gives each follower what it hasn't had; returns the runs of which there may be more.
    fn hand_out(&mut self, rows: Vec<StreamRow>) -> Vec<RunId> {
        let mut counts: HashMap<RunId, i64> = HashMap::new();
        for row in rows {
            *counts.entry(row.run_id).or_default() += 1;
            let Some(followers) = self.watched.get_mut(&row.run_id) else { continue };
            followers.retain_mut(|follower| {
                if row.seq <= follower.position {
                    return true;
                }
                follower.position = row.seq;
                let sent = follower.sender.try_send(row.clone());
                if matches!(sent, Err(mpsc::error::TrySendError::Full(_))) {
                    tracing::info!(run_id = %row.run_id, "a follower was too slow and is dropped");
                }
                sent.is_ok()
            });
        }
        counts.into_iter().filter(|(_, count)| *count == EVENTS).map(|(run, _)| run).collect()
    }
}

fn heard(wake: Result<Wake, broadcast::error::RecvError>, due: &mut RunMap) {
    match wake {
        Ok(Wake::Stream(runs)) => due.merge(runs),
        Ok(Wake::Queue(_) | Wake::Cancel(_) | Wake::Batch | Wake::Provider) => {}
        Ok(Wake::Reconnected) | Err(_) => *due = RunMap::all(),
    }
}

fn more(wakes: &mut broadcast::Receiver<Wake>) -> Option<Result<Wake, broadcast::error::RecvError>> {
    match wakes.try_recv() {
        Ok(wake) => Some(Ok(wake)),
        Err(broadcast::error::TryRecvError::Lagged(n)) => Some(Err(broadcast::error::RecvError::Lagged(n))),
        Err(_) => None,
    }
}
