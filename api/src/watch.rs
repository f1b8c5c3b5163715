//! Watching batches: one loop a process reads all batches that somebody here watches, each once, whoever many watch it. Who
//! may watch was decided at the subscription.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::StreamExt;
use hellosales_core::batch::{self, Batch, Ended, Item};
use hellosales_core::{BatchId, Database, DatabaseError, OrgId, OrgTx};
use tokio::sync::{Notify, broadcast, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::task::AbortOnDropHandle;

/// Looks this often: so often, at most, can anything be told.
const LOOK: Duration = Duration::from_millis(500);
/// An item's time is taken before its transaction commits: it may be seen this much later. No transaction of a settlement
/// lives as long.
pub(crate) const OVERLAP: TimeDelta = TimeDelta::seconds(15);
/// So many organisations are looked at side by side.
const AT_ONCE: usize = 4;
/// A follower may fall this many items behind; then it reads on from its own position.
const BEHIND: usize = 4096;
/// A statement reads this many ended items, and this many of their texts.
const ENDED: i64 = 1_000;
const TEXTS: usize = 200;

/// A batch as it was at the last look; `None` before the first.
pub(crate) type Seen = Option<Arc<Batch>>;

/// What comes of a batch.
#[derive(Debug)]
pub(crate) struct Watched {
    /// The batch, whenever something of it has changed.
    pub batch: watch::Receiver<Seen>,
    /// Items that ended, if they are wanted; those of a look come before its batch.
    pub items: Option<broadcast::Receiver<Arc<Item>>>,
}

/// The loop's door. It stops with the last clone.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    board: Arc<Board>,
    _task: Arc<AbortOnDropHandle<()>>,
}

#[derive(Debug, Default)]
struct Board {
    watched: Mutex<HashMap<(OrgId, BatchId), Entry>>,
    somebody: Notify,
}

#[derive(Debug)]
struct Entry {
    batch: watch::Sender<Seen>,
    items: broadcast::Sender<Arc<Item>>,
}

/// What has been told of a batch's items, as far as it may be seen again.
#[derive(Debug, Default)]
struct Told {
    /// The last look, by the database's clock.
    at: Option<DateTime<Utc>>,
    items: HashMap<i32, DateTime<Utc>>,
}

type Memory = HashMap<BatchId, Told>;

impl Watch {
    /// Starts the loop, with the api's rights.
    pub(crate) fn start(db: Database) -> Self {
        let board = Arc::new(Board::default());
        let task = AbortOnDropHandle::new(tokio::spawn(run(db, Arc::clone(&board))));
        Self { board, _task: Arc::new(task) }
    }

    /// What comes of a batch from now on.
    pub(crate) fn subscribe(&self, org: OrgId, id: BatchId, with_items: bool) -> Watched {
        let mut watched = self.board.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = watched
            .entry((org, id))
            .or_insert_with(|| Entry { batch: watch::Sender::new(None), items: broadcast::Sender::new(BEHIND) });
        let subscribed = Watched { batch: entry.batch.subscribe(), items: with_items.then(|| entry.items.subscribe()) };
        self.board.somebody.notify_one();
        subscribed
    }
}

impl Board {
    /// The batches that are watched, by organisation, and whether their items are.
    fn wanted(&self) -> HashMap<OrgId, Vec<(BatchId, bool)>> {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.retain(|_, entry| !entry.batch.is_closed());
        let mut wanted: HashMap<OrgId, Vec<(BatchId, bool)>> = HashMap::new();
        for ((org, id), entry) in watched.iter() {
            wanted.entry(*org).or_default().push((*id, entry.items.receiver_count() > 0));
        }
        wanted
    }

    fn tell(&self, org: OrgId, seen: Look) {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = watched.get(&(org, seen.batch.id)) else { return };
        for item in seen.items {
            // Nobody may be left who wants it.
            let _nobody = entry.items.send(Arc::new(item));
        }
        entry.batch.send_if_modified(|last| {
            let is_new = !last.as_ref().is_some_and(|last| is_same(last, &seen.batch));
            if is_new {
                *last = Some(Arc::new(seen.batch));
            }
            is_new
        });
    }
}

