//! Lists: five formats of the same rows, pages, prefixes, and what is refused.

use serde_json::Value;

use super::{json, out, plant, run};
use crate::cli::program::said;
use crate::harness::database::TestDatabase;

fn ids(value: &Value) -> Vec<String> {
    let rows = value.as_array().expect("a list");
    rows.iter().map(|row| row["id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn a_list_has_the_same_rows_in_every_format_and_goes_on_where_its_cursor_says() {
    TestDatabase::run_unchecked(async |db| {
        plant(db).await;
        let listed = run(db, &["runs", "list", "-o", "json"]).await;
        assert_eq!(listed.status.code(), Some(0), "{}", said(&listed));
        assert!(said(&listed).contains("--since 7d"), "the default is said: {}", said(&listed));
        let all = ids(&json(&listed));
        assert_eq!(all.len(), 24);
        assert!(all.is_sorted_by(|a, b| a > b), "the newest first");
        let row = &json(&listed)[0];
        assert!(row["created_at"].as_str().is_some_and(|at| at.ends_with('Z')) && row["batch_id"].is_null(), "{row}");

        let lines = run(db, &["runs", "list", "-o", "jsonl", "-q"]).await;
        assert_eq!((out(&lines).lines().count(), said(&lines)), (24, String::new()), "quiet says nothing");
        let table = run(db, &["runs", "list"]).await;
        assert_eq!(out(&table).lines().count(), 25);
        assert!(
            !out(&table).contains("request")
                && out(&run(db, &["runs", "list", "-o", "wide"]).await).contains("request")
        );
        let csv = run(db, &["runs", "list", "-o", "csv", "--columns", "id,org,cost_cents"]).await;
        let text = out(&csv);
        assert_eq!((text.lines().next(), text.lines().count()), (Some("id,org,cost_cents"), 25));
        assert!(text.contains(",'=Beta,0") && text.contains(",Acme,0"), "no formula: {text}");

        let mut pages = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut args = vec!["runs", "list", "-o", "json", "--limit", "7", "--sort", "created"];
            args.extend(cursor.iter().flat_map(|cursor| ["--cursor", cursor.as_str()]));
            let page = run(db, &args).await;
            pages.extend(ids(&json(&page)));
            cursor = said(&page).lines().find_map(|line| line.strip_prefix("more: --cursor ").map(str::to_owned));
            if cursor.is_none() {
                break;
            }
        }
        pages.reverse();
        assert_eq!(pages, all);
    })
    .await;
}

#[tokio::test]
async fn filters_narrow_and_mean_the_same_by_whatever_way_the_rows_are_found() {
    TestDatabase::run_unchecked(async |db| {
        plant(db).await;
        for (args, count) in [
            (&["--status", "failed"][..], 6),
            (&["--status", "failed,cancelled"], 12),
            (&["--status", "queued"], 6),
            (&["--error", "provider_*"], 4),
            (&["--error", "PROVIDER_TIMEOUT"], 2),
            (&["--error", "PROVIDER"], 0),
            (&["--stage", "llm"], 12),
            (&["--stage", "llm", "--status", "failed", "--provider", "groq"], 6),
            (&["--provider", "google"], 0),
            (&["--pipeline", "chat"], 0),
            (&["--since", "270m"], 5),
            (&["--since", "270m", "--status", "failed"], 1),
            (&["--until", "270m"], 19),
            (&["--org", "acme"], 12),
            (&["--org", "ACME", "--status", "failed"], 6),
            (&["--org", "org_beta", "--status", "failed"], 0),
            (&["--all-orgs"], 24),
        ] {
            let listed = run(db, &[&["runs", "list", "-o", "json"], args].concat()).await;
            let found = json(&listed).as_array().map(Vec::len);
            assert_eq!(found, Some(count), "{args:?}: {}", said(&listed));
            assert_eq!(listed.status.code(), Some(if count == 0 { 3 } else { 0 }), "{args:?}");
        }
        for (args, count) in [
            (&["--state", "dead"][..], 6),
            (&["--state", "ready"], 6),
            (&["--state", "ready", "--older-than", "270m"], 4),
            (&["--status", "failed"], 6),
            (&["--error", "PROVIDER_*"], 4),
            (&["--state", "running"], 0),
        ] {
            let listed = run(db, &[&["steps", "list", "-o", "json"], args].concat()).await;
            assert_eq!(json(&listed).as_array().map(Vec::len), Some(count), "{args:?}: {}", said(&listed));
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_asked_wrongly_is_refused_with_what_would_be_right() {
    TestDatabase::run_unchecked(async |db| {
        plant(db).await;
        for (args, exit, says) in [
            (&["runs", "list", "--columns", "id,nope"][..], 2, "--columns takes some of: id,pipeline"),
            (&["runs", "list", "--status", "dead"], 2, "--status is one of: queued"),
            (&["runs", "list", "--since", "yesterday"], 2, "write 30m"),
            (&["runs", "list", "--cursor", "x"], 2, "no cursor"),
            (&["runs", "list", "--limit", "0"], 2, "--limit"),
            (&["runs", "list", "--sort", "cost"], 2, "-created"),
            (&["runs", "list", "--org", "nobody"], 3, "no organisation 'nobody'"),
            (&["runs", "list", "--org", "0199a000"], 2, "Acme"),
            (&["runs", "list", "--org", "acme", "--all-orgs"], 2, "--all-orgs"),
            (&["runs", "list", "--batch", "0199a0"], 2, "at least its first 8"),
            (&["runs", "list", "--batch", "00000000"], 3, "no batch"),
            (&["runs", "list", "-o", "xml"], 2, "xml"),
            (&["runs", "show", "00000000"], 3, "no run"),
            (&["runs", "show", "nothing!"], 2, "no id of a run"),
            (&["runs", "show", "00000000-0000-7000-8000-000000000000", "--payload"], 2, "--reason"),
            (&["runs", "list", "--actor", "a\nb"], 2, "one line"),
            (&["steps", "list", "--state", "sleeping"], 2, "sleeping"),
            (&["queue", "stats", "--by", "moon"], 2, "moon"),
            (&["workers", "show", "00000000"], 3, "no worker"),
            (&["workers", "list"], 3, ""),
            (&["audit", "list"], 3, ""),
            (&["frobnicate"], 2, "unrecognized"),
        ] {
            let output = run(db, args).await;
            assert_eq!(output.status.code(), Some(exit), "{args:?}: {}", said(&output));
            assert!(said(&output).contains(says), "{args:?}: {}", said(&output));
            assert!(exit == 3 || out(&output).is_empty(), "stdout is data: {}", out(&output));
        }
        let mut nowhere = super::command(db, &["runs", "list"]);
        let nowhere = nowhere.env("DATABASE_URL", "postgres://a:b@127.0.0.1:1/x").output().await.expect("it starts");
        assert_eq!(nowhere.status.code(), Some(6), "{}", said(&nowhere));
    })
    .await;
}

#[tokio::test]
async fn a_prefix_is_enough_where_it_is_one_things_and_else_shows_whose_it_may_be() {
    TestDatabase::run_unchecked(async |db| {
        plant(db).await;
        let mut owner = db.owner().await;
        owner.run("UPDATE pipeline_runs SET id = '0199f2ab-0000-7000-8000-000000000001' WHERE fair_rank = 1").await;
        let one = run(db, &["runs", "show", "0199F2AB", "-o", "json"]).await;
        assert_eq!(json(&one)["id"], "0199f2ab-0000-7000-8000-000000000001", "{}", said(&one));
        owner.run("UPDATE pipeline_runs SET id = '0199f2ab-0000-7000-8000-000000000005' WHERE fair_rank = 5").await;
        let two = run(db, &["runs", "show", "0199f2ab"]).await;
        assert_eq!(two.status.code(), Some(2));
        assert!(said(&two).contains("000000000001") && said(&two).contains("000000000005"), "{}", said(&two));
        let of_acme = run(db, &["runs", "show", "0199f2ab", "--org", "beta"]).await;
        assert_eq!(of_acme.status.code(), Some(2), "both are beta's: {}", said(&of_acme));
        let of_none = run(db, &["runs", "show", "0199f2ab", "--org", "acme"]).await;
        assert_eq!(of_none.status.code(), Some(3), "another organisation's is not there: {}", said(&of_none));
    })
    .await;
}
