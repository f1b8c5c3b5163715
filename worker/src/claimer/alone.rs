//! Alone: the lanes where, as the last claims found, nobody waits but those who have their share. There they are given the
//! rest, without being passed over first each time.

use tokio::time::{Duration, Instant};

use crate::slots::Shared;

/// How long that is believed. A wake-up ends it at once: somebody came.
const BELIEVED: Duration = Duration::from_millis(100);

/// What is believed of standard and of bulk.
#[derive(Debug, Default)]
pub(super) struct Alone {
    standard: Belief,
    bulk: Belief,
}

#[derive(Debug, Default, Clone, Copy)]
struct Belief {
    until: Option<Instant>,
    /// Until the claimer rests: several have their share, and what is left is for whoever is first.
    once: bool,
}

impl Alone {
    /// The lanes, standard and bulk, where nobody is passed over now.
    pub(super) fn lanes(&self, now: Instant) -> [bool; 2] {
        [self.standard, self.bulk].map(|belief| belief.once || belief.until.is_some_and(|until| now < until))
    }

    /// In this lane nobody waits but, perhaps, the so many who were passed over.
    pub(super) fn found(&mut self, lane: Shared, passed_over: usize, now: Instant) {
        let belief = match lane {
            Shared::Standard => &mut self.standard,
            Shared::Bulk => &mut self.bulk,
        };
        belief.once = true;
        belief.until = (passed_over == 1).then(|| now + BELIEVED);
    }

    /// The claimer rests: what it finds then is another day's.
    pub(super) fn rests(&mut self) {
        self.standard.once = false;
        self.bulk.once = false;
    }

    /// Somebody came.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_alone_is_believed_to_be_for_a_moment_or_until_somebody_comes() {
        let now = Instant::now();
        let mut alone = Alone::default();
        assert_eq!(alone.lanes(now), [false, false]);
        alone.found(Shared::Bulk, 1, now);
        alone.rests();
        assert_eq!(alone.lanes(now), [false, true]);
        assert_eq!(alone.lanes(now + BELIEVED), [false, false]);
        alone.forget();
        assert_eq!(alone.lanes(now), [false, false]);
    }

    #[test]
    fn several_are_passed_over_again_after_a_rest() {
        let now = Instant::now();
        let mut alone = Alone::default();
        alone.found(Shared::Standard, 2, now);
        assert_eq!(alone.lanes(now + BELIEVED), [true, false], "for what is left now");
        alone.rests();
        assert_eq!(alone.lanes(now), [false, false]);
    }
}
