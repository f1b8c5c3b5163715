//! Automatic redrive: which classes of errors are tried again by themselves, and how long after.

use std::time::Duration;

use crate::error::ErrorCode;

/// A letter that has been redriven this often stays.
pub const MAX_RETRIES: i32 = 3;

const CODES: usize = ErrorCode::ALL.len();

/// What is redriven by itself. Nothing, if nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Automatic {
    /// By the code's place, in seconds; 0: never.
    delays: [u32; CODES],
}

impl Default for Automatic {
    fn default() -> Self {
        Self { delays: [0; CODES] }
    }
}

impl Automatic {
    /// And this code, after this long, and after twice that with each life of the run.
    #[must_use]
    pub fn with(mut self, code: ErrorCode, delay: Duration) -> Self {
        if let Some(slot) = self.delays.get_mut(code as usize) {
            *slot = u32::try_from(delay.as_secs()).unwrap_or(u32::MAX).max(1);
        }
        self
    }

    /// How long after a death of this cause its run is redriven first; `None`: never.
    #[must_use]
    pub fn delay(&self, code: ErrorCode) -> Option<Duration> {
        let seconds = self.delays.get(code as usize).copied().filter(|seconds| *seconds > 0)?;
        Some(Duration::from_secs(u64::from(seconds)))
    }

    pub(crate) fn delay_ms(&self, code: ErrorCode) -> Option<i64> {
        self.delay(code).map(|delay| i64::try_from(delay.as_millis()).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_named_is_redriven() {
        let some = Automatic::default().with(ErrorCode::ProviderTimeout, Duration::from_secs(60));
        assert_eq!(some.delay(ErrorCode::ProviderTimeout), Some(Duration::from_secs(60)));
        for code in ErrorCode::ALL.iter().filter(|code| **code != ErrorCode::ProviderTimeout) {
            assert_eq!(some.delay(*code), None);
        }
    }
}
