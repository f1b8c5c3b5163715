//! What stops runs and takes steps back: asked, reasoned, audited, and once.

use serde_json::Value;

use super::{json, out, plant, run};
use crate::cli::program::said;
use crate::harness::database::TestDatabase;

async fn id(db: &TestDatabase, rank: i64) -> String {
    db.owner().await.value::<String>(&format!("SELECT id::text FROM pipeline_runs WHERE fair_rank = {rank}")).await
}

async fn audited(db: &TestDatabase) -> Vec<Value> {
    json(&run(db, &["audit", "list", "-o", "json"]).await).as_array().expect("a list").clone()
}

#[tokio::test]
async fn a_cancel_needs_a_reason_and_a_yes_and_is_audited_once() {
    TestDatabase::run_unchecked(async |db| {
        plant(db).await;
        let (queued, failed, other) = (id(db, 0).await, id(db, 2).await, id(db, 4).await);
        assert_eq!(run(db, &["runs", "cancel", &queued, "-y"]).await.status.code(), Some(2), "no reason");
        let unasked = run(db, &["runs", "cancel", &queued, "--reason", "INC-1"]).await;
        assert_eq!(unasked.status.code(), Some(2), "nobody is there to say yes");
        assert!(said(&unasked).contains("-y"), "{}", said(&unasked));
        assert_eq!(run(db, &["runs", "cancel", &queued, "-y", "--reason", " "]).await.status.code(), Some(2));
        assert!(audited(db).await.is_empty());

        let done = run(db, &["runs", "cancel", &queued, "-y", "--reason", "INC-1", "-o", "json"]).await;
        assert_eq!((done.status.code(), &json(&done)["cancelled"]), (Some(0), &true.into()), "{}", said(&done));
        let again = run(db, &["runs", "cancel", &queued, "-y", "--reason", "INC-1"]).await;
        assert_eq!(again.status.code(), Some(0), "{}", said(&again));
        assert!(out(&again).contains("was cancelled before"));
        let ended = run(db, &["runs", "cancel", &failed, "-y", "--reason", "INC-1"]).await;
        assert_eq!(ended.status.code(), Some(5), "{}", said(&ended));
        let some = run(db, &["runs", "cancel", &failed, &other, "-y", "--reason", "INC-1"]).await;
        assert_eq!(some.status.code(), Some(4), "{}", said(&some));
        assert_eq!(run(db, &["runs", "cancel", "00000000", "-y", "--reason", "x"]).await.status.code(), Some(3));

        let entries = audited(db).await;
        assert_eq!(entries.len(), 2, "{entries:?}");
        for entry in &entries {
            assert_eq!((&entry["actor"], &entry["action"]), (&"operator:dana".into(), &"run.cancel".into()));
            assert_eq!(entry["reason"], "INC-1");
        }
        let shown = run(db, &["runs", "show", &queued, "-o", "json"]).await;
        assert_eq!(
            (&json(&shown)["status"], &json(&shown)["status_reason"]),
            (&"cancelled".into(), &"operator".into())
        );
    })
    .await;
}

