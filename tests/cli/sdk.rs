//! The vendors' own SDKs judge the simulator, where Python has them: `scripts/test` installs them, and names that Python in
//! `SDK_PYTHON`.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use super::program::{Folder, program};

#[expect(clippy::disallowed_methods, reason = "the tests' own setting")]
fn named() -> Option<String> {
    std::env::var("SDK_PYTHON").ok().filter(|name| !name.is_empty())
}

/// A Python with all SDKs.
async fn python() -> Option<String> {
    let python = named().unwrap_or_else(|| "python3".to_owned());
    let mut asked = Command::new(&python);
    asked.args(["-c", "import openai, groq, google.genai"]).stdin(Stdio::null()).stderr(Stdio::null());
    asked.status().await.is_ok_and(|status| status.success()).then_some(python)
}

#[tokio::test]
async fn the_sdks_of_openai_groq_and_google_work_against_the_simulator_unchanged() {
    let Some(python) = python().await else {
        eprintln!(
            "SKIPPED: no Python with the packages openai, groq and google-genai; the simulator was not judged by them"
        );
        return;
    };
    let folder = Folder::new();
    let args = ["simulator", "--listen", "127.0.0.1:0", "--data-dir", folder.text()];
    let mut simulator = program(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut lines = BufReader::new(simulator.stderr.take().expect("a pipe")).lines();
    let line = timeout(Duration::from_secs(30), lines.next_line()).await.expect("it comes up").expect("stderr");
    let line = line.expect("it says where it listens");
    let url = line.split_whitespace().find_map(|word| word.strip_suffix("/v1")).expect("an address").to_owned();
    let mut said = String::new();
    for script in ["openai_sdk.py", "google_sdk.py"] {
        let mut judge = Command::new(&python);
        judge.args([&format!("{}/tests/sdk/{script}", env!("CARGO_MANIFEST_DIR")), &url]).kill_on_drop(true);
        let judged = timeout(Duration::from_secs(180), judge.output()).await.expect("it ends").expect("it starts");
        said.push_str(&String::from_utf8_lossy(&judged.stdout));
        assert!(judged.status.success(), "{said}\n{}", String::from_utf8_lossy(&judged.stderr));
    }
    for vendor in ["openai", "groq", "google"] {
        assert!(said.contains(&format!("ok   {vendor} check_stream")), "{said}");
    }
}
