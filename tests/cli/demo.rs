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
        "clients.csv: 25 created, 0 updated, 0 unchanged, 0 rejected",
        "25 emails, about ",
        "awaiting_approval 3/25",
        "half-written; its lease ends in 2 s",
        "25 clients, 25 emails, one each",
        "rules over 28 runs: all hold",
    ] {
        assert!(said.contains(shown), "{shown}: {said}");
    }
    assert_eq!(said.matches("Subject:").count(), 3 + 2, "the sample, and two more: {said}");
    assert!(said.lines().filter(|line| line.starts_with("     ")).all(|line| line.chars().count() <= 80), "{said}");
    let everywhere = std::fs::read_dir("/proc").expect("processes").flatten();
    let of_the_demo = everywhere.filter(|process| {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(folder.text())
    });
    assert_eq!(of_the_demo.count(), 0, "something is left running");
}
