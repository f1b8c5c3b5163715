//! The ledger's desk: group commit of openings and of closings, for all calls of a process. No timer: a group is what
//! arrived while the groups before it committed.

use futures::stream::{FuturesUnordered, StreamExt};
use hellosales_core::provider_call::{self, CallEnd, Closed, NewCall, Opened};
use hellosales_core::{Database, DatabaseError, ProviderCallId};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Duration, Instant, sleep, sleep_until, timeout};
use tokio_util::task::TaskTracker;

use crate::settler::backlog::{Backlog, MAX_GROUP, Patience};

/// So many groups of each kind may commit at a time.
const GROUPS: usize = 2;
/// A transaction that takes longer has no answer: its connection hangs. It may or may not have landed.
const PATIENCE: Duration = Duration::from_secs(15);
/// Tries at closing: some minutes of a lost database. Then the janitor finds the row.
const CLOSE_TRIES: u32 = 120;
/// Tries at opening, and the rest between them: as long as a lease lasts. A stage that waits longer has lost its step.
const OPEN_TRIES: u32 = 30;
const OPEN_AGAIN: Duration = Duration::from_millis(500);

/// Where calls are opened and closed. Cheap to clone; the desk stays as long as there is a clone.
#[derive(Debug, Clone)]
pub(super) struct Ledger {
    openings: mpsc::Sender<Opening>,
    closings: mpsc::Sender<Closing>,
}

#[derive(Debug)]
struct Opening {
    call: NewCall,
    answer: oneshot::Sender<Result<Opened, DatabaseError>>,
}

#[derive(Debug)]
struct Closing {
    id: ProviderCallId,
    end: CallEnd,
    done: oneshot::Sender<()>,
    /// How often the run's row was locked by another.
    laters: u32,
    /// How often the database did not answer.
    failures: u32,
}

impl Ledger {
    /// Starts the desk's two tasks.
    pub(super) fn start(db: Database, tasks: &TaskTracker) -> Self {
        let (openings, to_open) = mpsc::channel(MAX_GROUP);
        let (closings, to_close) = mpsc::channel(MAX_GROUP);
        drop(tasks.spawn(open_all(db.clone(), to_open)));
        drop(tasks.spawn(close_all(db, to_close)));
        Self { openings, closings }
    }

    /// Opens a call.
    ///
    /// # Errors
    /// If the database refuses it or gave no answer: then it may be open.
    pub(super) async fn open(&self, call: NewCall) -> Result<Opened, DatabaseError> {
        let (answer, answered) = oneshot::channel();
        let sent = self.openings.send(Opening { call, answer }).await;
        sent.map_err(|_| DatabaseError::Interrupted)?;
        answered.await.map_err(|_| DatabaseError::Interrupted)?
    }

    /// Closes a call, and returns when it is closed, or can't be.
    pub(super) async fn close(&self, id: ProviderCallId, end: CallEnd) {
        let (done, is_done) = oneshot::channel();
        if self.closings.send(Closing { id, end, done, laters: 0, failures: 0 }).await.is_ok() {
            let _closed_or_given_up = is_done.await;
        }
    }
}

async fn open_all(db: Database, mut inbox: mpsc::Receiver<Opening>) {
    let mut groups = FuturesUnordered::new();
    let mut open = true;
    while open || !groups.is_empty() {
        tokio::select! {
            got = inbox.recv(), if open && groups.len() < GROUPS => match got {
                Some(first) => {
                    let mut group = vec![first];
                    while group.len() < MAX_GROUP && let Ok(next) = inbox.try_recv() {
                        group.push(next);
                    }
                    groups.push(open_group(&db, group));
                }
                None => open = false,
            },
            Some(()) = groups.next(), if !groups.is_empty() => {}
        }
    }
}

/// Opens a group. A value that the database refuses is found by opening one by one. Where the database gives no answer, it is asked
/// again: nothing was sent to a provider, so no attempt at a stage has failed.
async fn open_group(db: &Database, group: Vec<Opening>) {
    let mut opened = try_to_open(db, &group).await;
    for _ in 1..OPEN_TRIES {
        let is_lost = opened.as_ref().is_err_and(|error| !error.is_rejected());
        if !is_lost || group.iter().all(|opening| opening.answer.is_closed()) {
            break;
        }
        opened = open_again(db, &group).await;
        if opened.as_ref().is_err_and(|error| !error.is_rejected()) {
            sleep(OPEN_AGAIN).await;
        }
    }
    match opened {
        Ok(opened) => {
            for (opening, opened) in group.into_iter().zip(opened) {
                let _nobody = opening.answer.send(Ok(opened));
            }
        }
        Err(error) if error.is_rejected() => {
            for opening in group {
                let opened = open_again(db, std::slice::from_ref(&opening)).await;
                let opened = opened.map(|opened| opened.first().copied().unwrap_or(Opened::Lost));
                let _nobody = opening.answer.send(opened);
            }
        }
        Err(error) => {
            tracing::warn!(%error, calls = group.len(), "provider calls could not be opened in the ledger");
            for opening in group {
                let _nobody = opening.answer.send(Err(DatabaseError::Interrupted));
            }
        }
    }
}

