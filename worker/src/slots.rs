//! Slots: how many steps run at once, and how many of each lane may. A slot is a semaphore's permit that travels
//! with its step, so that exactly the free slots are claimed.

mod ask;
mod shares;

use std::sync::{Arc, Mutex, PoisonError};

use hellosales_core::queue::ClaimedStep;
use hellosales_core::run::Lane;
use hellosales_core::{OrgId, metrics};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

pub use ask::{After, Ask, Shared};
use shares::Shares;

/// A worker's slots. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Slots {
    total: i64,
    permits: Arc<Semaphore>,
    running: Arc<Mutex<Running>>,
    freed: Arc<Notify>,
}

/// What runs, by lane and by organisation.
#[derive(Debug, Default)]
struct Running {
    lanes: [i64; 3],
    suspects: i64,
    shares: Shares,
}

/// Slots that are taken, but not yet a step's.
#[derive(Debug)]
pub struct Reserved {
    permits: OwnedSemaphorePermit,
    ask: Ask,
}

/// One step's slot; free again when dropped.
#[derive(Debug)]
pub struct Slot {
    // Held only to be dropped.
    _permit: OwnedSemaphorePermit,
    lane: Lane,
    org: OrgId,
    suspect: bool,
    slots: Slots,
}

impl Slots {
    /// All free.
    #[must_use]
    pub fn new(total: u16) -> Self {
        Self {
            total: i64::from(total),
            permits: Arc::new(Semaphore::new(usize::from(total))),
            running: Arc::default(),
            freed: Arc::default(),
        }
    }

    /// Takes all that are free, if any are. In standard and in bulk, organisations have shares unless one is alone there.
    #[must_use]
    pub fn reserve(&self, alone: [bool; 2]) -> Option<Reserved> {
        let free = u32::try_from(self.permits.available_permits()).unwrap_or(u32::MAX);
        if free == 0 {
            return None;
        }
        let permits = Arc::clone(&self.permits).try_acquire_many_owned(free).ok()?;
        let ask = Ask::new(self.total, i64::from(free), &self.lock(), alone);
        Some(Reserved { permits, ask })
    }

    /// Waits until one becomes free.
    pub async fn freed(&self) {
        self.freed.notified().await;
    }

    /// How many are taken.
    #[must_use]
    pub fn taken(&self) -> i64 {
        self.lock().lanes.iter().sum()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reserved {
    /// What may be claimed into them.
    #[must_use]
    pub const fn ask(&self) -> &Ask {
        &self.ask
    }

    /// One of them is this step's. `None`: there are no more.
    pub fn take(&mut self, slots: &Slots, step: &ClaimedStep) -> Option<Slot> {
        Some(slots.occupy(self.permits.split(1)?, step.lane(), step.run().org_id, step.is_suspect()))
    }
}

impl Slots {
    fn occupy(&self, permit: OwnedSemaphorePermit, lane: Lane, org: OrgId, suspect: bool) -> Slot {
        let slot = Slot { _permit: permit, lane, org, suspect, slots: self.clone() };
        self.lock().count(&slot, 1);
        metrics::RUNNING.add(1);
        slot
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.lock().count(self, -1);
        metrics::RUNNING.add(-1);
        self.slots.freed.notify_one();
    }
}

impl Running {
    fn count(&mut self, slot: &Slot, n: i64) {
        let [interactive, standard, bulk] = &mut self.lanes;
        match slot.lane {
            Lane::Interactive => *interactive += n,
            Lane::Standard => *standard += n,
            Lane::Bulk => *bulk += n,
        }
        self.suspects += if slot.suspect { n } else { 0 };
        self.shares.count(slot.lane, slot.org, n);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slot_that_is_dropped_is_free_again_and_says_so() {
        let slots = Slots::new(2);
        let mut reserved = slots.reserve([false; 2]).unwrap();
        assert!(slots.reserve([false; 2]).is_none(), "all are reserved");
        let slot = slots.occupy(reserved.permits.split(1).unwrap(), Lane::Bulk, OrgId::new(), true);
        drop(reserved);
        let ask = slots.reserve([false; 2]).unwrap().ask().clone();
        assert_eq!((ask.free, ask.max, ask.suspects), (1, [1; 3], 0));
        drop(slot);
        slots.freed().await;
        let ask = slots.reserve([false; 2]).unwrap().ask().clone();
        assert_eq!((ask.free, ask.max, ask.suspects), (2, [2; 3], 1));
    }

    #[tokio::test]
    async fn a_slot_counts_in_its_organisations_share_until_it_is_dropped() {
        let (slots, org) = (Slots::new(8), OrgId::new());
        let mut reserved = slots.reserve([false; 2]).unwrap();
        let mut take = || slots.occupy(reserved.permits.split(1).unwrap(), Lane::Standard, org, false);
        let three = [take(), take(), take()];
        drop(reserved);
        assert_eq!(slots.reserve([false; 2]).unwrap().ask().except, [Arc::from([org]), Arc::default()]);
        assert_eq!(slots.reserve([true; 2]).unwrap().ask().except, [Arc::default(), Arc::default()]);
        let [one, two @ ..] = three;
        drop(one);
        let ask = slots.reserve([false; 2]).unwrap().ask().clone();
        assert_eq!((ask.most, ask.except), ([1, 3], [Arc::default(), Arc::default()]));
        drop(two);
    }
}