#[tokio::test]
async fn two_operators_who_cancel_the_same_run_at_once_leave_one_entry() {
    TestDatabase::run_unchecked(async |db| {
        plant(db).await;
        let queued = id(db, 0).await;
        let args = ["runs", "cancel", &queued, "-y", "--reason", "INC-2"];
        let (a, b) = tokio::join!(run(db, &args), run(db, &args));
        assert_eq!((a.status.code(), b.status.code()), (Some(0), Some(0)), "{}{}", said(&a), said(&b));
        assert_eq!(audited(db).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_delayed_step_is_let_go_and_a_running_one_taken_back_and_its_token_is_gone() {
    TestDatabase::run_unchecked(async |db| {
        plant(db).await;
        let (delayed, running, ready) = (id(db, 0).await, id(db, 4).await, id(db, 8).await);
        let mut owner = db.owner().await;
        owner
            .run(&format!(
                "UPDATE pipeline_steps SET status = 'delayed', available_at = now() + interval '1 hour', delay_reason = 'backoff'
                 WHERE run_id = '{delayed}';
                 UPDATE pipeline_steps SET status = 'running', lease_token = gen_random_uuid(), worker_id = gen_random_uuid(),
                   claimed_at = now(), must_end_by = now() WHERE run_id = '{running}'"
            ))
            .await;
        for (step, status) in [(format!("{delayed}/llm"), 0), (running.clone(), 0), (format!("{ready}/llm"), 5), (format!("{ready}/nope"), 3)] {
            let released = run(db, &["steps", "release", &step, "-y", "--reason", "INC-3"]).await;
            assert_eq!(released.status.code(), Some(status), "{step}: {}", said(&released));
        }
        let left: i64 = owner.value("SELECT count(*) FROM pipeline_steps WHERE status = 'ready' AND lease_token IS NULL").await;
        assert_eq!(left, 6, "all that were queued");
        let entries = audited(db).await;
        assert_eq!(entries.len(), 2);
        assert!(entries.iter().all(|entry| entry["action"] == "step.release"), "{entries:?}");
    })
    .await;
}

#[tokio::test]
async fn looking_at_what_was_said_is_audited() {
    TestDatabase::run_unchecked(async |db| {
        plant(db).await;
        let failed = id(db, 2).await;
        let shown = run(
            db,
            &[
                "runs",
                "show",
                &failed,
                "--payload",
                "--calls",
                "--events",
                "--timeline",
                "--reason",
                "INC-4",
                "-o",
                "json",
            ],
        )
        .await;
        let shown = json(&shown);
        assert_eq!(shown["payload"]["failure"]["provider"], "groq", "{shown}");
        assert!(shown["calls"].is_array() && shown["events"].is_array() && shown["timeline"].is_array());
        let entries = audited(db).await;
        assert_eq!((entries.len(), &entries[0]["action"]), (1, &"run.read_payload".into()));
        assert_eq!(entries[0]["target_id"], failed.as_str());
    })
    .await;
}

#[tokio::test]
async fn a_run_that_has_ended_is_watched_to_its_end_at_once() {
    TestDatabase::run_unchecked(async |db| {
        plant(db).await;
        let (completed, failed) = (id(db, 1).await, id(db, 2).await);
        let watched = run(db, &["runs", "watch", &completed, "-o", "jsonl"]).await;
        assert_eq!(watched.status.code(), Some(0), "{}", said(&watched));
        let last: Value = serde_json::from_str(out(&watched).lines().last().expect("a line")).expect("JSON");
        assert_eq!((&last["event"], &last["run"]["id"]), (&"run.completed".into(), &completed.into()));
        assert_eq!(run(db, &["runs", "watch", &failed]).await.status.code(), Some(1));
    })
    .await;
}

#[tokio::test]
async fn a_cancel_by_a_filter_means_the_rows_that_the_list_shows_and_is_an_operation() {
    TestDatabase::run_unchecked(async |db| {
        plant(db).await;
        let why = ["--reason", "INC-6"];
        for (args, exit, says) in [
            (&["runs", "cancel"][..], 2, "which ones"),
            (&["runs", "cancel", "--all", "--since", "1h", "-y"], 2, "--all"),
            (&["runs", "cancel", "--all"], 2, "-y"),
            (&["runs", "cancel", "--status", "completed", "-y"], 2, "queued, running"),
            (&["runs", "cancel", "--org", "beta", "--since", "1d", "-y"], 3, "no live run"),
            (&["runs", "cancel", "--all", "--canary", "1", "-y"], 2, "canary"),
            (&["runs", "cancel", "--all", "--rate", "0/s", "-y"], 2, "rate"),
            (
                &["runs", "cancel", "--org", "acme", "--status", "queued", "--dry-run"],
                0,
                "6 runs are stopped. Nothing was done.",
            ),
        ] {
            let output = run(db, &[args, &why].concat()).await;
            assert_eq!(output.status.code(), Some(exit), "{args:?}: {}", said(&output));
            assert!(said(&output).contains(says), "{args:?}: {}", said(&output));
        }
        let filter = ["--org", "acme", "--status", "queued", "--since", "9h"];
        let listed = run(db, &[&["runs", "list", "-o", "json", "--sort", "created"], &filter[..]].concat()).await;
        let listed: Vec<String> = json(&listed)
            .as_array()
            .expect("a list")
            .iter()
            .map(|run| run["id"].as_str().expect("an id").to_owned())
            .collect();
        assert_eq!(listed.len(), 3);
        let begun = run(db, &[&["runs", "cancel", "--detach", "-y"], &filter[..], &why].concat()).await;
        assert_eq!(begun.status.code(), Some(0), "{}", said(&begun));
        assert!(said(&begun).contains("3 runs are stopped. At 10/s."), "{}", said(&begun));
        let mut owner = db.owner().await;
        let frozen: Vec<String> = owner
            .rows("SELECT run_id::text FROM op_items ORDER BY n")
            .await
            .iter()
            .map(|row| sqlx::Row::get(row, 0))
            .collect();
        assert_eq!(frozen, listed, "the oldest first");
        let of_op = |entry: &&Value| entry["action"] == "operation.cancel" && entry["actor"] == "operator:dana";
        assert_eq!(audited(db).await.iter().filter(of_op).count(), 1);
    })
    .await;
}
