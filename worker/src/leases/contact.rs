//! Whether this process may believe that its lease still holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Known to every task of a worker: when the database last took its beat. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Contact {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    start: Instant,
    lease: Duration,
    /// Milliseconds after `start`, plus one; 0 is never.
    last: AtomicU64,
}

impl Contact {
    /// No beat has been taken yet.
    #[must_use]
    pub fn new(lease: Duration) -> Self {
        Self { inner: Arc::new(Inner { start: Instant::now(), lease, last: AtomicU64::new(0) }) }
    }

    /// A lease that never ends, for a stage outside a worker.
    #[must_use]
    pub fn always() -> Self {
        let contact = Self::new(Duration::MAX);
        contact.beaten(contact.inner.start);
        contact
    }

    /// The database took a beat that was sent at `sent`: the lease counts from then, not from the answer.
    pub fn beaten(&self, sent: Instant) {
        let after = sent.saturating_duration_since(self.inner.start).as_millis();
        let after = u64::try_from(after).unwrap_or(u64::MAX - 1);
        self.inner.last.fetch_max(after + 1, Ordering::Release);
    }

    /// Whether the last beat is younger than the lease. If not, others may have taken this worker's steps:
    /// it claims nothing and starts no provider call; what runs goes on and tries to settle.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.is_held_at(Instant::now())
    }

    fn is_held_at(&self, now: Instant) -> bool {
        let Some(last) = self.inner.last.load(Ordering::Acquire).checked_sub(1) else {
            return false;
        };
        now.saturating_duration_since(self.inner.start).saturating_sub(Duration::from_millis(last)) < self.inner.lease
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_held_from_the_sending_of_the_last_beat_for_its_length() {
        let contact = Contact::new(Duration::from_secs(15));
        let at = |seconds| contact.inner.start + Duration::from_secs(seconds);
        assert!(!contact.is_held_at(at(0)));
        contact.beaten(at(5));
        assert!(contact.is_held_at(at(5)));
        assert!(contact.is_held_at(at(19)));
        assert!(!contact.is_held_at(at(20)));
        contact.beaten(at(21));
        contact.beaten(at(6));
        assert!(contact.is_held_at(at(35)), "an older beat's answer that comes late takes nothing back");
        assert!(Contact::always().is_held());
    }
}
