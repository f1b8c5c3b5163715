//! Wake-ups: they only make things sooner. With LISTEN cut off all still works, at the pace of the polls (rule 8).

mod listener;
mod notifier;

pub use listener::{Listener, Wake};
pub use notifier::{Notifier, send_once};

use crate::id::RunId;

/// Lanes that have something to claim.
const QUEUE: &str = "hs_queue";
/// Runs with something new in their stream, as a map of 256 bits.
const STREAM: &str = "hs_stream";
/// Runs that were cancelled.
const CANCEL: &str = "hs_cancel";
/// A batch is new, or stands elsewhere; or a pause has begun or ended.
const BATCH: &str = "hs_batch";
/// A provider may be called again, or may not any more.
pub(crate) const PROVIDER: &str = "hs_provider";

/// The most run ids that one notification of a cancel carries.
const MAX_CANCELS: usize = 100;

/// A set of runs, by a hash of eight bits: may say yes for one that isn't in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RunMap([u8; 32]);

impl RunMap {
    /// Adds a run.
    pub fn insert(&mut self, run: RunId) {
        let (byte, bit) = place(run);
        if let Some(byte) = self.0.get_mut(byte) {
            *byte |= bit;
        }
    }

    /// Adds all of another's.
    pub fn merge(&mut self, other: Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine |= theirs;
        }
    }

    /// Whether a run may be in it.
    #[must_use]
    pub fn may_contain(&self, run: RunId) -> bool {
        let (byte, bit) = place(run);
        self.0.get(byte).is_some_and(|byte| byte & bit != 0)
    }

    /// The map with every run in it.
    #[must_use]
    pub const fn all() -> Self {
        Self([u8::MAX; 32])
    }

    fn is_empty(&self) -> bool {
        self.0 == [0; 32]
    }

    fn encode(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn decode(text: &str) -> Option<Self> {
        let mut map = Self::default();
        for (n, byte) in map.0.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * n..2 * n + 2)?, 16).ok()?;
        }
        Some(map)
    }
}

/// The last byte of a UUIDv7 is random.
fn place(run: RunId) -> (usize, u8) {
    let hash = run.uuid().as_bytes().last().copied().unwrap_or(0);
    (usize::from(hash / 8), 1 << (hash % 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_survives_its_encoding_and_contains_what_was_put_in() {
        let mut map = RunMap::default();
        let runs: Vec<RunId> = (0..10).map(|_| RunId::new()).collect();
        for &run in &runs {
            map.insert(run);
        }
        let decoded = RunMap::decode(&map.encode()).unwrap();
        assert_eq!(decoded, map);
        assert!(runs.iter().all(|&run| decoded.may_contain(run)));
        assert_eq!(RunMap::decode("zz"), None);
    }
}
