//! The generic cell rate algorithm, so that no window of a minute has more than its limit. Pure arithmetic.

use std::time::Duration;

/// What was allowed may be sent so much later: a block is good for a second, and a call takes a moment to leave.
const SLACK_US: f64 = 2_000_000.0;
const MINUTE_US: f64 = 60_000_000.0;
const SECOND_US: f64 = 1_000_000.0;

/// So much of something a minute, so much of it at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rate {
    /// Between two, in microseconds.
    interval: f64,
    burst: f64,
}

/// What came of asking.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Drawing {
    /// So many, and the limit is so many microseconds ahead of the clock.
    Took { count: u32, ahead: i64 },
    /// None before so much time.
    Wait(Duration),
}

impl Rate {
    /// `burst` at once and one each interval are at most `per_minute` in any minute: a window has the burst and what the
    /// intervals bring.
    pub(super) fn new(per_minute: i32, burst: Option<i32>) -> Self {
        let limit = f64::from(per_minute.max(1));
        let burst = burst.map_or(limit / 10.0, f64::from).floor().clamp(1.0, (limit / 2.0).max(1.0));
        // A hair more than exact, so that a window's border holds one less.
        let interval = (MINUTE_US + SLACK_US) * 1.000_001 / (limit - burst + 1.0);
        Self { interval, burst }
    }

    pub(super) const fn interval_us(self) -> f64 {
        self.interval
    }

    /// Takes what is needed, and beyond it up to what a second brings. More than the burst is had when nothing else was
    /// drawn, and paid by those who come later. Who yields leaves a quarter of the burst.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded to 0 and some minutes")]
    #[expect(clippy::cast_precision_loss, reason = "microseconds of some minutes")]
    pub(super) fn draw(self, ahead_us: i64, need: u32, yields: bool) -> Drawing {
        let ahead = ahead_us.max(0) as f64;
        let need = f64::from(need);
        let left = if yields { (self.burst / 4.0).floor() } else { 0.0 };
        let room = self.interval * (self.burst - left);
        // `need` fits when what is ahead and it are within the room; what never fits needs all of it.
        let over = ahead + self.interval * need.min(self.burst - left) - room;
        if over > 0.5 {
            return Drawing::Wait(Duration::from_micros(over.ceil() as u64));
        }
        let spare = ((room - ahead) / self.interval - need).floor().max(0.0);
        let a_second = (SECOND_US / self.interval).floor();
        let count = need + spare.min((a_second - need).max(0.0));
        Drawing::Took { count: count as u32, ahead: (ahead + self.interval * count).ceil() as i64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Draws for so long whenever there is something to be had; when each was taken.
    fn greedy(rate: Rate, seconds: i64, yields: bool) -> Vec<i64> {
        let (mut now, mut tat) = (0, 0);
        let mut taken = Vec::new();
        while now < seconds * 1_000_000 {
            match rate.draw(tat - now, 1, yields) {
                Drawing::Took { count, ahead } => {
                    taken.extend(std::iter::repeat_n(now, count as usize));
                    tat = now + ahead;
                }
                Drawing::Wait(wait) => now += i64::try_from(wait.as_micros()).unwrap().max(1),
            }
        }
        taken
    }

    #[test]
    fn no_window_of_a_minute_has_more_than_its_limit_even_if_all_is_sent_late() {
        for (limit, burst) in [(1, None), (2, None), (7, None), (30, None), (30, Some(30)), (600, None), (600, Some(1))]
        {
            let taken = greedy(Rate::new(limit, burst), 300, false);
            for (n, &first) in taken.iter().enumerate() {
                let within = taken[n..].iter().take_while(|&&at| at <= first + 62_000_000).count();
                assert!(within <= usize::try_from(limit).unwrap(), "{limit} {burst:?}: {within}");
            }
            let most = f64::from(limit) * 5.0;
            let had = f64::from(u32::try_from(taken.len()).unwrap());
            assert!(had > most * 0.4, "{limit} {burst:?}: {had} of {most} are had");
        }
    }

    #[test]
    fn a_wait_is_exact() {
        let rate = Rate::new(30, Some(1));
        let Drawing::Took { count: 1, ahead } = rate.draw(0, 1, false) else { panic!("a fresh limit") };
        let Drawing::Wait(wait) = rate.draw(ahead, 1, false) else { panic!("the burst is taken") };
        let later = ahead - i64::try_from(wait.as_micros()).unwrap();
        assert!(matches!(rate.draw(later, 1, false), Drawing::Took { .. }));
        assert!(matches!(rate.draw(later + 10, 1, false), Drawing::Wait(_)), "and not sooner");
    }

    #[test]
    fn a_block_is_at_most_what_a_second_brings_and_at_least_what_is_needed() {
        let rate = Rate::new(6_000, None);
        let Drawing::Took { count, .. } = rate.draw(0, 1, false) else { panic!("a fresh limit") };
        assert!((80..=100).contains(&count), "{count}");
        let Drawing::Took { count, .. } = rate.draw(0, 500, false) else { panic!("within the burst") };
        assert_eq!(count, 500);
    }

    #[test]
    fn more_than_the_burst_is_had_once_and_paid_later() {
        let rate = Rate::new(6_000, Some(100));
        let Drawing::Took { count: 2_000, ahead } = rate.draw(0, 2_000, false) else { panic!("nothing was drawn") };
        let Drawing::Wait(wait) = rate.draw(ahead, 1, false) else { panic!("it is owed") };
        assert!(wait > Duration::from_secs(18), "{wait:?}");
    }

    #[test]
    fn who_yields_leaves_something_for_who_waits_in_person() {
        let rate = Rate::new(600, Some(60));
        let mut ahead = 0;
        while let Drawing::Took { ahead: now, .. } = rate.draw(ahead, 1, true) {
            ahead = now;
        }
        let Drawing::Took { count, .. } = rate.draw(ahead, 1, false) else { panic!("a quarter is left") };
        assert!(count >= 1);
    }
}
