//! What counts as wrong, and what to type then.

use hellosales_core::breaker::Breaker;
use hellosales_core::database::health::Load;
use hellosales_core::pulse::queue_stats::QueueLine;
use hellosales_core::pulse::status::Status;
use serde::Serialize;

use super::ApiReady;
use crate::bulk::thousands;
use crate::duration;

/// The oldest that is ready has waited no longer than this, by lane: else somebody should look.
const TARGETS_MS: [(&str, i64); 3] = [("interactive", 5_000), ("standard", 60_000), ("bulk", 900_000)];
/// So many lost steps in ten minutes are one worker that died; more is something that kills them.
const CRASHES: i64 = 10;
const OLD_SNAPSHOT_S: i64 = 600;

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// Where: a lane, a provider, `workers`.
    pub(super) what: String,
    /// What is there to be seen.
    pub(super) found: String,
    /// The next command.
    pub(super) next: String,
}

fn finding(what: impl Into<String>, found: impl Into<String>, next: impl Into<String>) -> Finding {
    Finding { what: what.into(), found: found.into(), next: next.into() }
}

/// All that is wrong, the most urgent first.
pub(super) fn of(status: &Status, load: &Load, api: ApiReady) -> Vec<Finding> {
    let mut all = Vec::new();
    all.extend(schema(load));
    all.extend(workers(status));
    all.extend(versions(status));
    let waits = status.delays.iter().find(|delay| delay.reason == "provider_down").map_or(0, |delay| delay.steps);
    all.extend(status.breakers.iter().map(|one| breaker(one, waits)));
    all.extend(status.lanes.iter().filter_map(lane));
    all.extend(letters(status));
    all.extend(budget(status));
    all.extend(status.pauses.iter().map(|pause| {
        let until = pause.until.map(|until| format!(" until {}", until.format("%H:%M:%SZ"))).unwrap_or_default();
        let found = format!("{} {} stands still{until}: {} ({})", pause.scope, pause.key, pause.reason, pause.actor);
        finding("pause", found, format!("hellosales queue resume --{} {} --reason …", pause.scope, pause.key))
    }));
    if status.batches_waiting > 0 {
        let found = format!("{} paused by the system: a budget is spent", status.batches_waiting);
        all.push(finding("batches", found, "hellosales batch list --status paused"));
    }
    all.extend(database(load));
    if api == Some(false) {
        all.push(finding("api", "not ready", "hellosales doctor"));
    }
    all
}

fn schema(load: &Load) -> Option<Finding> {
    let missing = load.migrations_missing;
    (missing > 0).then(|| finding("schema", format!("{missing} migrations are missing"), "hellosales migrate up"))
}

fn workers(status: &Status) -> Vec<Finding> {
    let workers = status.workers;
    let mut all = Vec::new();
    if workers.beating == 0 {
        all.push(finding("workers", "none is beating: nothing is worked on", "hellosales workers list"));
    } else if workers.beating == workers.draining {
        all.push(finding("workers", "all are draining: nothing new is begun", "hellosales workers list"));
    }
    if workers.stale > 0 {
        let found =
            format!("{} of {} silent for longer than their lease", workers.stale, workers.beating + workers.stale);
        all.push(finding("workers", found, "hellosales workers list --stale"));
    }
    if status.crashes > CRASHES {
        let found = format!("{} steps lost their worker within 10m", thousands(status.crashes));
        all.push(finding("crashes", found, "hellosales steps list --state ready,running -o wide"));
    }
    all
}

/// With no worker at all this has been said.
fn versions(status: &Status) -> Vec<Finding> {
    if status.workers.beating == status.workers.draining {
        return Vec::new();
    }
    let all = status.unknown.iter().map(|unknown| {
        let pipeline = unknown.version.split_once('@').map_or(unknown.version.as_str(), |(pipeline, _)| pipeline);
        let found =
            format!("{} steps of {} are ready, and no worker knows it", thousands(unknown.steps), unknown.version);
        finding("no worker", found, format!("hellosales steps list --state ready --pipeline {pipeline}"))
    });
    all.collect()
}

fn breaker(breaker: &Breaker, waits: i64) -> Finding {
    let name = format!("{}/{}", breaker.provider, breaker.model);
    let why = breaker.reason.as_deref().or(breaker.actor.as_deref()).map(|why| format!(" ({why})")).unwrap_or_default();
    let probe = match (breaker.status.as_str(), breaker.until) {
        ("probing", _) => ", a probe is under way".to_owned(),
        (_, Some(until)) => format!(", next probe at {}", until.format("%H:%M:%SZ")),
        (_, None) => ", until it is reset".to_owned(),
    };
    let since = breaker.opened_at.map(|at| format!(" since {}", at.format("%H:%M:%SZ"))).unwrap_or_default();
    let found = format!("{name}  breaker OPEN{since}{why}, {} steps wait{probe}", thousands(waits));
    finding("provider", found, format!("hellosales providers test {} --model {}", breaker.provider, breaker.model))
}

