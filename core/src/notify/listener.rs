//! Receiving wake-ups: one LISTEN connection a process, which comes back when it dies.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::postgres::{PgListener, PgNotification};
use tokio::sync::broadcast;
use tokio_util::task::AbortOnDropHandle;

use super::{BATCH, CANCEL, PROVIDER, QUEUE, RunMap, STREAM};
use crate::database::Database;
use crate::error::DatabaseError;
use crate::id::RunId;

const BUFFER: usize = 1024;
const RECONNECT: Duration = Duration::from_millis(500);

/// A wake-up.
#[derive(Debug, Clone)]
pub enum Wake {
    /// These lanes, by number, have something to claim.
    Queue([bool; 3]),
    /// These runs have something new in their stream.
    Stream(RunMap),
    /// These runs were cancelled.
    Cancel(Vec<RunId>),
    /// A batch is new, or stands elsewhere; or a pause has begun or ended.
    Batch,
    /// A provider may be called again, or may not any more.
    Provider,
    /// The connection came back: anything may have been missed.
    Reconnected,
}

/// A process's ear. Cheap to clone; stops with the last clone.
#[derive(Debug, Clone)]
pub struct Listener {
    sender: broadcast::Sender<Wake>,
    listening: Arc<AtomicBool>,
    _task: Arc<AbortOnDropHandle<()>>,
}

impl Listener {
    /// Starts listening.
    #[must_use]
    pub fn start(db: Database) -> Self {
        let (sender, _) = broadcast::channel(BUFFER);
        let listening = Arc::new(AtomicBool::new(false));
        let task = AbortOnDropHandle::new(tokio::spawn(run(db, sender.clone(), Arc::clone(&listening))));
        Self { sender, listening, _task: Arc::new(task) }
    }

    /// Wake-ups from now on. Who falls behind is told so by the channel, and has to look for itself.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Wake> {
        self.sender.subscribe()
    }

    /// Whether wake-ups arrive; else polls are to be quicker.
    #[must_use]
    pub fn is_listening(&self) -> bool {
        self.listening.load(Ordering::Relaxed)
    }
}

async fn run(db: Database, sender: broadcast::Sender<Wake>, listening: Arc<AtomicBool>) {
    loop {
        if let Err(error) = listen(&db, &sender, &listening).await {
            tracing::warn!(%error, "LISTEN is cut off: polling");
        }
        listening.store(false, Ordering::Relaxed);
        tokio::time::sleep(RECONNECT).await;
    }
}

async fn listen(db: &Database, sender: &broadcast::Sender<Wake>, listening: &AtomicBool) -> Result<(), DatabaseError> {
    let mut listener: PgListener = db.listener().await?;
    listener.listen_all([QUEUE, STREAM, CANCEL, BATCH, PROVIDER]).await?;
    listening.store(true, Ordering::Relaxed);
    let _nobody_hears = sender.send(Wake::Reconnected);
    // `None`: the connection is gone.
    while let Some(notification) = listener.try_recv().await? {
        if let Some(wake) = decode(&notification) {
            let _nobody_hears = sender.send(wake);
        }
    }
    Ok(())
}

fn decode(notification: &PgNotification) -> Option<Wake> {
    let payload = notification.payload();
    match notification.channel() {
        QUEUE => {
            let mut lanes = [false; 3];
            for (n, lane) in ('0'..).zip(&mut lanes) {
                *lane = payload.contains(n);
            }
            Some(Wake::Queue(lanes))
        }
        STREAM => RunMap::decode(payload).map(Wake::Stream),
        CANCEL => Some(Wake::Cancel(payload.split(',').filter_map(|id| id.parse().ok()).collect())),
        BATCH => Some(Wake::Batch),
        PROVIDER => Some(Wake::Provider),
        _ => None,
    }
}
