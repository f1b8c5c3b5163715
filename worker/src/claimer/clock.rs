//! Clock: the ranks that were claimed and are not yet told to the lanes' virtual time.

use hellosales_core::Database;
use hellosales_core::queue::rank;
use hellosales_core::run::Lane;
use tokio::time::{Duration, Instant, timeout};

use super::PATIENCE;

/// Virtual time is moved at most this often.
const ADVANCE: Duration = Duration::from_millis(100);

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

impl Clock {
    pub(super) fn note(&mut self, highest: [Option<i64>; 3]) {
        for (mine, theirs) in self.highest.iter_mut().zip(highest) {
            *mine = (*mine).max(theirs);
        }
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.highest.iter().any(Option::is_some).then_some(self.next)
    }

    pub(super) async fn advance(&mut self, db: &Database) {
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
    fn virtual_time_keeps_the_highest_rank_of_each_lane_until_it_is_moved() {
        let mut clock = Clock::default();
        assert_eq!(clock.due(), None);
        clock.note([Some(3), None, Some(5)]);
        clock.note([Some(2), None, Some(9)]);
        assert_eq!(clock.highest, [Some(3), None, Some(9)]);
        assert!(clock.due().is_some());
    }
}