fn lane(line: &QueueLine) -> Option<Finding> {
    let lane = line.lane.as_deref()?;
    let (_, target) = TARGETS_MS.iter().find(|(name, _)| *name == lane)?;
    let oldest = line.oldest_ms.filter(|oldest| oldest > target)?;
    let (oldest, target) = (duration::tell(oldest), duration::tell(*target));
    let found = format!("ready {}  oldest {oldest} (target {target})", thousands(line.ready));
    Some(finding(lane, found, "hellosales queue stats --by lane,org"))
}

fn letters(status: &Status) -> Option<Finding> {
    let all: i64 = status.causes.iter().map(|cause| cause.letters).sum();
    let first = status.causes.first()?;
    let stage = first.stage.as_deref().map(|stage| format!(" at {stage}")).unwrap_or_default();
    let share = if first.letters == all { "all of".to_owned() } else { format!("{} of", thousands(first.letters)) };
    let found = format!("{} new in 1h, {share} one cause: {}{stage}", thousands(all), first.error_code);
    Some(finding("dead letters", found, "hellosales dlq summary --since 1h"))
}

fn budget(status: &Status) -> Option<Finding> {
    let delay = status.delays.iter().find(|delay| delay.reason == "budget")?;
    let at = delay.next_at.format("%H:%M:%SZ");
    let found = format!("{} steps wait for their organisation's budget, the first until {at}", thousands(delay.steps));
    Some(finding("budgets", found, "hellosales budgets list"))
}

fn database(load: &Load) -> Vec<Finding> {
    let mut all = Vec::new();
    if load.connections * 10 > load.max_connections * 9 {
        let found = format!("{} of {} connections in use", load.connections, load.max_connections);
        all.push(finding("database", found, "hellosales doctor"));
    }
    if load.oldest_snapshot_s > OLD_SNAPSHOT_S {
        let age = duration::tell(load.oldest_snapshot_s.saturating_mul(1_000));
        all.push(finding("database", format!("a snapshot is held for {age}: dead rows pile up"), "hellosales doctor"));
    }
    all
}

#[cfg(test)]
mod tests {
    use hellosales_core::pulse::status::{Cause, Delay, Unknown, Workers};

    use super::*;

    fn healthy() -> (Status, Load) {
        let workers = Workers { beating: 4, draining: 0, stale: 0, slots: 256, running: 3 };
        let lanes = TARGETS_MS.map(|(lane, _)| QueueLine { lane: Some(lane.to_owned()), ..QueueLine::default() });
        let status = Status {
            workers,
            lanes: lanes.to_vec(),
            breakers: Vec::new(),
            delays: Vec::new(),
            unknown: Vec::new(),
            causes: Vec::new(),
            pauses: Vec::new(),
            crashes: 0,
            pickup_p95_ms: Some(11),
            batches_waiting: 0,
        };
        (status, Load { connections: 41, max_connections: 100, oldest_snapshot_s: 3, migrations_missing: 0 })
    }

    type Fault = fn(&mut Status, &mut Load);

    #[test]
    fn a_healthy_installation_has_no_finding_and_each_fault_has_its_own() {
        let (status, load) = healthy();
        assert_eq!(of(&status, &load, Some(true)), []);
        let faults: [(Fault, &str); 11] = [
            (|status, _| status.workers.beating = 0, "workers"),
            (|status, _| status.workers.draining = 4, "workers"),
            (|status, _| status.workers.stale = 1, "workers"),
            (|status, _| status.crashes = 11, "crashes"),
            (|status, _| status.lanes[0].oldest_ms = Some(5_001), "interactive"),
            (|status, _| status.lanes[2].oldest_ms = Some(900_001), "bulk"),
            (|status, _| status.unknown.push(Unknown { version: "chat@9".to_owned(), steps: 3 }), "no worker"),
            (|_, load| load.connections = 91, "database"),
            (|_, load| load.oldest_snapshot_s = 601, "database"),
            (|_, load| load.migrations_missing = 1, "schema"),
            (|status, _| status.batches_waiting = 1, "batches"),
        ];
        for (fault, what) in faults {
            let (mut status, mut load) = healthy();
            fault(&mut status, &mut load);
            let found = of(&status, &load, None);
            assert!(matches!(found.as_slice(), [one] if one.what == what), "{what}: {found:?}");
        }
        assert!(matches!(of(&status, &load, Some(false)).as_slice(), [one] if one.what == "api"));
    }

    #[test]
    fn one_cause_of_many_letters_is_named() {
        let (mut status, load) = healthy();
        let cause = |code: &str, letters| Cause { error_code: code.to_owned(), stage: Some("llm".to_owned()), letters };
        status.causes = vec![cause("PROVIDER_INVALID_REQUEST", 34), cause("STAGE_TIMEOUT", 3)];
        let found = of(&status, &load, None);
        assert_eq!(found[0].found, "37 new in 1h, 34 of one cause: PROVIDER_INVALID_REQUEST at llm");
        status.causes.pop();
        assert!(of(&status, &load, None)[0].found.starts_with("34 new in 1h, all of one cause"));
    }

    #[test]
    fn a_spent_budget_says_until_when() {
        let (mut status, load) = healthy();
        let next_at = "2026-11-25T00:00:00Z".parse().unwrap();
        status.delays.push(Delay { reason: "budget".to_owned(), steps: 12, next_at });
        let found = of(&status, &load, None);
        assert!(found[0].found.ends_with("until 00:00:00Z"), "{found:?}");
    }
}
