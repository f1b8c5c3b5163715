//! Times that were taken, and what can be said of them.

use std::time::Duration;

/// Times, in any order.
#[derive(Debug, Clone, Default)]
pub(super) struct Times {
    taken: Vec<Duration>,
}

impl Times {
    /// One more.
    pub(super) fn add(&mut self, time: Duration) {
        self.taken.push(time);
    }

    /// How many there are.
    pub(super) const fn count(&self) -> usize {
        self.taken.len()
    }

    /// The time that so many in a hundred don't exceed; zero if there are none.
    pub(super) fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.taken.clone();
        sorted.sort_unstable();
        let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
        sorted.get(place).copied().unwrap_or_default()
    }
}

/// Milliseconds, with their fraction.
pub(super) fn milliseconds(time: Duration) -> f64 {
    ratio(time, Duration::from_millis(1))
}

/// How many times one goes into the other; zero if it is nothing.
pub(super) fn ratio(time: Duration, by: Duration) -> f64 {
    if by.is_zero() { 0.0 } else { rounded(time.div_duration_f64(by)) }
}

/// Three places are all that a measurement has.
fn rounded(value: f64) -> f64 {
    format!("{value:.3}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_taken() {
        let mut times = Times::default();
        assert_eq!((times.count(), times.percentile(50)), (0, Duration::ZERO));
        for ms in [5, 1, 4, 2, 3] {
            times.add(Duration::from_millis(ms));
        }
        let at = |percent| times.percentile(percent).as_millis();
        assert_eq!((at(1), at(50), at(99), at(100)), (1, 3, 5, 5));
    }

    #[test]
    fn a_ratio_to_nothing_is_nothing() {
        assert_eq!(ratio(Duration::from_secs(1), Duration::from_secs(3)).to_string(), "0.333");
        assert_eq!(ratio(Duration::from_secs(1), Duration::ZERO).to_string(), "0");
        assert_eq!(milliseconds(Duration::from_micros(1500)).to_string(), "1.5");
    }
}
