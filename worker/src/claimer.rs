//! The claimer: fills exactly the free slots, and finds again what a lost answer brought.

mod alone;
mod clock;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hellosales_core::notify::Listener;
use hellosales_core::queue::claim::{ClaimRequest, Claimed, adopt, claim};
use hellosales_core::queue::companions::claim_companions;
use hellosales_core::queue::{ClaimedStep, Shapes};
use hellosales_core::run::Lane;
use hellosales_core::{Database, DatabaseError, LeaseToken, RunId, WorkerId, metrics};
use tokio::sync::{Notify, mpsc};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::job::Job;
use crate::leases::{Contact, Holdings};
use crate::settler::Companions;
use crate::slots::{After, Ask, Reserved, Shared, Slot, Slots};
use alone::Alone;
pub(crate) use clock::Clock;

/// Between two looks when idle.
const POLL: Duration = Duration::from_secs(1);
/// And when no wake-ups arrive.
const DEAF_POLL: Duration = Duration::from_millis(250);
/// And while there is no lease to claim under.
const APART_POLL: Duration = Duration::from_millis(50);
/// A claim that takes longer has no answer.
const PATIENCE: Duration = Duration::from_secs(12);
/// The first and the longest wait before a lost answer is looked for again.
const LOOK_AGAIN: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];

/// Claims for one worker.
#[derive(Debug)]
pub(crate) struct Claimer {
    pub(crate) database: Database,
    pub(crate) worker: WorkerId,
    pub(crate) shapes: Shapes,
    pub(crate) kinds: Arc<[String]>,
    pub(crate) slots: Slots,
    pub(crate) holdings: Holdings,
    pub(crate) contact: Contact,
    pub(crate) listener: Listener,
    /// Told when a lane has something.
    pub(crate) wake: Arc<Notify>,
    pub(crate) draining: CancellationToken,
    pub(crate) jobs: mpsc::Sender<Job>,
    pub(crate) clock: Clock,
}

/// Why the claimer rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// There was nothing more: a wake-up or the poll goes on.
    Empty,
    /// There may be more than was asked for: so does a slot that becomes free.
    Full,
    /// There may be more, and slots are free still.
    Again,
    /// The lease is not held.
    Apart,
}

impl Claimer {
    /// Claims until the worker drains.
    pub(crate) async fn run(mut self) {
        let mut alone = Alone::default();
        while !self.draining.is_cancelled() {
            let rest = self.once(&mut alone).await;
            if rest != Rest::Again {
                alone.rests();
                self.rest(rest, &mut alone).await;
            }
        }
    }

    async fn once(&mut self, alone: &mut Alone) -> Rest {
        if !self.contact.is_held() {
            return Rest::Apart;
        }
        let Some(reserved) = self.slots.reserve(alone.lanes(Instant::now())) else { return Rest::Full };
        let ask = reserved.ask();
        let token = LeaseToken::random();
        let unanswered = self.holdings.expect(token);
        let claimed = self.claim(ask, token).await;
        let rest = match ask.after(by_lane(&claimed.steps), claimed.held) {
            After::Empty => Rest::Empty,
            After::Full => Rest::Full,
            After::Again => Rest::Again,
            After::Alone(lane) => {
                let [standard, bulk] = &ask.except;
                let passed_over = if lane == Shared::Standard { standard } else { bulk };
                alone.found(lane, passed_over.len(), Instant::now());
                Rest::Again
            }
        };
        let claimed = self.with_companions(token, claimed).await;
        self.clock.note(claimed.highest);
        let has_shared = self.pass_on(reserved, claimed.steps).await;
        drop(unanswered);
        if rest == Rest::Full && has_shared { Rest::Again } else { rest }
    }

    /// Hands the steps to the jobs, each with its slot; whether companions share one, and slots are free still.
    async fn pass_on(&self, mut reserved: Reserved, steps: Vec<ClaimedStep>) -> bool {
        let companions = companions(&steps);
        let mut shared: HashMap<RunId, Arc<Slot>> = HashMap::new();
        let mut has_shared = false;
        for step in steps {
            metrics::CLAIMED.add(1);
            let companions = companions.get(&step.run().id).cloned();
            let holding = self.holdings.hold(&step);
            let shares = step.shape().is_inline() && !step.is_suspect();
            let slot = match shared.get(&step.run().id).filter(|_| shares) {
                Some(slot) => {
                    has_shared = true;
                    Arc::clone(slot)
                }
                None => {
                    // A claim brings no more than was reserved; what it did bring nevertheless is found, and given back.
                    let Some(slot) = reserved.take(&self.slots, &step).map(Arc::new) else { break };
                    if shares {
                        shared.insert(step.run().id, Arc::clone(&slot));
                    }
                    slot
                }
            };
            if self.jobs.send(Job { step, slot, holding, companions }).await.is_err() {
                break;
            }
        }
        has_shared
    }

