//! Budgets, and why a run doesn't move, at the terminal.

use std::process::Output;

use serde_json::{Value, json};

use super::program::{run, said};
use crate::harness::app::TestApp;

fn data(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(output)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_is_set_shown_listed_lifted_and_audited() {
    TestApp::run(async |app: &TestApp<'_>| {
        let ana = app.user("One", "Ana");
        let me = ana.get("/auth/me").await.expect(200);
        let (org, name) =
            (me["organization"]["id"].as_str().expect("an id"), me["organization"]["name"].as_str().expect("a name"));
        let at = ["--database-url", &app.db.url, "--actor", "dana", "-o", "json"];
        let hellosales = async |args: &[&str]| run(&[args, &at].concat()).await;

        let none = hellosales(&["budgets", "list"]).await;
        assert_eq!((none.status.code(), data(&none)), (Some(3), json!([])));
        assert_eq!(hellosales(&["budgets", "show", org]).await.status.code(), Some(3));
        let set = ["budgets", "set", name, "--cents-per-day", "12.5", "--rpm", "30", "--reason", "INC-81"];
        let shown = data(&hellosales(&set).await);
        assert_eq!((shown["cents_per_day"].as_f64(), shown["requests_per_minute"].as_f64()), (Some(12.5), Some(30.0)));
        assert_eq!((shown["updated_by"].as_str(), shown["reason"].as_str()), (Some("operator:dana"), Some("INC-81")));
        // What isn't named stays.
        hellosales(&["budgets", "set", org, "--rpm", "none", "--on-exceeded", "refuse", "--reason", "INC-82"]).await;
        let listed = data(&hellosales(&["budgets", "list"]).await);
        assert_eq!((listed[0]["org_id"].as_str(), listed[0]["cents_per_day"].as_f64()), (Some(org), Some(12.5)));
        assert_eq!(
            (listed[0]["on_exceeded"].as_str(), listed[0]["requests_per_minute"].is_null()),
            (Some("refuse"), true)
        );
        let used = &data(&hellosales(&["budgets", "show", org]).await)["used"][0];
        assert_eq!((used["measure"].as_str(), used["span"].as_str()), (Some("cents"), Some("day")));
        let lifted = data(&hellosales(&["budgets", "set", org, "--none", "--reason", "over"]).await);
        assert!(lifted["cents_per_day"].is_null(), "{lifted}");
        let audited =
            "SELECT string_agg(concat_ws(' ', actor, action, target_id, reason), ',' ORDER BY id) FROM audit_log";
        let who = format!("operator:dana budget.set {org}");
        let expected = format!("{who} INC-81,{who} INC-82,{who} over");
        assert_eq!(app.db.owner().await.value::<String>(audited).await, expected);

        for (args, code) in [
            (&["budgets", "set", org, "--rpm", "5"][..], 2),
            (&["budgets", "set", org, "--reason", "x"], 2),
            (&["budgets", "set", org, "--rpm", "-1", "--reason", "x"], 2),
            (&["budgets", "set", org, "--cents-per-day", "many", "--reason", "x"], 2),
            (&["budgets", "set", "nobody", "--rpm", "5", "--reason", "x"], 3),
            (&["budgets", "show", "nobody"], 3),
        ] {
            let output = hellosales(args).await;
            assert_eq!(output.status.code(), Some(code), "{args:?}: {}", said(&output));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn why_a_run_does_not_move_is_told_along_the_chain_with_the_next_command() {
    TestApp::run(async |app: &TestApp<'_>| {
        let ana = app.user("One", "Ana");
        let session =
            ana.post("/chat/sessions", &json!({})).await.expect(201)["id"].as_str().expect("an id").to_owned();
        let mut runs = Vec::new();
        for message in ["one", "two"] {
            let said =
                ana.post(&format!("/chat/sessions/{session}/messages"), &json!({"message": message})).await.expect(202);
            runs.push(said["id"].as_str().expect("an id").to_owned());
        }
        let why =
            async |id: &str, format: &str| run(&["runs", "why", id, "--database-url", &app.db.url, "-o", format]).await;

        let told = data(&why(&runs[1], "json").await);
        assert_eq!(told["waiting"]["reason"], "session_busy", "{told}");
        assert_eq!(told["ahead"]["run"], runs[0].as_str());
        assert_eq!(
            (told["chain"][1]["run_id"].as_str(), told["chain"][1]["waiting"]["reason"].as_str()),
            (Some(runs[0].as_str()), Some("no_worker"))
        );
        assert_eq!(told["next"], "hellosales workers list");
        let text = String::from_utf8(why(&runs[1], "table").await.stdout).expect("text");
        assert!(text.contains("it waits (session_busy)") && text.contains("→ hellosales workers list"), "{text}");

        app.db
            .owner()
            .await
            .run("INSERT INTO pauses (scope, key, actor, reason) VALUES ('lane', 'interactive', 'op', 'INC-81')")
            .await;
        let paused = data(&why(&runs[0], "json").await);
        assert_eq!(paused["next"], "hellosales queue resume --lane interactive --reason TEXT");
        app.db.owner().await.run("DELETE FROM pauses").await;

        ana.post(&format!("/runs/{}/cancel", runs[1]), &json!({})).await.expect(200);
        let cancelled = data(&why(&runs[1], "json").await);
        assert_eq!((cancelled["status"].as_str(), cancelled["waiting"].is_null()), (Some("cancelled"), true));
        assert!(cancelled["says"][1].as_str().is_some_and(|said| said.contains("cancelled")), "{cancelled}");

        // Simply queued, as seen with a worker that is busy elsewhere.
        let worker =
            "INSERT INTO workers (id, host, pid, version, slots, lease_until) VALUES (gen_random_uuid(), 'busy', 1, '0', 1, now() + interval '1 minute')";
        app.db.owner().await.run(worker).await;
        let queued = data(&why(&runs[0], "json").await);
        assert!(queued["waiting"].is_null() && queued["place"]["ahead"].is_i64(), "{queued}");
        app.db.owner().await.run("DELETE FROM workers WHERE host = 'busy'").await;
        assert_eq!(
            run(&["runs", "why", "00000000-0000-7000-8000-000000000000", "--database-url", &app.db.url])
                .await
                .status
                .code(),
            Some(3)
        );
    })
    .await;
}
