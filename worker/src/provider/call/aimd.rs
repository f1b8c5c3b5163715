//! How many calls of a model this worker has under way: one more with each window that went well, half after a 429, a little
//! less when first tokens come much later than they did, and from one up after an outage. Of this process alone: what all
//! workers together may do is the limit's.

use std::time::{Duration, Instant};

/// Below this nobody is slow, whatever it was before.
const SLOW: Duration = Duration::from_secs(1);
/// So many times the usual is slow.
const TIMES: u32 = 3;
/// Faults of calls that were under way together are one.
const REST: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Aimd {
    window: f64,
    most: f64,
    under_way: u32,
    /// Doubles with each round until something stands against it.
    starting: bool,
    last_cut: Option<Instant>,
    usual: Option<Duration>,
    /// How long a call takes, smoothed.
    pub(super) takes: Duration,
}

impl Aimd {
    pub(super) fn new(most: u32) -> Self {
        let most = f64::from(most.max(1));
        let takes = Duration::from_secs(1);
        Self { window: most, most, under_way: 0, starting: false, last_cut: None, usual: None, takes }
    }

    /// Takes a place, if there is one. Who isn't waited for in person leaves one of eight, where there are so many.
    pub(super) fn enter(&mut self, in_person: bool) -> bool {
        let kept = if in_person || self.window < 4.0 { 0.0 } else { (self.window / 8.0).floor().max(1.0) };
        let is_free = f64::from(self.under_way) < (self.window - kept).floor().max(1.0);
        if is_free {
            self.under_way += 1;
        }
        is_free
    }

    /// Takes a place whether there is one or not: a probe.
    pub(super) const fn force(&mut self) {
        self.under_way += 1;
    }

    pub(super) const fn leave(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// An answer came, its first token after so long if that is known.
    pub(super) fn well(&mut self, now: Instant, first_token: Option<Duration>, took: Duration) {
        self.takes = (self.takes * 7 + took) / 8;
        if let Some(first) = first_token {
            let usual = *self.usual.get_or_insert(first);
            // Down at once, up slowly: what is usual is what it can do.
            self.usual = Some(if first < usual { first } else { (usual * 99 + first) / 100 });
            if first > SLOW && first > usual * TIMES {
                self.cut(now, 0.9);
                return;
            }
        }
        // Only who uses the window makes it wider.
        if f64::from(self.under_way) * 2.0 >= self.window {
            self.window = (self.window + if self.starting { 1.0 } else { 1.0 / self.window }).min(self.most);
        }
    }

    /// The provider said 429.
    pub(super) fn limited(&mut self, now: Instant) {
        self.cut(now, 0.5);
    }

    /// The provider is down: what comes after begins with one.
    pub(super) const fn down(&mut self) {
        self.window = 1.0;
        self.starting = true;
    }

    fn cut(&mut self, now: Instant, by: f64) {
        if self.last_cut.is_some_and(|last| now.duration_since(last) < REST) {
            return;
        }
        self.last_cut = Some(now);
        self.starting = false;
        let used = self.window.min(f64::from(self.under_way.max(1)));
        self.window = (used * by).max(1.0);
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and the most")]
    pub(super) fn window(&self) -> u32 {
        self.window as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(aimd: &mut Aimd, now: Instant) -> u32 {
        let mut entered = 0;
        while aimd.enter(true) {
            entered += 1;
        }
        for _ in 0..entered {
            aimd.well(now, Some(Duration::from_millis(100)), Duration::from_millis(300));
            aimd.leave();
        }
        entered
    }

    #[test]
    fn after_an_outage_it_doubles_from_one() {
        let (mut aimd, now) = (Aimd::new(100), Instant::now());
        aimd.down();
        let rounds: Vec<u32> = (0..5).map(|_| round(&mut aimd, now)).collect();
        assert!(rounds[0] == 1 && rounds.is_sorted() && rounds[4] > 6, "{rounds:?}");
        assert!(rounds.windows(2).all(|pair| pair[1] <= pair[0] * 2), "{rounds:?}");
    }

    #[test]
    fn it_never_has_more_than_it_may() {
        let (mut aimd, now) = (Aimd::new(5), Instant::now());
        aimd.down();
        assert!((0..50).all(|_| round(&mut aimd, now) <= 5));
        assert_eq!(round(&mut aimd, now), 5);
    }

    #[test]
    fn a_429_halves_what_was_under_way_once_for_calls_of_the_same_time() {
        let (mut aimd, now) = (Aimd::new(256), Instant::now());
        for _ in 0..20 {
            assert!(aimd.enter(true));
        }
        aimd.limited(now);
        aimd.limited(now);
        assert_eq!(aimd.window(), 10);
        aimd.limited(now + Duration::from_secs(2));
        assert_eq!(aimd.window(), 5);
    }

    #[test]
    fn late_first_tokens_take_some_and_short_ones_none() {
        let (mut aimd, now) = (Aimd::new(10), Instant::now());
        for _ in 0..10 {
            assert!(aimd.enter(true));
        }
        let took = Duration::from_secs(4);
        aimd.well(now, Some(Duration::from_millis(20)), took);
        aimd.well(now, Some(Duration::from_millis(200)), took);
        assert_eq!(aimd.window(), 10, "ten times the usual, but nobody waits for that");
        aimd.well(now, Some(Duration::from_secs(3)), took);
        assert_eq!(aimd.window(), 9);
    }

    #[test]
    fn who_is_waited_for_in_person_finds_a_place_that_others_leave() {
        let mut aimd = Aimd::new(16);
        while aimd.enter(false) {}
        assert!(aimd.enter(true) && aimd.enter(true) && !aimd.enter(true));
    }
}