/// Whether a follower would see no difference; the rate and what follows from it change with time alone.
pub(crate) fn is_same(one: &Batch, other: &Batch) -> bool {
    let timeless = |batch: &Batch| Batch { at: DateTime::UNIX_EPOCH, completed_in_last_minute: 0, ..batch.clone() };
    timeless(one) == timeless(other)
}

/// What a look at a batch saw.
struct Look {
    batch: Batch,
    items: Vec<Item>,
}

async fn run(db: Database, board: Arc<Board>) {
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut memory: HashMap<OrgId, Memory> = HashMap::new();
    loop {
        looks.tick().await;
        let wanted = board.wanted();
        memory.retain(|org, _| wanted.contains_key(org));
        if wanted.is_empty() {
            board.somebody.notified().await;
            continue;
        }
        let jobs: Vec<_> =
            wanted.into_iter().map(|(org, batches)| (org, batches, memory.remove(&org).unwrap_or_default())).collect();
        let done = futures::stream::iter(jobs)
            .map(|(org, batches, told)| look(&db, &board, org, batches, told))
            .buffer_unordered(AT_ONCE);
        memory = done.collect().await;
    }
}

/// Looks at an organisation's watched batches. One that can't be read now is read at the next look: nothing is missed.
async fn look(
    db: &Database,
    board: &Board,
    org: OrgId,
    wanted: Vec<(BatchId, bool)>,
    mut memory: Memory,
) -> (OrgId, Memory) {
    memory.retain(|id, _| wanted.iter().any(|(wanted, with_items)| wanted == id && *with_items));
    if let Err(error) = read(db, board, org, &wanted, &mut memory).await {
        tracing::warn!(org_id = %org, %error, "watched batches could not be read");
    }
    (org, memory)
}

async fn read(
    db: &Database,
    board: &Board,
    org: OrgId,
    wanted: &[(BatchId, bool)],
    memory: &mut Memory,
) -> Result<(), DatabaseError> {
    let ids: Vec<BatchId> = wanted.iter().map(|(id, _)| *id).collect();
    let mut tx = db.begin().await?;
    let mut tx = tx.enter(org).await?;
    for seen in batch::many(&mut tx, &ids).await? {
        let with_items = wanted.contains(&(seen.id, true));
        // Read after the batch: all that had ended when it was counted is among them.
        let items =
            if with_items { news(&mut tx, &seen, memory.entry(seen.id).or_default()).await? } else { Vec::new() };
        board.tell(org, Look { batch: seen, items });
    }
    Ok(())
}

/// The items that ended and haven't been told, in the order in which they ended.
async fn news(tx: &mut OrgTx<'_>, seen: &Batch, told: &mut Told) -> Result<Vec<Item>, DatabaseError> {
    let since = told.at.unwrap_or(seen.at) - OVERLAP;
    let (mut position, mut fresh): (_, Vec<Ended>) = ((since, -1), Vec::new());
    loop {
        let page = batch::ended_since(tx, seen.id, position, ENDED).await?;
        fresh.extend(page.iter().copied().filter(|ended| told.items.get(&ended.n) != Some(&ended.at)));
        match page.last() {
            Some(last) if i64::try_from(page.len()).is_ok_and(|read| read == ENDED) => position = (last.at, last.n),
            _ => break,
        }
    }
    let items = texts(tx, seen.id, &fresh).await?;
    told.items.retain(|_, at| *at > since);
    told.items.extend(fresh.iter().map(|ended| (ended.n, ended.at)));
    told.at = Some(seen.at);
    Ok(items)
}

/// What became of these items, in their order. One that is being tried again meanwhile has not ended, and is told later.
pub(crate) async fn texts(tx: &mut OrgTx<'_>, id: BatchId, ended: &[Ended]) -> Result<Vec<Item>, DatabaseError> {
    let mut items = Vec::with_capacity(ended.len());
    for group in ended.chunks(TEXTS) {
        let ns: Vec<i32> = group.iter().map(|ended| ended.n).collect();
        items.extend(batch::items_by_n(tx, id, &ns).await?);
    }
    items.retain(|item| matches!(item.status.as_str(), "completed" | "failed"));
    items.sort_by_key(|item| (item.ended_at, item.n));
    Ok(items)
}