    /// Claims; when the answer is lost, looks for what runs under the token until there is an answer.
    async fn claim(&self, ask: &Ask, token: LeaseToken) -> Claimed {
        let request = ClaimRequest {
            worker: self.worker,
            token,
            kinds: Arc::clone(&self.kinds),
            free: ask.free,
            max: [ask.max[0], ask.max[1], ask.bulk()],
            standard: ask.most[0],
            suspects: ask.suspects,
            except: ask.except.clone(),
        };
        let answer = timeout(PATIENCE, claim(&self.database, &request, &self.shapes)).await;
        self.found(token, answer).await
    }

    /// Claims the companions of what was claimed: they need no slot of their own.
    async fn with_companions(&self, token: LeaseToken, mut claimed: Claimed) -> Claimed {
        let runs = incomplete(&claimed.steps);
        if runs.is_empty() {
            return claimed;
        }
        let kinds = self.shapes.inline_first_kinds();
        let asked = claim_companions(&self.database, (self.worker, token), &runs, &kinds, &self.shapes);
        if let Ok(Ok(more)) = timeout(PATIENCE, asked).await {
            claimed.steps.extend(more.steps);
            return claimed;
        }
        let answer = timeout(PATIENCE, adopt(&self.database, self.worker, token, &self.shapes)).await;
        self.found(token, answer).await
    }

    /// What runs under the token, however often that must be asked.
    async fn found(&self, token: LeaseToken, mut answer: Result<Result<Claimed, DatabaseError>, Elapsed>) -> Claimed {
        let [mut wait, longest] = LOOK_AGAIN;
        loop {
            match answer {
                Ok(Ok(claimed)) => return claimed,
                Ok(Err(error)) => tracing::warn!(worker_id = %self.worker, %error, "a claim failed"),
                Err(_) => tracing::warn!(worker_id = %self.worker, "a claim had no answer"),
            }
            sleep(wait).await;
            wait = (wait * 2).min(longest);
            answer = timeout(PATIENCE, adopt(&self.database, self.worker, token, &self.shapes)).await;
        }
    }

    async fn rest(&mut self, rest: Rest, alone: &mut Alone) {
        let poll = match rest {
            Rest::Apart => APART_POLL,
            _ if self.listener.is_listening() => POLL,
            _ => DEAF_POLL,
        };
        let until = Instant::now() + poll;
        loop {
            let advance = self.clock.due();
            tokio::select! {
                () = self.draining.cancelled() => return,
                () = self.wake.notified() => return alone.forget(),
                () = self.slots.freed(), if rest == Rest::Full => return,
                () = sleep_until(until) => return,
                () = sleep_until(advance.unwrap_or(until)), if advance.is_some() => self.clock.advance(&self.database).await,
            }
        }
    }
}

/// The runs of which a claim brought first stages, and not all.
fn incomplete(steps: &[ClaimedStep]) -> Vec<RunId> {
    let mut stages: HashMap<RunId, (u64, u64)> = HashMap::new();
    let first = |step: &&ClaimedStep| step.shape().is_inline() && !step.is_suspect() && step.shape().needs.is_empty();
    for step in steps.iter().filter(first) {
        let (got, _) = stages.entry(step.run().id).or_insert((0, step.pipeline().first()));
        *got |= 1 << step.stage();
    }
    stages.into_iter().filter(|(_, (got, all))| got != all).map(|(run, _)| run).collect()
}

/// The runs of which the claim brought several steps.
fn companions(steps: &[ClaimedStep]) -> HashMap<RunId, Companions> {
    let mut counts: HashMap<RunId, usize> = HashMap::new();
    for step in steps {
        *counts.entry(step.run().id).or_default() += 1;
    }
    counts.into_iter().filter(|(_, count)| *count > 1).map(|(run, count)| (run, Companions::new(count))).collect()
}

fn by_lane(steps: &[ClaimedStep]) -> [i64; 3] {
    let mut lanes = [0_i64; 3];
    let [interactive, standard, bulk] = &mut lanes;
    for step in steps {
        match step.lane() {
            Lane::Interactive => *interactive += 1,
            Lane::Standard => *standard += 1,
            Lane::Bulk => *bulk += 1,
        }
    }
    lanes
}
