//! The first errors that people make, and their answers.

use super::program::{Folder, program, run, said};

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
