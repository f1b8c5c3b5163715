//! Every instrument of the queue, named once. Counters of this process, as Prometheus text.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Only goes up.
#[derive(Debug)]
pub struct Counter {
    name: &'static str,
    help: &'static str,
    label: Option<(&'static str, &'static str)>,
    value: AtomicU64,
}

impl Counter {
    const fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, help, label: None, value: AtomicU64::new(0) }
    }

    const fn labelled(name: &'static str, help: &'static str, key: &'static str, value: &'static str) -> Self {
        Self { name, help, label: Some((key, value)), value: AtomicU64::new(0) }
    }

    /// Counts `n` more.
    pub fn add(&self, n: u64) {
        self.value.fetch_add(n, Ordering::Relaxed);
    }

    /// What was counted.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.value.load(Ordering::Relaxed)
    }
}

/// Goes up and down.
#[derive(Debug)]
pub struct Gauge {
    name: &'static str,
    help: &'static str,
    value: AtomicI64,
}

impl Gauge {
    const fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, help, value: AtomicI64::new(0) }
    }

    /// Moves it.
    pub fn add(&self, n: i64) {
        self.value.fetch_add(n, Ordering::Relaxed);
    }

    /// Where it stands.
    #[must_use]
    pub fn get(&self) -> i64 {
        self.value.load(Ordering::Relaxed)
    }
}

/// Steps claimed.
pub static CLAIMED: Counter = Counter::new("hellosales_steps_claimed_total", "Steps claimed");
/// Steps handed over by the settlement of the one before.
pub static HANDED_OVER: Counter =
    Counter::new("hellosales_steps_handed_over_total", "Steps handed over by a settlement");
/// Stages that a worker went on with before it settled the one before.
pub static CARRIED: Counter =
    Counter::new("hellosales_stages_carried_total", "Stages settled together with the one before");
/// Steps that run here.
pub static RUNNING: Gauge = Gauge::new("hellosales_steps_running", "Steps under this worker's lease");
/// Groups of settlements sent to the database.
pub static GROUPS: Counter = Counter::new("hellosales_settlement_groups_total", "Groups of settlements sent");
/// Settlements that found another's token, and wrote nothing.
pub static FENCED: Counter =
    Counter::new("hellosales_settlements_fenced_total", "Settlements that wrote nothing: the token was gone");
/// Settlements tried again because the database did not answer.
pub static UNANSWERED: Counter =
    Counter::new("hellosales_settlements_unanswered_total", "Settlements to be tried again");
/// Held steps that a look at the database did not find.
pub static LOST: Counter = Counter::new("hellosales_steps_lost_total", "Steps that were no longer this worker's");
/// Stages stopped because their lease was lost or their run cancelled.
pub static ABORTED: Counter = Counter::new("hellosales_stages_aborted_total", "Stages stopped in the middle");
/// Steps taken from lost workers.
pub static REAPED: Counter = Counter::new("hellosales_steps_reaped_total", "Steps taken from lost workers");
/// Delayed steps made ready.
pub static PROMOTED: Counter = Counter::new("hellosales_steps_promoted_total", "Delayed steps made ready");
/// Flushes of the stream.
pub static FLUSHES: Counter = Counter::new("hellosales_stream_flushes_total", "Flush statements of the stream");
/// Streams opened anew.
pub static REOPENED: Counter =
    Counter::new("hellosales_streams_reopened_total", "Streams opened anew after a doubtful flush");
/// Beats that failed.
pub static MISSED_BEATS: Counter =
    Counter::new("hellosales_beats_missed_total", "Beats that the database did not take");

const SETTLED: &str = "hellosales_steps_settled_total";
const SETTLED_HELP: &str = "Steps settled, by end";
/// Settled as done.
pub static SETTLED_OK: Counter = Counter::labelled(SETTLED, SETTLED_HELP, "end", "ok");
/// Settled as skipped.
pub static SETTLED_SKIP: Counter = Counter::labelled(SETTLED, SETTLED_HELP, "end", "skip");
/// Settled to be tried again.
pub static SETTLED_RETRY: Counter = Counter::labelled(SETTLED, SETTLED_HELP, "end", "retry");
/// Settled as dead.
pub static SETTLED_FAIL: Counter = Counter::labelled(SETTLED, SETTLED_HELP, "end", "fail");
/// Settled to wait for a limit.
pub static SETTLED_SNOOZE: Counter = Counter::labelled(SETTLED, SETTLED_HELP, "end", "snooze");
/// Settled as the end of their run.
pub static SETTLED_CANCEL: Counter = Counter::labelled(SETTLED, SETTLED_HELP, "end", "cancel");
/// Given back.
pub static SETTLED_GIVE_BACK: Counter = Counter::labelled(SETTLED, SETTLED_HELP, "end", "give_back");

static COUNTERS: [&Counter; 20] = [
    &CLAIMED,
    &HANDED_OVER,
    &CARRIED,
    &GROUPS,
    &FENCED,
    &UNANSWERED,
    &LOST,
    &ABORTED,
    &REAPED,
    &PROMOTED,
    &FLUSHES,
    &REOPENED,
    &MISSED_BEATS,
    &SETTLED_OK,
    &SETTLED_SKIP,
    &SETTLED_RETRY,
    &SETTLED_FAIL,
    &SETTLED_SNOOZE,
    &SETTLED_CANCEL,
    &SETTLED_GIVE_BACK,
];

static GAUGES: [&Gauge; 1] = [&RUNNING];

/// All of them, as Prometheus reads them.
#[must_use]
pub fn render() -> String {
    let mut text = String::new();
    let mut last = "";
    for counter in COUNTERS {
        head(&mut text, &mut last, (counter.name, counter.help, "counter"));
        let label = counter.label.map(|(key, value)| format!("{{{key}=\"{value}\"}}")).unwrap_or_default();
        line(&mut text, &format!("{}{label} {}", counter.name, counter.get()));
    }
    for gauge in GAUGES {
        head(&mut text, &mut last, (gauge.name, gauge.help, "gauge"));
        line(&mut text, &format!("{} {}", gauge.name, gauge.get()));
    }
    text
}

fn head(text: &mut String, last: &mut &'static str, (name, help, kind): (&'static str, &str, &str)) {
    if *last != name {
        line(text, &format!("# HELP {name} {help}\n# TYPE {name} {kind}"));
        *last = name;
    }
}

fn line(text: &mut String, line: &str) {
    // Writing to a String can't fail.
    let _written = writeln!(text, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_has_one_head_and_each_instrument_one_line() {
        SETTLED_OK.add(2);
        let text = render();
        assert_eq!(text.matches("# TYPE hellosales_steps_settled_total counter").count(), 1);
        for counter in COUNTERS {
            let label = counter.label.map(|(key, value)| format!("{{{key}=\"{value}\"}}")).unwrap_or_default();
            assert_eq!(text.matches(&format!("\n{}{label} ", counter.name)).count(), 1, "{}", counter.name);
        }
        assert!(text.contains("\nhellosales_steps_running "));
    }
}
