//! `status`, `queue stats`, `doctor`, `config` and `completions`, as scripts read them.

use std::process::Stdio;

use tokio::io::AsyncWriteExt;

use super::{command, json, out, plant, run};
use crate::cli::program::said;
use crate::harness::database::TestDatabase;

#[tokio::test]
async fn a_status_names_what_is_wrong_and_what_to_type_and_nothing_when_all_is_well() {
    TestDatabase::run_unchecked(async |db| {
        let bare = run(db, &["status", "-o", "json"]).await;
        assert_eq!(bare.status.code(), Some(1), "nobody works: {}", said(&bare));
        let whats = |output| {
            let findings = json(output)["findings"].as_array().expect("a list").clone();
            findings.iter().map(|one| one["what"].as_str().expect("a word").to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(whats(&bare), ["workers"]);
        let mut owner = db.owner().await;
        owner
            .run("INSERT INTO workers (id, host, pid, version, slots, lease_until) VALUES (gen_random_uuid(), 'h', 1, '1', 8, now() + interval '1 hour')")
            .await;
        let well = run(db, &["status", "-o", "json"]).await;
        assert_eq!((well.status.code(), &json(&well)["ok"]), (Some(0), &true.into()), "{}", out(&well));
        let lanes = json(&well)["lanes"].as_array().map(Vec::len);
        assert_eq!(lanes, Some(3), "an empty lane is one, too");

        plant(db).await;
        owner
            .run("UPDATE workers SET kinds = '{chat@1/llm}';
                  INSERT INTO pauses (scope, key, actor, reason) VALUES ('lane', 'standard', 'operator:dana', 'INC-5')")
            .await;
        let ill = run(db, &["status"]).await;
        assert_eq!(ill.status.code(), Some(1));
        let text = out(&ill);
        for words in [
            "6 steps of email@1/llm are ready, and no worker knows it",
            "standard     ready 6  oldest 20h",
            "INC-5 (operator:dana)",
            "→ hellosales queue stats --by lane,org",
            "workers 1/1 beating",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert_eq!(run(db, &["status", "-o", "csv"]).await.status.code(), Some(2));

        let stats = run(db, &["queue", "stats", "--by", "lane,org", "-o", "json"]).await;
        let stats = json(&stats);
        let [acme] = stats.as_array().expect("a list").as_slice() else { panic!("one line: {stats}") };
        assert_eq!((&acme["org"], &acme["ready"], &acme["runs"]), (&"Acme".into(), &6.into(), &6.into()));
    })
    .await;
}

#[tokio::test]
async fn a_doctor_looks_at_the_database_the_clock_and_the_settings() {
    TestDatabase::run_unchecked(async |db| {
        let mut sick = command(db, &["doctor", "-o", "json"]);
        sick.env("LLM_BASE_URL", "http://127.0.0.1:1/v1").env("LLM_MODEL", "m").env("WORKER_SLOTS", "many");
        let sick = sick.output().await.expect("it starts");
        assert_eq!(sick.status.code(), Some(1), "{}", said(&sick));
        let findings = json(&sick);
        let ok = |check: &str| {
            let all = findings.as_array().expect("a list");
            let found =
                all.iter().find(|one| one["check"] == check).unwrap_or_else(|| panic!("no {check}: {findings}"));
            (found["ok"].as_bool(), found["found"].as_str().unwrap_or_default().to_owned())
        };
        for check in ["server", "migrations", "roles", "row-level security", "connections", "vacuum", "clock", "LISTEN"]
        {
            assert_eq!(ok(check).0, Some(true), "{check}: {findings}");
        }
        let (settings, provider) = (ok("settings"), ok("provider"));
        assert!(settings.0 == Some(false) && settings.1.contains("WORKER_SLOTS"), "{settings:?}");
        assert!(provider.0 == Some(false) && provider.1.contains("can't be reached"), "{provider:?}");
    })
    .await;
}

#[tokio::test]
async fn a_setting_is_shown_with_where_it_comes_from_and_no_secret_is() {
    TestDatabase::run_empty(async |db| {
        let mut show = command(db, &["config", "show", "--origin", "-o", "json"]);
        let shown = show.env("GROQ_API_KEY", "gsk_secret").env("WORKER_SLOTS", "9").output().await.expect("it starts");
        let text = out(&shown);
        assert!(!text.contains("gsk_secret"), "{text}");
        let all = json(&shown);
        let of = |name: &str| {
            let row =
                all.as_array().expect("a list").iter().find(|row| row["name"] == name).expect("a setting").clone();
            (row["value"].as_str().expect("a value").to_owned(), row["origin"].as_str().expect("an origin").to_owned())
        };
        assert_eq!(of("WORKER_SLOTS"), ("9".to_owned(), "environment".to_owned()));
        assert_eq!(of("WORKER_LEASE_MS"), ("15000".to_owned(), "default".to_owned()));
        assert_eq!(of("LLM_MODEL").1, "unset");
    })
    .await;
}

#[tokio::test]
async fn completions_are_a_script_that_bash_reads_and_that_knows_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let script = crate::cli::program::run(&["completions", shell]).await;
        assert_eq!(script.status.code(), Some(0));
        let text = out(&script);
        assert!(text.contains("status") && text.contains("older-than"), "{shell}");
        if shell == "bash" {
            // Asks for what may follow `hellosales ste`, and `hellosales steps list --old`.
            let ask = "COMP_WORDS=(hellosales ste); COMP_CWORD=1; _hellosales hellosales ste hellosales; echo ${COMPREPLY[@]}
                COMP_WORDS=(hellosales steps list --old); COMP_CWORD=3; _hellosales hellosales --old list; echo ${COMPREPLY[@]}";
            let mut bash = tokio::process::Command::new("bash");
            let mut bash = bash.arg("-s").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("bash starts");
            let mut stdin = bash.stdin.take().expect("stdin is a pipe");
            stdin.write_all(format!("{text}\n{ask}\n").as_bytes()).await.expect("it listens");
            drop(stdin);
            let answer = bash.wait_with_output().await.expect("it ends");
            assert_eq!(out(&answer), "steps\n--older-than\n", "{}", said(&answer));
        }
    }
}
