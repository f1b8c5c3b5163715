//! Companions: the steps of one run that one claim brought. They run side by side and are settled together, so that
//! the stage that follows them is found, and handed over, in one transaction (`protocol.md` 3).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Waiting;

/// So long a result waits for those of its companions; one that hangs holds nobody up for longer.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// What the companions of one run share. Cheap to clone: each has one.
#[derive(Debug, Clone)]
pub struct Companions {
    party: Arc<Mutex<Party>>,
}

#[derive(Debug)]
struct Party {
    missing: usize,
    arrived: Vec<Waiting>,
}

impl Companions {
    /// So many steps.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self { party: Arc::new(Mutex::new(Party { missing: count, arrived: Vec::with_capacity(count) })) }
    }

    /// A result has come. All that have, if it was the last one.
    pub(super) fn arrive(&self, waiting: Waiting) -> Vec<Waiting> {
        let mut party = self.party.lock().unwrap_or_else(PoisonError::into_inner);
        party.missing = party.missing.saturating_sub(1);
        party.arrived.push(waiting);
        if party.missing == 0 { std::mem::take(&mut party.arrived) } else { Vec::new() }
    }

    /// All that have come so far: patience is over.
    pub(super) fn go(&self) -> Vec<Waiting> {
        std::mem::take(&mut self.party.lock().unwrap_or_else(PoisonError::into_inner).arrived)
    }
}
