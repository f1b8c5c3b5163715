//! The claimer: fills exactly the free slots, and finds again what a lost answer brought.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hellosales_core::notify::Listener;
use hellosales_core::queue::claim::{ClaimRequest, Claimed, adopt, claim};
use hellosales_core::queue::companions::claim_companions;
use hellosales_core::queue::{ClaimedStep, Shapes, rank};
use hellosales_core::run::Lane;
use hellosales_core::{Database, DatabaseError, LeaseToken, RunId, WorkerId, metrics};
use tokio::sync::{Notify, mpsc};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::job::Job;
use crate::leases::{Contact, Holdings};
use crate::settler::Companions;
use crate::slots::{Ask, Slot, Slots};

/// Between two looks when idle.
const POLL: Duration = Duration::from_secs(1);
/// And when no wake-ups arrive.
const DEAF_POLL: Duration = Duration::from_millis(250);
/// And while there is no lease to claim under.
const APART_POLL: Duration = Duration::from_millis(50);
/// Virtual time is moved at most this often.
const ADVANCE: Duration = Duration::from_millis(100);
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
    /// Likewise, and slots are free still, since companions share theirs.
    Shared,
    /// The lease is not held.
    Apart,
}

/// What was claimed and not yet told to the lanes' virtual time.
#[derive(Debug)]
pub(crate) struct Clock {
    highest: [Option<i64>; 3],
    next: Instant,
}

impl Default for Clock {
    fn default() -> Self {
        Self { highest: [None; 3], next: Instant::now() }
    }
}

impl Claimer {
    /// Claims until the worker drains.
    pub(crate) async fn run(mut self) {
        while !self.draining.is_cancelled() {
            let rest = self.once().await;
            self.rest(rest).await;
        }
    }

    async fn once(&mut self) -> Rest {
        if !self.contact.is_held() {
            return Rest::Apart;
        }
        let Some(mut reserved) = self.slots.reserve() else { return Rest::Full };
        let ask = reserved.ask();
        let token = LeaseToken::random();
        let unanswered = self.holdings.expect(token);
        let claimed = self.claim(ask, token).await;
        let claimed = self.with_companions(token, claimed).await;
        self.clock.note(claimed.highest);
        let rest = if is_full(ask, &claimed) { Rest::Full } else { Rest::Empty };
        let companions = companions(&claimed.steps);
        let mut shared: HashMap<RunId, Arc<Slot>> = HashMap::new();
        let mut rest = rest;
        for step in claimed.steps {
            metrics::CLAIMED.add(1);
            let companions = companions.get(&step.run().id).cloned();
            let holding = self.holdings.hold(&step);
            // A claim brings no more than was reserved; what it did bring nevertheless is found, and given back.
            let shares = step.shape().is_inline() && !step.is_suspect();
            let slot = match shared.get(&step.run().id).filter(|_| shares) {
                Some(slot) => {
                    rest = if rest == Rest::Full { Rest::Shared } else { rest };
                    Arc::clone(slot)
                }
                None => {
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
        drop(unanswered);
        rest
    }

    /// Claims; when the answer is lost, looks for what runs under the token until there is an answer.
    async fn claim(&self, ask: Ask, token: LeaseToken) -> Claimed {
        let request = ClaimRequest {
            worker: self.worker,
            token,
            kinds: Arc::clone(&self.kinds),
            free: ask.free,
            max: ask.max,
            suspects: ask.suspects,
        };
        let answer = timeout(PATIENCE, claim(&self.database, &request, &self.shapes)).await;
        self.found(token, answer).await
    }

    /// Claims the companions of what was claimed: they need no slot of their own.
    async fn with_companions(&self, token: LeaseToken, claimed: Claimed) -> Claimed {
        let runs = incomplete(&claimed.steps);
        if runs.is_empty() {
            return claimed;
        }
        let kinds = self.shapes.inline_first_kinds();
        let asked = claim_companions(&self.database, self.worker, token, &runs, &kinds);
        if let Ok(Ok(0)) = timeout(PATIENCE, asked).await {
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

    async fn rest(&mut self, rest: Rest) {
        if rest == Rest::Shared {
            return;
        }
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
                () = self.wake.notified() => return,
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

/// Whether there may be more than was asked for: of all, or of a lane that got all that it may have.
fn is_full(ask: Ask, claimed: &Claimed) -> bool {
    let mut lanes = [0_i64; 3];
    for step in &claimed.steps {
        let [interactive, standard, bulk] = &mut lanes;
        match step.lane() {
            Lane::Interactive => *interactive += 1,
            Lane::Standard => *standard += 1,
            Lane::Bulk => *bulk += 1,
        }
    }
    reaches(ask, lanes)
}

fn reaches(ask: Ask, [interactive, standard, bulk]: [i64; 3]) -> bool {
    let got = interactive + standard + bulk;
    got >= ask.free || ask.max[0] <= interactive || ask.max[1] <= standard + bulk || ask.max[2] <= bulk
}

impl Clock {
    fn note(&mut self, highest: [Option<i64>; 3]) {
        for (mine, theirs) in self.highest.iter_mut().zip(highest) {
            *mine = (*mine).max(theirs);
        }
    }

    fn due(&self) -> Option<Instant> {
        self.highest.iter().any(Option::is_some).then_some(self.next)
    }

    async fn advance(&mut self, db: &Database) {
        self.next = Instant::now() + ADVANCE;
        for (lane, highest) in [Lane::Interactive, Lane::Standard, Lane::Bulk].into_iter().zip(&mut self.highest) {
            let Some(reached) = *highest else { continue };
            match timeout(PATIENCE, rank::advance(db.fast(), lane, reached)).await {
                Ok(Ok(())) => *highest = None,
                Ok(Err(error)) => tracing::debug!(%error, "virtual time was not moved"),
                Err(_) => tracing::debug!("virtual time was not moved in time"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_that_got_all_it_may_have_of_any_lane_is_followed_by_another_when_a_slot_is_free() {
        let ask = Ask { free: 8, max: [7, 7, 6], suspects: 1 };
        assert!(!reaches(ask, [0, 0, 0]));
        assert!(!reaches(ask, [3, 2, 1]));
        assert!(reaches(ask, [7, 0, 0]));
        assert!(reaches(ask, [0, 3, 4]));
        assert!(reaches(ask, [0, 0, 6]));
        assert!(reaches(ask, [4, 2, 2]));
        assert!(reaches(Ask { max: [7, 7, 0], ..ask }, [0; 3]), "a lane that may take nothing was not looked at");
    }

    #[test]
    fn virtual_time_keeps_the_highest_rank_of_each_lane_until_it_is_moved() {
        let mut clock = Clock::default();
        assert_eq!(clock.due(), None);
        clock.note([Some(3), None, Some(5)]);
        clock.note([Some(2), None, Some(9)]);
        assert_eq!(clock.highest, [Some(3), None, Some(9)]);
        assert!(clock.due().is_some());
    }
}
