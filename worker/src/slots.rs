//! Slots: how many steps run at once, and how many of each lane may. A slot is a semaphore's permit that travels
//! with its step, so that exactly the free slots are claimed.

use std::sync::{Arc, Mutex, PoisonError};

use hellosales_core::metrics;
use hellosales_core::queue::ClaimedStep;
use hellosales_core::run::Lane;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Below this many slots a lane may take all.
const SHARED_FROM: i64 = 4;

/// A worker's slots. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Slots {
    total: i64,
    permits: Arc<Semaphore>,
    running: Arc<Mutex<Running>>,
    freed: Arc<Notify>,
}

/// What runs, by lane.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Running {
    lanes: [i64; 3],
    suspects: i64,
}

/// What may be claimed now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// In all.
    pub free: i64,
    /// Of each lane; standard's is for standard and bulk together.
    pub max: [i64; 3],
    /// Suspects: one a process, beside others.
    pub suspects: i64,
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

    /// Takes all that are free, if any are.
    #[must_use]
    pub fn reserve(&self) -> Option<Reserved> {
        let free = u32::try_from(self.permits.available_permits()).unwrap_or(u32::MAX);
        if free == 0 {
            return None;
        }
        let permits = Arc::clone(&self.permits).try_acquire_many_owned(free).ok()?;
        let running = *self.lock();
        Some(Reserved { permits, ask: ask(self.total, i64::from(free), running) })
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
    pub const fn ask(&self) -> Ask {
        self.ask
    }

    /// One of them is this step's. `None`: there are no more.
    pub fn take(&mut self, slots: &Slots, step: &ClaimedStep) -> Option<Slot> {
        Some(slots.occupy(self.permits.split(1)?, step.lane(), step.is_suspect()))
    }
}

impl Slots {
    fn occupy(&self, permit: OwnedSemaphorePermit, lane: Lane, suspect: bool) -> Slot {
        self.lock().count(lane, suspect, 1);
        metrics::RUNNING.add(1);
        Slot { _permit: permit, lane, suspect, slots: self.clone() }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.lock().count(self.lane, self.suspect, -1);
        metrics::RUNNING.add(-1);
        self.slots.freed.notify_one();
    }
}

impl Running {
    fn count(&mut self, lane: Lane, suspect: bool, n: i64) {
        let [interactive, standard, bulk] = &mut self.lanes;
        match lane {
            Lane::Interactive => *interactive += n,
            Lane::Standard => *standard += n,
            Lane::Bulk => *bulk += n,
        }
        self.suspects += if suspect { n } else { 0 };
    }
}

/// Of S slots, with R = max(1, S/8): interactive at most S - 1, standard and bulk together S - R, bulk S - 2R, what
/// runs counted in; so each lane always finds a slot soon.
fn ask(total: i64, free: i64, running: Running) -> Ask {
    let [interactive, standard, bulk] = running.lanes;
    let reserve = (total / 8).max(1);
    let max = if total < SHARED_FROM {
        [free; 3]
    } else {
        [total - 1 - interactive, total - reserve - standard - bulk, total - 2 * reserve - bulk]
    };
    Ask { free, max: max.map(|max| max.max(0)), suspects: (1 - running.suspects).max(0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn running(lanes: [i64; 3]) -> Running {
        Running { lanes, suspects: 0 }
    }

    #[test]
    fn every_lane_leaves_room_for_the_ones_before_it() {
        assert_eq!(ask(64, 64, running([0, 0, 0])), Ask { free: 64, max: [63, 56, 48], suspects: 1 });
        assert_eq!(ask(4, 4, running([0, 0, 0])).max, [3, 3, 2]);
        assert_eq!(ask(64, 14, running([2, 8, 40])).max, [61, 8, 8]);
    }

    #[test]
    fn what_runs_beyond_a_lanes_share_makes_it_ask_for_nothing_rather_than_less() {
        assert_eq!(ask(8, 0, running([0, 0, 8])).max, [7, 0, 0]);
        assert_eq!(ask(8, 1, running([7, 0, 0])).max, [0, 7, 6]);
    }

    #[test]
    fn few_slots_are_for_whoever_comes() {
        assert_eq!(ask(1, 1, running([0; 3])).max, [1; 3]);
        assert_eq!(ask(3, 2, running([0, 0, 1])).max, [2; 3]);
    }

    #[test]
    fn one_suspect_runs_at_a_time() {
        assert_eq!(ask(8, 8, Running { lanes: [1, 0, 0], suspects: 1 }).suspects, 0);
    }

    #[tokio::test]
    async fn a_slot_that_is_dropped_is_free_again_and_says_so() {
        let slots = Slots::new(2);
        let mut reserved = slots.reserve().unwrap();
        assert!(slots.reserve().is_none(), "all are reserved");
        let slot = slots.occupy(reserved.permits.split(1).unwrap(), Lane::Bulk, true);
        drop(reserved);
        assert_eq!(slots.reserve().unwrap().ask(), Ask { free: 1, max: [1; 3], suspects: 0 });
        drop(slot);
        slots.freed().await;
        assert_eq!(slots.reserve().unwrap().ask(), Ask { free: 2, max: [2; 3], suspects: 1 });
    }
}
