//! What counts as sound of what was found, and the fix of what doesn't.

use hellosales_core::database::health::{Health, OLDEST_VERSION};
use serde::Serialize;

use crate::duration;

/// A clock that is further off than this makes `Retry-After`, tokens and logs lie.
const SKEW_MS: u64 = 1_000;
const OLD_SNAPSHOT_S: i64 = 600;

/// One look at one thing.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    pub(super) check: &'static str,
    pub(super) ok: bool,
    pub(super) found: String,
    pub(super) fix: Option<String>,
}

impl Finding {
    /// Wrong is what is named; else it is fine.
    pub(super) fn new(check: &'static str, wrong: &[String], fine: impl Into<String>, fix: &str) -> Self {
        let ok = wrong.is_empty();
        let found = if ok { fine.into() } else { wrong.join(", ") };
        Self { check, ok, found, fix: (!ok).then(|| fix.to_owned()) }
    }
}

/// Everything about the database.
pub(super) fn database(look: &Health) -> Vec<Finding> {
    let one = |wrong: bool, text: String| if wrong { vec![text] } else { Vec::new() };
    let version = format!("PostgreSQL {}", look.version);
    let off: Vec<String> = look.unsafe_settings.iter().map(|name| format!("{name} off")).collect();
    let missing = look.migrations_known.saturating_sub(look.migrations_applied);
    vec![
        Finding::new(
            "server",
            &one(look.version < OLDEST_VERSION, version.clone()),
            version,
            "upgrade it to 15 or newer",
        ),
        Finding::new(
            "durability",
            &off,
            "fsync, full_page_writes, synchronous_commit on",
            "turn them on in postgresql.conf",
        ),
        Finding::new(
            "migrations",
            &one(missing > 0, format!("{missing} of {} missing", look.migrations_known)),
            format!("{} applied", look.migrations_applied),
            "hellosales migrate",
        ),
        Finding::new(
            "roles",
            &look.missing_roles,
            "all there, none above the rules",
            "hellosales migrate, as a login that may create roles",
        ),
        Finding::new(
            "row-level security",
            &look.open_tables,
            "forced on every organisation's table",
            "ALTER TABLE … FORCE ROW LEVEL SECURITY",
        ),
    ]
    .into_iter()
    .chain(load(look))
    .collect()
}

/// What the server carries.
fn load(look: &Health) -> Vec<Finding> {
    let one = |wrong: bool, text: String| if wrong { vec![text] } else { Vec::new() };
    let in_use = format!("{} of {} in use", look.connections, look.max_connections);
    let off: Vec<String> = look.vacuum_off.iter().map(|name| format!("{name} off")).collect();
    let age = duration::tell(look.oldest_snapshot_s.saturating_mul(1_000));
    let skew = duration::tell(look.clock_skew_ms);
    vec![
        Finding::new(
            "connections",
            &one(look.connections * 10 > look.max_connections * 9, in_use.clone()),
            in_use,
            "raise max_connections, or run fewer processes",
        ),
        Finding::new(
            "pools",
            &one(
                look.max_connections < POOLS,
                format!(
                    "max_connections {} is less than one api and one worker may take ({POOLS})",
                    look.max_connections
                ),
            ),
            format!("an api and a worker may take {POOLS} of {}", look.max_connections),
            "raise max_connections to at least 25 for each process, and some for people",
        ),
        Finding::new("vacuum", &off, "autovacuum on", "turn them on: without them the queue's tables grow without end"),
        Finding::new(
            "snapshots",
            &one(look.oldest_snapshot_s > OLD_SNAPSHOT_S, format!("the oldest is {age} old")),
            format!("the oldest is {age} old"),
            "end whoever holds it: docs/operations/bloat.md",
        ),
        Finding::new(
            "idle transactions",
            &one(look.idle_in_transaction > 0, format!("{} sessions idle in one", look.idle_in_transaction)),
            "none",
            "find them: SELECT pid, application_name FROM pg_stat_activity WHERE state LIKE 'idle in%'",
        ),
        Finding::new(
            "clock",
            &one(look.clock_skew_ms.unsigned_abs() > SKEW_MS, format!("this machine is {skew} ahead of the database")),
            format!("{skew} apart"),
            "let both be set by NTP; the database's decides, and this one's stands in logs and in what tokens are held against",
        ),
    ]
}

/// Two pools of ten, a listener, a beat and a sender each, of one api and one worker.
const POOLS: i64 = 50;

#[cfg(test)]
mod tests {
    use super::*;

    fn healthy() -> Health {
        Health {
            version: 15,
            unsafe_settings: Vec::new(),
            migrations_applied: 6,
            migrations_known: 6,
            missing_roles: Vec::new(),
            open_tables: Vec::new(),
            connections: 20,
            max_connections: 100,
            vacuum_off: Vec::new(),
            idle_in_transaction: 0,
            oldest_snapshot_s: 3,
            clock_skew_ms: -40,
        }
    }

    #[test]
    fn a_healthy_database_passes_and_each_fault_is_found_with_its_fix() {
        assert!(database(&healthy()).iter().all(|finding| finding.ok && finding.fix.is_none()));
        let faults: [fn(&mut Health); 12] = [
            |health| health.version = 14,
            |health| health.unsafe_settings.push("fsync".to_owned()),
            |health| health.migrations_applied = 5,
            |health| health.missing_roles.push("hellosales_api".to_owned()),
            |health| health.open_tables.push("clients".to_owned()),
            |health| health.connections = 99,
            |health| health.max_connections = 49,
            |health| health.vacuum_off.push("autovacuum".to_owned()),
            |health| health.idle_in_transaction = 1,
            |health| health.oldest_snapshot_s = 601,
            |health| health.clock_skew_ms = 1_001,
            |health| health.clock_skew_ms = -1_001,
        ];
        for fault in faults {
            let mut health = healthy();
            fault(&mut health);
            let wrong: Vec<_> = database(&health).into_iter().filter(|finding| !finding.ok).collect();
            assert!(matches!(&*wrong, [Finding { fix: Some(_), .. }]), "{health:?}");
        }
    }
}
