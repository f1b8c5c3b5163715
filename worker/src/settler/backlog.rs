//! What waits to be settled, or closed in the ledger, and which of it goes together: pure.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// A group has at most this many results.
pub(crate) const MAX_GROUP: usize = 250;
/// No more than this many wait here; the rest waits with its jobs.
const MAX_WAITING: usize = 4 * MAX_GROUP;
/// After its run's row was locked this often, a result goes alone, and its transaction waits for the row.
const LATERS_BEFORE_ALONE: u32 = 2;
/// After this many transactions without an answer it goes alone: it may be what they failed of.
const FAILURES_BEFORE_ALONE: u32 = 3;
/// The first wait after a transaction without an answer.
const FIRST_WAIT: Duration = Duration::from_millis(50);
/// The longest.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// How a result fared so far.
pub(crate) trait Patience {
    fn laters(&self) -> u32;
    fn failures(&self) -> u32;

    fn goes_alone(&self) -> bool {
        self.laters() >= LATERS_BEFORE_ALONE || self.failures() >= FAILURES_BEFORE_ALONE
    }
}

#[derive(Debug)]
pub(crate) struct Backlog<T> {
    ready: VecDeque<T>,
    delayed: Vec<(Instant, T)>,
}

impl<T> Default for Backlog<T> {
    fn default() -> Self {
        Self { ready: VecDeque::new(), delayed: Vec::new() }
    }
}

impl<T: Patience> Backlog<T> {
    pub(crate) fn push(&mut self, result: T) {
        self.ready.push_back(result);
    }

    /// What a group could not settle: locked ones go into the next group, unanswered ones wait first, longer each time.
    pub(crate) fn again(&mut self, results: Vec<T>, now: Instant) {
        for result in results.into_iter().rev() {
            match result.failures().checked_sub(1) {
                Some(doublings) => {
                    let wait = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(doublings)).min(LONGEST_WAIT);
                    self.delayed.push((now + wait, result));
                }
                None => self.ready.push_front(result),
            }
        }
    }

    /// The next group, if there is something to settle.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Vec<T>> {
        let (due, delayed) = self.delayed.drain(..).partition(|(at, _)| *at <= now);
        self.delayed = delayed;
        self.ready.extend(due.into_iter().map(|(_, result)| result));
        let first = self.ready.pop_front()?;
        let mut group = vec![first];
        if group.iter().any(Patience::goes_alone) {
            return Some(group);
        }
        while group.len() < MAX_GROUP
            && let Some(next) = self.ready.pop_front_if(|next| !next.goes_alone())
        {
            group.push(next);
        }
        Some(group)
    }

    /// When the next one's wait is over, if none is ready before.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.delayed.iter().map(|(at, _)| *at).min()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.delayed.is_empty()
    }

    pub(crate) fn has_room(&self) -> bool {
        self.ready.len() + self.delayed.len() < MAX_WAITING
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Eq)]
    struct Result {
        name: usize,
        laters: u32,
        failures: u32,
    }

    impl Patience for Result {
        fn laters(&self) -> u32 {
            self.laters
        }

        fn failures(&self) -> u32 {
            self.failures
        }
    }

    const fn result(name: usize, laters: u32, failures: u32) -> Result {
        Result { name, laters, failures }
    }

    fn names(group: Option<Vec<Result>>) -> Vec<usize> {
        group.unwrap_or_default().into_iter().map(|result| result.name).collect()
    }

    #[test]
    fn a_group_is_what_has_arrived_and_has_a_bound() {
        let mut backlog = Backlog::default();
        let now = Instant::now();
        assert_eq!(names(backlog.next(now)), [0; 0]);
        for name in 0..MAX_GROUP + 2 {
            backlog.push(result(name, 0, 0));
        }
        assert_eq!(names(backlog.next(now)).len(), MAX_GROUP);
        assert_eq!(names(backlog.next(now)), [MAX_GROUP, MAX_GROUP + 1]);
        assert!(backlog.is_empty());
    }

    #[test]
    fn a_result_whose_row_is_locked_goes_into_the_next_group_and_the_third_time_alone() {
        let mut backlog = Backlog::default();
        let now = Instant::now();
        backlog.push(result(9, 0, 0));
        backlog.again(vec![result(1, 1, 0), result(2, 1, 0)], now);
        assert_eq!(names(backlog.next(now)), [1, 2, 9]);
        backlog.push(result(9, 0, 0));
        backlog.again(vec![result(1, 2, 0), result(2, 2, 0)], now);
        assert_eq!(names(backlog.next(now)), [1]);
        assert_eq!(names(backlog.next(now)), [2]);
        assert_eq!(names(backlog.next(now)), [9]);
    }

    #[test]
    fn a_result_without_an_answer_waits_longer_each_time_and_is_never_dropped() {
        let mut backlog = Backlog::default();
        let now = Instant::now();
        for (failures, wait_ms) in [(1, 50), (2, 100), (3, 200), (7, 2_000), (1_000, 2_000)] {
            backlog.again(vec![result(1, 0, failures)], now);
            assert!(names(backlog.next(now)).is_empty());
            let due = now + Duration::from_millis(wait_ms);
            assert_eq!(backlog.due(), Some(due));
            assert!(!backlog.is_empty());
            assert_eq!(names(backlog.next(due)), [1]);
        }
    }

    #[test]
    fn a_result_that_transactions_keep_failing_of_fails_alone() {
        let mut backlog = Backlog::default();
        let now = Instant::now();
        backlog.push(result(1, 0, 0));
        backlog.again(vec![result(2, 0, 3)], now);
        let later = now + LONGEST_WAIT;
        assert_eq!(names(backlog.next(later)), [1]);
        assert_eq!(names(backlog.next(later)), [2]);
    }
}
