//! Pauses, drains, retention and migrations, as an operator types them.

use serde_json::Value;

use super::program::{program, run, said};
use crate::harness::database::TestDatabase;

/// Types a command about this database.
async fn type_in(db: &TestDatabase, words: &[&str]) -> (Option<i32>, Value, String) {
    let output = run(&[words, &["--database-url", &db.url, "-o", "json", "--actor", "dana"]].concat()).await;
    let data = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code(), data, said(&output))
}

#[tokio::test]
async fn a_lane_is_paused_and_resumed_by_its_exit_codes() {
    TestDatabase::run(async |db: &TestDatabase| {
        let pause = ["queue", "pause", "--lane", "bulk", "--reason", "INC-7", "--for", "30m"];
        let (code, data, talk) = type_in(db, &pause).await;
        assert_eq!(
            (code, data["scope"].as_str(), data["key"].as_str()),
            (Some(0), Some("lane"), Some("bulk")),
            "{talk}"
        );
        assert_eq!(data["actor"], "operator:dana");
        let (code, _, talk) = type_in(db, &pause).await;
        assert!(code == Some(5) && talk.contains("INC-7") && talk.contains("fix:"), "{talk}");
        let (code, data, _) = type_in(db, &["queue", "pauses"]).await;
        assert_eq!((code, data.as_array().map(Vec::len)), (Some(0), Some(1)));
        let resume = ["queue", "resume", "--lane", "bulk", "--reason", "over"];
        assert_eq!(type_in(db, &resume).await.0, Some(0));
        assert_eq!(type_in(db, &resume).await.0, Some(5));
        assert_eq!(type_in(db, &["queue", "pauses"]).await.0, Some(3));
        let mut owner = db.owner().await;
        assert_eq!(
            owner.column::<String>("SELECT action FROM audit_log ORDER BY id").await,
            ["lane.pause", "lane.resume"]
        );
    })
    .await;
}

