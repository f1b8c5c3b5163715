//! Settings of the environment that are the program's own: each has its effect.

use super::program::{program, said};
use crate::harness::database::TestDatabase;

#[tokio::test]
async fn database_url_names_the_database_and_the_flag_goes_before_it() {
    TestDatabase::run(async |db| {
        let status = |named: &str, more: &[&str]| {
            let mut command = program(&[&["migrate", "status"], more].concat());
            command.env("DATABASE_URL", named);
            command
        };
        let nowhere = "postgres://u@127.0.0.1:1/x";
        let by_environment = status(&db.url, &[]).output().await.expect("it starts");
        assert_eq!(by_environment.status.code(), Some(0), "{}", said(&by_environment));
        let by_flag = status(nowhere, &["--database-url", &db.url]).output().await.expect("it starts");
        assert_eq!(by_flag.status.code(), Some(0), "{}", said(&by_flag));
        let missing = status(nowhere, &[]).output().await.expect("it starts");
        assert_eq!(missing.status.code(), Some(6), "{}", said(&missing));
    })
    .await;
}

#[tokio::test]
async fn log_level_chooses_what_is_logged_and_nonsense_is_exit_2() {
    TestDatabase::run(async |db| {
        let api = |level: &str| {
            let mut command = program(&["api", "--exit-with-parent", "--listen", "127.0.0.1:0"]);
            command.env("DATABASE_URL", &db.url).env("ALLOW_UNSAFE_DATABASE", "true").env("LOG_LEVEL", level);
            command.env("JWKS_URL", "http://127.0.0.1:1/jwks").env("JWT_ISSUERS", "i");
            command
        };
        for (level, says) in [("info", true), ("", true), ("off", false)] {
            let output = api(level).output().await.expect("it starts");
            assert_eq!(output.status.code(), Some(0), "{}", said(&output));
            assert_eq!(said(&output).contains("the api serves"), says, "{level}: {}", said(&output));
        }
        let refused = api("loud,x=y=z").output().await.expect("it starts");
        assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
        assert!(said(&refused).contains("LOG_LEVEL"), "{}", said(&refused));
    })
    .await;
}
