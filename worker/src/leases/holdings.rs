//! What this worker believes to own, held against what the database says.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hellosales_core::queue::ClaimedStep;
use hellosales_core::queue::lease::Owned;
use hellosales_core::{LeaseToken, RunId, metrics};
use tokio_util::sync::CancellationToken;

/// Every step of this worker, from claim to settlement. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Holdings {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    held: HashMap<Owned, Held>,
    /// Tokens of claims whose answer has not come.
    unanswered: HashSet<LeaseToken>,
    /// What the look before this one found and could not place.
    unknown: HashSet<Owned>,
}

#[derive(Debug)]
struct Held {
    lost: CancellationToken,
    settling: bool,
}

/// One step; forgotten when dropped.
#[derive(Debug)]
pub struct Holding {
    key: Owned,
    lost: CancellationToken,
    holdings: Holdings,
}

/// A claim that has no answer yet.
#[derive(Debug)]
pub struct Unanswered {
    token: LeaseToken,
    holdings: Holdings,
}

/// What was held when a look began: only that can be missing from what it finds.
#[derive(Debug)]
pub struct Before(Vec<Owned>);

impl Holdings {
    /// From now on this step is known.
    #[must_use]
    pub fn hold(&self, step: &ClaimedStep) -> Holding {
        let stage = i16::try_from(step.stage()).unwrap_or(i16::MAX);
        self.hold_key(Owned { run_id: step.run().id, stage, token: step.token() })
    }

    fn hold_key(&self, key: Owned) -> Holding {
        let lost = CancellationToken::new();
        self.lock().held.insert(key, Held { lost: lost.clone(), settling: false });
        Holding { key, lost, holdings: self.clone() }
    }

    /// From now on, and until what this returns is dropped, steps under this token are expected.
    #[must_use]
    pub fn expect(&self, token: LeaseToken) -> Unanswered {
        self.lock().unanswered.insert(token);
        Unanswered { token, holdings: self.clone() }
    }

    /// Whether a step of one of these runs is held.
    #[must_use]
    pub fn has_any(&self, runs: &[RunId]) -> bool {
        self.lock().held.keys().any(|key| runs.contains(&key.run_id))
    }

    /// A look begins.
    #[must_use]
    pub fn before(&self) -> Before {
        Before(self.lock().held.keys().copied().collect())
    }

    /// A look ended. Steps that were held all the time and aren't there, and aren't being settled, are lost: their
    /// stages are stopped. Returns steps that are there, that nobody here knows and nobody waits for, for the
    /// second time in a row: they are to be given back.
    pub fn compare(&self, before: &Before, found: &[Owned]) -> Vec<Owned> {
        let mut inner = self.lock();
        let there: HashSet<&Owned> = found.iter().collect();
        for key in before.0.iter().filter(|key| !there.contains(key)) {
            if let Some(held) = inner.held.get(key).filter(|held| !held.settling && !held.lost.is_cancelled()) {
                held.lost.cancel();
                metrics::LOST.add(1);
            }
        }
        // A settlement in flight may have handed a successor over.
        let settling: HashSet<RunId> =
            inner.held.iter().filter(|(_, held)| held.settling).map(|(key, _)| key.run_id).collect();
        let unknown: HashSet<Owned> = found
            .iter()
            .filter(|step| !inner.held.contains_key(step))
            .filter(|step| !inner.unanswered.contains(&step.token) && !settling.contains(&step.run_id))
            .copied()
            .collect();
        let twice = unknown.intersection(&inner.unknown).copied().collect();
        inner.unknown = unknown;
        twice
    }

    /// A look failed: nothing was seen in a row.
    pub fn looked_in_vain(&self) {
        self.lock().unknown.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Holding {
    /// Fires when the step is lost or its run cancelled.
    #[must_use]
    pub const fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    /// Its result is on its way: that it isn't there any more means nothing now.
    pub fn settling(&self) {
        if let Some(held) = self.holdings.lock().held.get_mut(&self.key) {
            held.settling = true;
        }
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.holdings.lock().held.remove(&self.key);
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        self.holdings.lock().unanswered.remove(&self.token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step() -> Owned {
        Owned { run_id: RunId::new(), stage: 0, token: LeaseToken::random() }
    }

    #[test]
    fn a_held_step_that_is_not_there_is_lost_unless_it_is_being_settled_or_came_after_the_look_began() {
        let holdings = Holdings::default();
        let (gone, kept, settling) = (step(), step(), step());
        let [gone, kept_holding, settled] = [gone, kept, settling].map(|key| holdings.hold_key(key));
        settled.settling();
        let before = holdings.before();
        let late = holdings.hold_key(step());
        assert!(holdings.compare(&before, &[kept]).is_empty());
        assert!(gone.lost().is_cancelled());
        assert!(!kept_holding.lost().is_cancelled());
        assert!(!settled.lost().is_cancelled());
        assert!(!late.lost().is_cancelled());
    }

    #[test]
    fn a_step_that_nobody_knows_is_given_back_when_it_is_seen_twice_in_a_row() {
        let holdings = Holdings::default();
        let stray = step();
        let look = |found: &[Owned]| holdings.compare(&holdings.before(), found);
        assert!(look(&[stray]).is_empty());
        assert!(look(&[]).is_empty());
        assert!(look(&[stray]).is_empty());
        holdings.looked_in_vain();
        assert!(look(&[stray]).is_empty());
        assert_eq!(look(&[stray]), [stray]);
    }

    #[test]
    fn what_a_claim_or_a_settlement_without_an_answer_may_have_brought_is_waited_for() {
        let holdings = Holdings::default();
        let (claimed, settled) = (step(), step());
        let handed_over = Owned { stage: 1, token: LeaseToken::random(), ..settled };
        let unanswered = holdings.expect(claimed.token);
        let holding = holdings.hold_key(settled);
        holding.settling();
        let look = || holdings.compare(&holdings.before(), &[claimed, handed_over]);
        assert!(look().is_empty());
        assert!(look().is_empty());
        drop((unanswered, holding));
        assert!(look().is_empty());
        assert_eq!(look().len(), 2);
    }

    #[test]
    fn a_holding_that_is_dropped_is_forgotten() {
        let holdings = Holdings::default();
        let key = step();
        let holding = holdings.hold_key(key);
        assert!(holdings.has_any(&[key.run_id]));
        drop(holding);
        assert!(!holdings.has_any(&[key.run_id]));
    }
}
