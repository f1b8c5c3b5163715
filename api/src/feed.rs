//! The feeds of pages: one loop a process looks at the runs and batches of all people who have one open here, twice a second,
//! each person once, whatever many pages are open. What it finds is a [`Page`]: absolute states, so that whoever missed one has
//! missed nothing with the next.

mod page;
mod person;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use hellosales_core::pulse::{feed, runs};
use hellosales_core::{Database, DatabaseError, OrgId, OrgTx, RunId, UserId};
use tokio::sync::{Notify, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::task::AbortOnDropHandle;

pub(crate) use self::page::{Page, RECENT, RunState};
use self::person::Person;
use crate::watch::Watch;

/// Looks this often: so often, at most, can anything be told.
const LOOK: Duration = Duration::from_millis(500);
/// A page that was just opened is looked at sooner, but no sooner than this after the last look.
const PAUSE: Duration = Duration::from_millis(50);
/// So many organisations are looked at side by side.
const AT_ONCE: usize = 4;
/// A look reads so many runs of a person whole; what has changed besides is read by the next one.
const WHOLE: usize = 200;

/// What a page shows; `None` before the first look.
pub(crate) type Seen = Option<Arc<Page>>;

/// The loop's door. It stops with the last clone.
#[derive(Debug, Clone)]
pub(crate) struct Feed {
    board: Arc<Board>,
    _task: Arc<AbortOnDropHandle<()>>,
}

#[derive(Debug, Default)]
struct Board {
    watched: Mutex<HashMap<(OrgId, UserId), watch::Sender<Seen>>>,
    somebody: Notify,
}

/// What is known of the people of an organisation.
type People = HashMap<UserId, Person>;

impl Feed {
    /// Starts the loop, with the api's rights. What batches come to, it hears from their watch.
    pub(crate) fn start(db: Database, batches: Watch) -> Self {
        let board = Arc::new(Board::default());
        let task = AbortOnDropHandle::new(tokio::spawn(run(db, batches, Arc::clone(&board))));
        Self { board, _task: Arc::new(task) }
    }

    /// A person's page, from now on.
    pub(crate) fn subscribe(&self, org: OrgId, user: UserId) -> watch::Receiver<Seen> {
        let mut watched = self.board.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = watched.entry((org, user)).or_insert_with(|| watch::Sender::new(None)).subscribe();
        self.board.somebody.notify_one();
        seen
    }
}

impl Board {
    /// Whose pages are open, by organisation.
    fn wanted(&self) -> HashMap<OrgId, Vec<UserId>> {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.retain(|_, page| !page.is_closed());
        let mut wanted: HashMap<OrgId, Vec<UserId>> = HashMap::new();
        for (org, user) in watched.keys() {
            wanted.entry(*org).or_default().push(*user);
        }
        wanted
    }

    fn tell(&self, org: OrgId, user: UserId, page: Page) {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seen) = watched.get(&(org, user)) {
            seen.send_replace(Some(Arc::new(page)));
        }
    }
}

async fn run(db: Database, batches: Watch, board: Arc<Board>) {
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut memory: HashMap<OrgId, People> = HashMap::new();
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            () = board.somebody.notified() => tokio::time::sleep(PAUSE).await,
        }
        let wanted = board.wanted();
        memory.retain(|org, _| wanted.contains_key(org));
        if wanted.is_empty() {
            board.somebody.notified().await;
            board.somebody.notify_one();
            continue;
        }
        let jobs: Vec<_> =
            wanted.into_iter().map(|(org, users)| (org, users, memory.remove(&org).unwrap_or_default())).collect();
        let done = futures::stream::iter(jobs)
            .map(|(org, users, people)| look(&db, &batches, &board, (org, users, people)))
            .buffer_unordered(AT_ONCE);
        memory = done.collect().await;
    }
}

/// Looks at the pages of an organisation. What can't be read now is read at the next look: nothing is missed.
async fn look(
    db: &Database,
    batches: &Watch,
    board: &Board,
    (org, users, mut people): (OrgId, Vec<UserId>, People),
) -> (OrgId, People) {
    people.retain(|user, _| users.contains(user));
    for user in users {
        people.entry(user).or_insert_with(|| Person::new(user));
    }
    match read(db, org, &mut people).await {
        Ok(()) => {
            for (user, person) in &mut people {
                person.hear_of_batches(org, batches);
                if let Some(page) = person.page() {
                    board.tell(org, *user, page);
                }
            }
        }
        Err(error) => tracing::warn!(org_id = %org, %error, "the feeds of an organisation could not be read"),
    }
    (org, people)
}

async fn read(db: &Database, org: OrgId, people: &mut People) -> Result<(), DatabaseError> {
    let mut tx = db.begin_fast().await?;
    let mut tx = tx.enter(org).await?;
    let at = feed::now(&mut tx).await?;
    let newest: Vec<(UserId, i64)> = people.values().map(|person| (person.id, person.depth())).collect();
    let known: Vec<RunId> = people.values().flat_map(Person::known).collect();
    let mut runs = HashMap::<UserId, Vec<_>>::new();
    for standing in feed::runs(&mut tx, &newest, &known).await? {
        runs.entry(standing.user_id).or_default().push(standing);
    }
    let users: Vec<UserId> = people.keys().copied().collect();
    let mut batches = HashMap::<UserId, Vec<_>>::new();
    for standing in feed::batches(&mut tx, &users, at - RECENT).await? {
        batches.entry(standing.created_by).or_default().push(standing);
    }
    for (user, person) in people {
        person.stand(at, runs.remove(user).unwrap_or_default(), batches.remove(user).unwrap_or_default());
        read_whole(&mut tx, person).await?;
    }
    Ok(())
}

/// Runs that stand elsewhere than they did, and live ones, of which it may be that they wait.
async fn read_whole(tx: &mut OrgTx<'_>, person: &mut Person) -> Result<(), DatabaseError> {
    let ids = person.to_read(WHOLE);
    if !ids.is_empty() {
        person.have_read(runs::of_person(tx, person.id, &ids).await?);
    }
    Ok(())
}
