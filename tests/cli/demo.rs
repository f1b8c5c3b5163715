//! `demo`: what it shows is true, and nothing of it is left.

use super::program::{Folder, run, said};

#[tokio::test]
async fn the_demo_plays_to_its_end_and_leaves_nothing_running() {
    let folder = Folder::new();
    let demo = run(&["demo", "--data-dir", folder.text()]).await;
    let said = said(&demo);
    assert_eq!(demo.status.code(), Some(0), "{said}");
    for shown in [
        "summary_enrich",
        "one answer stored, two calls in the ledger",
        "partial answer",
        "rules over 3 runs: all hold",
    ] {
        assert!(said.contains(shown), "{shown}: {said}");
    }
    let everywhere = std::fs::read_dir("/proc").expect("processes").flatten();
    let of_the_demo = everywhere.filter(|process| {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(folder.text())
    });
    assert_eq!(of_the_demo.count(), 0, "something is left running");
}
