//! One PostgreSQL for all tests of a run. nextest gives each test a process of its own, so whoever is first
//! starts it: `scripts/test-postgres` holds a lock, and answers the same URL to all.

use std::process::Command;

use tokio::sync::OnceCell;

static SERVER: OnceCell<String> = OnceCell::const_new();

/// The URL of the cluster's maintenance database, as its superuser: `TEST_DATABASE_URL`, or a private one.
pub(crate) async fn url() -> &'static str {
    SERVER.get_or_init(|| async { given().unwrap_or_else(start) }).await
}

#[expect(clippy::disallowed_methods, reason = "the tests' own setting")]
fn given() -> Option<String> {
    std::env::var("TEST_DATABASE_URL").ok().filter(|url| !url.is_empty())
}

fn start() -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/test-postgres");
    let output =
        Command::new(script).args(["start", "--idle-stop", "120"]).output().expect("scripts/test-postgres runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "no PostgreSQL for the tests: {said}");
    String::from_utf8(output.stdout).expect("a URL").trim().to_owned()
}
