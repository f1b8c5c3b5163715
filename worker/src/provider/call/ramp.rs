//! When those who waited come back: a few at first, then twice as many every five seconds.

use std::time::Duration;

const DOUBLES_S: f64 = 5.0;
/// In the first second.
const FIRST: f64 = 5.0;

/// How long after the time for which all waited the one comes who is the `n`th in line.
#[expect(clippy::cast_precision_loss, reason = "nobody counts so far")]
pub(super) fn slot(n: u64) -> Duration {
    // Until t so many have come: FIRST * DOUBLES / ln 2 * (2^(t / DOUBLES) - 1). That, turned around.
    let seconds = DOUBLES_S * (1.0 + n as f64 * std::f64::consts::LN_2 / (FIRST * DOUBLES_S)).log2();
    Duration::from_secs_f64(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_come_at_first_and_two_thousand_within_half_a_minute() {
        let within = |from: u64, to: u64| (0..2_000).filter(|&n| (from..to).contains(&slot(n).as_secs())).count();
        assert_eq!(slot(0), Duration::ZERO);
        assert!((4..=7).contains(&within(0, 1)), "{}", within(0, 1));
        assert!(within(5, 6) >= within(0, 1) && within(20, 21) > 4 * within(5, 6));
        assert!(slot(2_000) < Duration::from_secs(30), "{:?}", slot(2_000));
        assert!((0..1_999).all(|n| slot(n) < slot(n + 1)));
    }
}