async fn try_to_open(db: &Database, group: &[Opening]) -> Result<Vec<Opened>, DatabaseError> {
    let calls: Vec<&NewCall> = group.iter().map(|opening| &opening.call).collect();
    open(db, &calls).await
}

async fn open(db: &Database, calls: &[&NewCall]) -> Result<Vec<Opened>, DatabaseError> {
    let opened = timeout(PATIENCE, provider_call::open_group(db, calls)).await;
    opened.unwrap_or(Err(DatabaseError::Interrupted))
}

/// Opens those that aren't open yet: the answer to an earlier try may have been lost.
async fn open_again(db: &Database, group: &[Opening]) -> Result<Vec<Opened>, DatabaseError> {
    let calls: Vec<&NewCall> = group.iter().map(|opening| &opening.call).collect();
    let landed = timeout(PATIENCE, provider_call::landed(db, &calls)).await;
    let landed = landed.unwrap_or(Err(DatabaseError::Interrupted))?;
    let missing: Vec<&NewCall> = calls.iter().copied().filter(|call| !landed.contains(&call.id)).collect();
    let mut opened = if missing.is_empty() { Vec::new() } else { open(db, &missing).await? }.into_iter();
    let all = calls
        .iter()
        .map(|call| if landed.contains(&call.id) { Opened::Open } else { opened.next().unwrap_or(Opened::Lost) });
    Ok(all.collect())
}

async fn close_all(db: Database, mut inbox: mpsc::Receiver<Closing>) {
    let mut backlog = Backlog::default();
    let mut groups = FuturesUnordered::new();
    let mut open = true;
    while open || !backlog.is_empty() || !groups.is_empty() {
        while groups.len() < GROUPS
            && let Some(group) = backlog.next(Instant::now())
        {
            groups.push(close_group(&db, group));
        }
        let due = backlog.due().filter(|_| groups.len() < GROUPS);
        tokio::select! {
            got = inbox.recv(), if open && backlog.has_room() => match got {
                Some(closing) => {
                    backlog.push(closing);
                    while backlog.has_room() && let Ok(more) = inbox.try_recv() {
                        backlog.push(more);
                    }
                }
                None => open = false,
            },
            Some(again) = groups.next(), if !groups.is_empty() => backlog.again(again, Instant::now()),
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
        }
    }
}

/// Closes a group; returns what must be closed again. One that goes alone waits for its run's row.
async fn close_group(db: &Database, group: Vec<Closing>) -> Vec<Closing> {
    let alone = group.len() == 1;
    let closed = match try_to_close(db, &group).await {
        Ok(closed) => closed,
        Err(error) if error.is_rejected() && !alone => {
            let mut again = Vec::new();
            for closing in group {
                again.extend(Box::pin(close_group(db, vec![closing])).await);
            }
            return again;
        }
        Err(error) => return group.into_iter().filter_map(|closing| closing.unanswered(&error)).collect(),
    };
    let later = group.into_iter().zip(closed).filter_map(|(closing, closed)| match closed {
        Closed::Later => Some(Closing { laters: closing.laters + 1, ..closing }),
        Closed::Now | Closed::Before => {
            let _nobody = closing.done.send(());
            None
        }
    });
    later.collect()
}

async fn try_to_close(db: &Database, group: &[Closing]) -> Result<Vec<Closed>, DatabaseError> {
    let work = async {
        match group {
            [closing] => {
                let now = provider_call::close(db, closing.id, &closing.end).await?;
                Ok(vec![if now { Closed::Now } else { Closed::Before }])
            }
            _ => {
                let calls: Vec<_> = group.iter().map(|closing| (closing.id, &closing.end)).collect();
                provider_call::close_group(db, &calls).await
            }
        }
    };
    timeout(PATIENCE, work).await.unwrap_or(Err(DatabaseError::Interrupted))
}

impl Closing {
    /// Again, unless that can't help.
    fn unanswered(self, error: &DatabaseError) -> Option<Self> {
        let failures = self.failures + 1;
        if error.is_rejected() {
            tracing::error!(call_id = %self.id, %error, "the end of a provider call could not be stored");
            return None;
        }
        if failures >= CLOSE_TRIES {
            tracing::error!(call_id = %self.id, tries = failures, "a provider call is still open in the ledger");
            return None;
        }
        Some(Self { failures, ..self })
    }
}

impl Patience for Closing {
    fn laters(&self) -> u32 {
        self.laters
    }

    fn failures(&self) -> u32 {
        self.failures
    }
}
