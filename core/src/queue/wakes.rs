//! Wakes: whom to wake after a commit. Nobody waits for them, and the polls make up for any that is lost.

use crate::id::RunId;
use crate::run::Lane;

/// Whom to wake after a commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wakes {
    /// Lanes that have something to claim, by number.
    pub lanes: [bool; 3],
    /// Runs with something new in their stream.
    pub streams: Vec<RunId>,
    /// Runs that were cancelled.
    pub cancels: Vec<RunId>,
    /// A batch has something to be admitted, paused, cancelled or ended.
    pub batches: bool,
}

impl Wakes {
    /// Adds a lane.
    pub fn lane(&mut self, lane: Lane) {
        match lane {
            Lane::Interactive => self.lanes[0] = true,
            Lane::Standard => self.lanes[1] = true,
            Lane::Bulk => self.lanes[2] = true,
        }
    }

    /// Adds a run's stream.
    pub fn stream(&mut self, run: RunId) {
        if self.streams.last() != Some(&run) {
            self.streams.push(run);
        }
    }

    /// Adds all of another's.
    pub fn merge(&mut self, other: Self) {
        for (mine, theirs) in self.lanes.iter_mut().zip(other.lanes) {
            *mine |= theirs;
        }
        self.streams.extend(other.streams);
        self.cancels.extend(other.cancels);
        self.batches |= other.batches;
    }

    /// Whether there is nobody to wake.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lanes == [false; 3] && self.streams.is_empty() && self.cancels.is_empty() && !self.batches
    }
}
