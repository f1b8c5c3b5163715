//! The first errors that people make, and their answers.

use super::program::{Dev, Folder, program, run, said};
use crate::harness::database::TestDatabase;

#[tokio::test]
async fn a_database_that_is_not_there_is_exit_6_with_a_fix_and_without_its_password() {
    for command in [&["migrate"][..], &["doctor"], &["doctor", "--deep"], &["migrate", "status"]] {
        let url = ["--database-url", "postgres://u:canary@127.0.0.1:1/x"];
        let output = run(&[command, &url].concat()).await;
        assert_eq!(output.status.code(), Some(6), "{command:?}: {}", said(&output));
        assert!(said(&output).contains("fix:") && !said(&output).contains("canary"), "{}", said(&output));
    }
}

#[tokio::test]
async fn a_model_that_nobody_serves_is_exit_6_with_a_fix() {
    let output = run(&["dev", "--llm-url", "http://127.0.0.1:1/v1", "--llm-model", "m"]).await;
    assert_eq!(output.status.code(), Some(6), "{}", said(&output));
    assert!(said(&output).contains("scripts/local-model"), "{}", said(&output));
}

#[tokio::test]
async fn a_provider_key_that_says_too_little_is_exit_2_before_anything_starts() {
    let folder = Folder::new();
    let mut command = program(&["dev", "--json", "--data-dir", folder.text()]);
    let output = command.env("LLM_API_KEY", "k").output().await.expect("it ends");
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("error: LLM_BASE_URL"), "{}", said(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_wants_a_key_is_exit_7_and_says_where_to_put_it() {
    let (first, second) = (Folder::new(), Folder::new());
    let dev = Dev::start(&first, &["--workers", "0"]).await;
    let args = ["dev", "--llm-url", dev.text("simulator_url"), "--llm-model", "m", "--data-dir", second.text()];
    let output = run(&args).await;
    assert_eq!(output.status.code(), Some(7), "{}", said(&output));
    assert!(said(&output).contains("LLM_API_KEY"), "{}", said(&output));
    dev.end("INT").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_in_the_environment_does_not_come_between_the_parts() {
    let folder = Folder::new();
    let mut command = program(&["dev", "--json", "--workers", "1", "--port", "0", "--data-dir", folder.text()]);
    for name in ["http_proxy", "HTTP_PROXY", "ALL_PROXY"] {
        command.env(name, "http://127.0.0.1:9");
    }
    let dev = Dev::wait(command).await;
    dev.end("INT").await;
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_answered_with_another() {
    let output = run(&["dev", "--data-dir", "/proc/hellosales"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("--data-dir"), "{}", said(&output));
}

#[tokio::test]
async fn a_machine_without_postgres_is_told_what_to_install() {
    let folder = Folder::new();
    let mut command = program(&["dev", "--data-dir", folder.text()]);
    let output = command.env("PG_BIN", folder.path()).output().await.expect("it starts");
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("PG_BIN"), "{}", said(&output));
}

#[tokio::test]
async fn wrong_calls_are_exit_2() {
    for args in [
        &["dev", "--lease", "soon"][..],
        &["dev", "--llm-url", "http://127.0.0.1:1"],
        &["token", "--org", "A", "--user", "B", "--role", "owner"],
        &["token", "--org", " ", "--user", "B", "--role", "member"],
        &["fly"],
    ] {
        assert_eq!(run(args).await.status.code(), Some(2), "{args:?}");
    }
}

#[tokio::test]
async fn chat_without_an_api_is_exit_6_and_says_how_to_get_one() {
    let folder = Folder::new();
    let output = run(&["chat", "--data-dir", folder.text()]).await;
    assert_eq!(output.status.code(), Some(6), "{}", said(&output));
    assert!(said(&output).contains("hellosales dev"), "{}", said(&output));
}

#[tokio::test]
async fn a_database_that_may_forget_is_refused_unless_this_is_wanted() {
    // The tests' own cluster runs with fsync off.
    TestDatabase::run(async |db| {
        let off: String = db.owner().await.value("SELECT current_setting('fsync')").await;
        assert_eq!(off, "off", "this test needs a cluster that may forget");
        for part in ["api", "worker"] {
            let start = |allow: &str| {
                let mut command = program(&[part, "--listen", "127.0.0.1:0", "--database-url", &db.url]);
                command.env("JWKS_URL", "http://127.0.0.1:1/jwks").env("JWT_ISSUERS", "i");
                command.env("LLM_BASE_URL", "http://127.0.0.1:1/v1").env("LLM_MODEL", "m");
                command.env("ALLOW_UNSAFE_DATABASE", allow);
                command
            };
            let refused = start("").output().await.expect("it starts");
            assert_eq!(refused.status.code(), Some(1), "{part}: {}", said(&refused));
            assert!(said(&refused).contains("ALLOW_UNSAFE_DATABASE=true"), "{}", said(&refused));
            let mut command = start("true");
            // With its parent gone at once it stops as soon as it has started, and well.
            let allowed = command.arg("--exit-with-parent").output().await.expect("it starts");
            assert_eq!(allowed.status.code(), Some(0), "{part}: {}", said(&allowed));
            assert!(said(&allowed).contains("may forget"), "{}", said(&allowed));
        }
    })
    .await;
}

#[tokio::test]
async fn dev_refuses_a_database_that_may_forget_before_it_starts_anything() {
    TestDatabase::run(async |db| {
        let folder = Folder::new();
        let output = run(&["dev", "--json", "--data-dir", folder.text(), "--database-url", &db.url]).await;
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(said(&output).contains("error: the database may forget"), "{}", said(&output));
        assert!(!said(&output).contains("simulator"), "{}", said(&output));
    })
    .await;
}

#[tokio::test]
async fn a_login_without_rights_is_exit_7_and_told_which_it_needs() {
    TestDatabase::run_empty(async |db| {
        let role = "DO $$ BEGIN CREATE ROLE hellosales_test_poor LOGIN; EXCEPTION WHEN duplicate_object THEN END $$";
        db.owner().await.run(role).await;
        let poor = db.url.replacen("://postgres", "://hellosales_test_poor", 1);
        let output = run(&["migrate", "--database-url", &poor]).await;
        assert_eq!(output.status.code(), Some(7), "{}", said(&output));
        for wanted in ["permission denied", "fix: ", "CREATEROLE"] {
            assert!(said(&output).contains(wanted), "{}", said(&output));
        }
    })
    .await;
}
