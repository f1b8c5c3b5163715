//! Which workers are dead, and which of the living have beaten without a break: what looks at the database showed,
//! told without one.

use std::collections::HashMap;

use hellosales_core::WorkerId;
use hellosales_core::queue::reap::ExpiredWorker;
use tokio::time::{Duration, Instant};

/// A dead worker is looked at again this often: a commit of its last breath may land late.
const PROBE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Sightings {
    lease: Duration,
    /// Since when no look has failed.
    unbroken_since: Option<Instant>,
    looks: u64,
    seen: HashMap<WorkerId, Seen>,
}

#[derive(Debug)]
struct Seen {
    expired: ExpiredWorker,
    first: Instant,
    last: Instant,
    look: u64,
    probed: Option<Instant>,
}

impl Sightings {
    pub(super) fn new(lease: Duration) -> Self {
        Self { lease, unbroken_since: None, looks: 0, seen: HashMap::new() }
    }

    /// A look found these workers expired. Returns those to be reaped: expired when seen twice, one beat apart,
    /// unchanged.
    pub(super) fn look(&mut self, now: Instant, expired: &[ExpiredWorker]) -> Vec<WorkerId> {
        self.unbroken_since.get_or_insert(now);
        self.looks += 1;
        let (beat, lease, look) = (self.lease / 5, self.lease, self.looks);
        let mut dead = Vec::new();
        for &expired in expired {
            let fresh = Seen { expired, first: now, last: now, look, probed: None };
            let seen = self.seen.entry(expired.worker).or_insert(fresh);
            if seen.expired != expired || seen.look + 1 < look {
                *seen = Seen { expired, first: now, last: now, look, probed: None };
            }
            (seen.last, seen.look) = (now, look);
            let due = seen.probed.is_none_or(|probed| now.duration_since(probed) >= PROBE);
            if due && now.duration_since(seen.first) >= beat {
                seen.probed = Some(now);
                dead.push(expired.worker);
            }
        }
        // Who came back is remembered for a lease: its beat was broken.
        self.seen.retain(|_, seen| now.duration_since(seen.last) < lease);
        dead
    }

    /// There is more to take from a dead worker: it is not left alone until the next probe.
    pub(super) fn again(&mut self, worker: WorkerId) {
        if let Some(seen) = self.seen.get_mut(&worker) {
            seen.probed = None;
        }
    }

    /// A look failed: whatever was seen, it was not seen twice in a row.
    pub(super) fn failed(&mut self) {
        self.unbroken_since = None;
        self.seen.clear();
    }

    /// Whether a worker has beaten without a break for a lease, as far as was seen without one.
    pub(super) fn has_beaten_unbroken(&self, now: Instant, worker: WorkerId) -> bool {
        self.unbroken_since.is_some_and(|since| now.duration_since(since) >= self.lease)
            && !self.seen.contains_key(&worker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(15);

    fn expired(worker: WorkerId, at: i64) -> ExpiredWorker {
        let lease_until = chrono::DateTime::from_timestamp(at, 0).unwrap_or_default();
        ExpiredWorker { worker, lease_until }
    }

    #[test]
    fn a_worker_is_dead_when_it_was_seen_expired_twice_one_beat_apart_unchanged() {
        let (start, worker) = (Instant::now(), WorkerId::new());
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut sightings = Sightings::new(LEASE);
        assert!(sightings.look(at(0), &[expired(worker, 100)]).is_empty());
        assert!(sightings.look(at(1), &[expired(worker, 100)]).is_empty());
        assert!(sightings.look(at(2), &[expired(worker, 101)]).is_empty(), "it has beaten");
        assert!(sightings.look(at(4), &[expired(worker, 101)]).is_empty());
        assert_eq!(sightings.look(at(5), &[expired(worker, 101)]), [worker]);
    }

    #[test]
    fn a_worker_that_was_not_expired_in_between_is_seen_twice_anew() {
        let (start, worker) = (Instant::now(), WorkerId::new());
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut sightings = Sightings::new(LEASE);
        sightings.look(at(0), &[expired(worker, 100)]);
        sightings.look(at(2), &[]);
        assert!(sightings.look(at(4), &[expired(worker, 100)]).is_empty());
        assert_eq!(sightings.look(at(7), &[expired(worker, 100)]), [worker]);
    }

    #[test]
    fn a_dead_worker_is_probed_every_ten_seconds_and_sooner_if_it_has_more() {
        let (start, worker) = (Instant::now(), WorkerId::new());
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut sightings = Sightings::new(LEASE);
        let dead = [expired(worker, 100)];
        sightings.look(at(0), &dead);
        assert_eq!(sightings.look(at(3), &dead), [worker]);
        assert!(sightings.look(at(4), &dead).is_empty());
        sightings.again(worker);
        assert_eq!(sightings.look(at(5), &dead), [worker]);
        assert!(sightings.look(at(14), &dead).is_empty());
        assert_eq!(sightings.look(at(15), &dead), [worker]);
    }

    #[test]
    fn an_outage_of_the_database_begins_all_counts_anew() {
        let (start, worker) = (Instant::now(), WorkerId::new());
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut sightings = Sightings::new(LEASE);
        sightings.look(at(0), &[expired(worker, 100)]);
        sightings.failed();
        assert!(sightings.look(at(5), &[expired(worker, 100)]).is_empty());
    }

    #[test]
    fn a_beat_is_unbroken_after_a_lease_of_looks_that_never_saw_it_expired() {
        let (start, worker) = (Instant::now(), WorkerId::new());
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut sightings = Sightings::new(LEASE);
        sightings.look(at(0), &[]);
        assert!(!sightings.has_beaten_unbroken(at(14), worker));
        assert!(sightings.has_beaten_unbroken(at(15), worker));
        sightings.look(at(16), &[expired(worker, 100)]);
        sightings.look(at(17), &[]);
        assert!(!sightings.has_beaten_unbroken(at(18), worker));
        sightings.look(at(31), &[]);
        assert!(sightings.has_beaten_unbroken(at(31), worker));
        sightings.failed();
        assert!(!sightings.has_beaten_unbroken(at(60), worker));
    }
}
