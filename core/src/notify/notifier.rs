//! Sending wake-ups: after the commit, on one connection a process, the first at once, then merged 5 ms apart.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::postgres::PgConnection;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::{BATCH, CANCEL, MAX_CANCELS, QUEUE, RunMap, STREAM};
use crate::database::Database;
use crate::error::DatabaseError;
use crate::id::RunId;
use crate::queue::Wakes;

const APART: Duration = Duration::from_millis(5);
/// What is sent while this many wait is dropped: the polls find it.
const WAITING: usize = 1024;

/// Sends a process's wake-ups. Cheap to clone; stops with the last clone.
#[derive(Debug, Clone)]
pub struct Notifier {
    sender: mpsc::Sender<Wakes>,
    _task: std::sync::Arc<AbortOnDropHandle<()>>,
}

impl Notifier {
    /// Starts sending.
    #[must_use]
    pub fn start(db: Database) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        let task = AbortOnDropHandle::new(tokio::spawn(run(db, receiver)));
        Self { sender, _task: std::sync::Arc::new(task) }
    }

    /// Sends, soon. Never waits: a wake-up that finds no room is lost, and the polls make up for it.
    pub fn send(&self, wakes: Wakes) {
        if !wakes.is_empty() && self.sender.try_send(wakes).is_err() {
            tracing::debug!("a wake-up was dropped");
        }
    }
}

/// Sends once, at once: for a program that ends then. What is lost is found by the polls.
///
/// # Errors
/// If the server can't be reached.
pub async fn send_once(db: &Database, wakes: Wakes) -> Result<(), DatabaseError> {
    if wakes.is_empty() {
        return Ok(());
    }
    let mut merged = Merged::default();
    merged.add(wakes);
    let mut connection = db.connection().await?;
    merged.send(&mut connection).await
}

async fn run(db: Database, mut receiver: mpsc::Receiver<Wakes>) {
    let mut connection: Option<PgConnection> = None;
    while let Some(first) = receiver.recv().await {
        let mut merged = Merged::default();
        merged.add(first);
        while let Ok(more) = receiver.try_recv() {
            merged.add(more);
        }
        if connection.is_none() {
            connection = db.connection().await.ok();
        }
        if let Some(open) = &mut connection
            && let Err(error) = merged.send(open).await
        {
            tracing::debug!(%error, "a wake-up was lost");
            connection = None;
        }
        tokio::time::sleep(APART).await;
    }
}

#[derive(Default)]
struct Merged {
    lanes: [bool; 3],
    streams: RunMap,
    cancels: BTreeSet<RunId>,
    batches: bool,
}

impl Merged {
    fn add(&mut self, wakes: Wakes) {
        for (mine, theirs) in self.lanes.iter_mut().zip(wakes.lanes) {
            *mine |= theirs;
        }
        for run in wakes.streams {
            self.streams.insert(run);
        }
        self.cancels.extend(wakes.cancels);
        self.batches |= wakes.batches;
    }

    async fn send(&self, connection: &mut PgConnection) -> Result<(), DatabaseError> {
        let mut channels: Vec<String> = Vec::new();
        let mut payloads: Vec<String> = Vec::new();
        let lanes: String =
            (0..).zip(self.lanes).filter(|(_, wake)| *wake).map(|(n, _): (u8, bool)| char::from(b'0' + n)).collect();
        if !lanes.is_empty() {
            channels.push(QUEUE.to_owned());
            payloads.push(lanes);
        }
        if !self.streams.is_empty() {
            channels.push(STREAM.to_owned());
            payloads.push(self.streams.encode());
        }
        let cancels: Vec<String> = self.cancels.iter().map(ToString::to_string).collect();
        for group in cancels.chunks(MAX_CANCELS) {
            channels.push(CANCEL.to_owned());
            payloads.push(group.join(","));
        }
        if self.batches {
            channels.push(BATCH.to_owned());
            payloads.push(String::new());
        }
        sqlx::query!(
            "SELECT pg_notify(v.channel, v.payload) FROM unnest($1::text[], $2::text[]) AS v(channel, payload)",
            &channels,
            &payloads
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}
