//! How long a failed step waits: full jitter (M. Brooker, "Exponential Backoff And Jitter", AWS, 2015).

use std::time::Duration;

use rand::Rng;

/// The first wait is up to this.
pub const BASE: Duration = Duration::from_secs(1);
/// No wait is longer, unless the provider asks for it.
pub const CAP: Duration = Duration::from_secs(300);

/// The most that the wait before the next attempt may be, after `failures` counted failures (at least 1).
#[must_use]
pub fn ceiling(failures: i16) -> Duration {
    let doublings = u32::from(failures.max(1).unsigned_abs()) - 1;
    BASE.saturating_mul(2_u32.saturating_pow(doublings)).min(CAP)
}

/// A wait drawn evenly from zero to the ceiling, never before `retry_after`.
#[must_use]
pub fn draw(failures: i16, retry_after: Option<Duration>) -> Duration {
    let wait = rand::rng().random_range(Duration::ZERO..=ceiling(failures));
    wait.max(retry_after.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_doubles_up_to_five_minutes() {
        let seconds: Vec<u64> = (1..=12).map(|n| ceiling(n).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        assert_eq!(ceiling(i16::MAX), CAP);
    }

    #[test]
    fn a_wait_is_within_its_ceiling_and_never_before_retry_after() {
        for failures in 1..20 {
            assert!(draw(failures, None) <= ceiling(failures));
            assert!(draw(failures, Some(Duration::from_secs(1000))) >= Duration::from_secs(1000));
        }
    }
}