#[tokio::test]
async fn what_can_not_be_paused_is_refused_and_nothing_is_written() {
    TestDatabase::run(async |db: &TestDatabase| {
        let long = "x".repeat(501);
        for (words, exit) in [
            (&["queue", "pause", "--reason", "r"][..], 2),
            (&["queue", "pause", "--lane", "bulk"], 2),
            (&["queue", "pause", "--lane", "express", "--reason", "r"], 2),
            (&["queue", "pause", "--lane", "bulk", "--pipeline", "email", "--reason", "r"], 2),
            (&["queue", "pause", "--lane", "bulk", "--reason", " "], 2),
            (&["queue", "pause", "--lane", "bulk", "--reason", &long], 2),
            (&["queue", "pause", "--lane", "bulk", "--reason", "r", "--for", "0s"], 2),
            (&["queue", "pause", "--lane", "bulk", "--reason", "r", "--for", "400d"], 2),
            (&["queue", "pause", "--pipeline", "'; DROP TABLE pauses", "--reason", "r"], 3),
            (&["queue", "pause", "--org", "nobody", "--reason", "r"], 3),
            (&["queue", "pause", "--provider", "nobody", "--reason", "r"], 3),
            (&["workers", "drain", "--reason", "r"], 2),
            (&["workers", "drain", "--all"], 2),
            (&["workers", "drain", "--all", "--reason", "r"], 2),
            (&["workers", "drain", "--all", "--reason", "r", "-y"], 3),
            (&["prune", "--table", "clients"], 2),
            (&["migrate", "up", "--lock-timeout", "soon"], 2),
        ] {
            let (code, _, talk) = type_in(db, words).await;
            assert_eq!(code, Some(exit), "{words:?}: {talk}");
        }
        let written = "SELECT (SELECT count(*) FROM pauses) + (SELECT count(*) FROM audit_log)";
        assert_eq!(db.owner().await.value::<i64>(written).await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_does_not_end_is_exit_124_and_one_that_is_gone_is_not_waited_for() {
    TestDatabase::run(async |db: &TestDatabase| {
        let mut owner = db.owner().await;
        owner
            .run("INSERT INTO workers (id, host, pid, version, slots, lease_until) VALUES (gen_random_uuid(), 'h', 1, '0', 1, now() + interval '1 hour')")
            .await;
        let drain = ["workers", "drain", "--all", "-y", "--timeout", "500ms", "--reason", "deploy"];
        let (code, data, talk) = type_in(db, &drain).await;
        assert_eq!((code, data[0]["state"].as_str()), (Some(124), Some("draining")), "{talk}");
        assert!(owner.value::<bool>("SELECT draining FROM workers").await);
        owner.run("UPDATE workers SET lease_until = now() - interval '1 second'").await;
        let id: String = owner.value("SELECT id::text FROM workers").await;
        let (code, data, _) = type_in(db, &["workers", "drain", &id, "--reason", "deploy"]).await;
        assert_eq!((code, data[0]["state"].as_str()), (Some(0), Some("gone")));
    })
    .await;
}

#[tokio::test]
async fn prune_says_what_would_go_and_then_takes_it_once() {
    TestDatabase::run(async |db: &TestDatabase| {
        let mut owner = db.owner().await;
        owner
            .run("INSERT INTO audit_log (id, actor, action, target_type, target_id)
                  SELECT uuid_at(now() - n * interval '100 days'), 'operator:x', 'x', 'x', 'x' FROM generate_series(1, 5) n")
            .await;
        let gone = |data: &Value, table: &str| {
            let lines = data.as_array().cloned().unwrap_or_default();
            lines.iter().find(|line| line["table"] == table).map(|line| line["gone"].clone())
        };
        let (code, data, talk) = type_in(db, &["prune", "--dry-run"]).await;
        assert_eq!((code, gone(&data, "audit_log")), (Some(0), Some(2.into())), "{talk}");
        assert_eq!(gone(&data, "pipeline_runs"), Some(0.into()));
        assert_eq!(owner.value::<i64>("SELECT count(*) FROM audit_log").await, 5);
        let prune = ["prune", "--table", "audit_log"];
        assert_eq!(gone(&type_in(db, &prune).await.1, "audit_log"), Some(2.into()));
        assert_eq!(gone(&type_in(db, &prune).await.1, "audit_log"), Some(0.into()));
        let told = "SELECT actor || ' ' || target_id || ' ' || (details->>'gone') FROM audit_log WHERE action = 'retention.prune'";
        assert_eq!(owner.column::<String>(told).await, ["operator:dana audit_log 2"]);
    })
    .await;
}

#[tokio::test]
async fn a_program_refuses_an_older_schema_and_works_on_a_newer_one() {
    TestDatabase::run(async |db: &TestDatabase| {
        let mut owner = db.owner().await;
        owner
            .run("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (99990101000000, 'of tomorrow', true, '', 1)")
            .await;
        let (code, data, talk) = type_in(db, &["migrate", "status"]).await;
        assert_eq!((code, data["missing"].as_i64()), (Some(0), Some(0)), "{talk}");
        assert_eq!(data["newer"][0]["description"], "of tomorrow");
        assert_eq!(type_in(db, &["migrate", "check"]).await.0, Some(0));
        assert_eq!(type_in(db, &["migrate"]).await.0, Some(0), "there is nothing for it to do");

        owner.run("DELETE FROM _sqlx_migrations WHERE version = 20261124121600").await;
        for words in [&["migrate", "status"][..], &["migrate", "check"]] {
            let (code, data, _) = type_in(db, words).await;
            assert_eq!((code, data["pending"][0]["version"].as_i64()), (Some(1), Some(20_261_124_121_600)));
        }
        let (code, data, _) = type_in(db, &["migrate", "up", "--dry-run"]).await;
        assert_eq!((code, data["missing"].as_i64()), (Some(0), Some(1)));
        for part in ["api", "worker"] {
            let mut command = program(&[part, "--database-url", &db.url]);
            let output = command.env("ALLOW_UNSAFE_DATABASE", "true").env("JWKS_URL", "http://127.0.0.1:9/jwks").env("JWT_ISSUERS", "x").output().await.expect("it ends");
            assert_eq!(output.status.code(), Some(1), "{part}: {}", said(&output));
            assert!(said(&output).contains("NOT_READY") && said(&output).contains("fix: hellosales migrate"), "{}", said(&output));
        }
    })
    .await;
}

#[tokio::test]
async fn a_migration_that_waits_for_a_lock_gives_up_and_is_undone() {
    TestDatabase::run_unchecked(async |db: &TestDatabase| {
        let mut owner = db.owner().await;
        owner
            .run(
                "DELETE FROM _sqlx_migrations WHERE version = 20261124121600; DROP FUNCTION a_worker_knows;
                  ALTER TABLE workers DROP COLUMN kinds, DROP COLUMN drained",
            )
            .await;
        owner.run("BEGIN; LOCK TABLE workers").await;
        let (code, _, talk) = type_in(db, &["migrate", "up", "--lock-timeout", "200ms"]).await;
        assert!(code == Some(1) && talk.contains("--lock-timeout"), "{talk}");
        owner.run("ROLLBACK").await;
        let (code, data, talk) = type_in(db, &["migrate", "up"]).await;
        assert_eq!((code, data["applied"].as_i64()), (Some(0), Some(1)), "{talk}");
        assert_eq!(type_in(db, &["migrate", "status"]).await.0, Some(0));
    })
    .await;
}
