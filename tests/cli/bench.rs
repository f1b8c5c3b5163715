//! `bench`: what programs read of it, and that it writes what it says.

use serde_json::Value;

use super::program::{run, said};

#[tokio::test]
async fn a_small_batch_is_measured_and_all_its_emails_are_there() {
    let bench = run(&["bench", "batch", "--items", "50", "--slots", "16", "--call-ms", "50", "--json"]).await;
    assert_eq!(bench.status.code(), Some(0), "{}", said(&bench));
    let report: Value = serde_json::from_slice(&bench.stdout).expect("one line of JSON");
    assert_eq!((&report["items"], &report["call_ms"]), (&50.into(), &50.into()));
    let [round] = report["rounds"].as_array().expect("rounds").as_slice() else { panic!("one round") };
    assert_eq!(round["emails"], 50);
    for key in ["slots", "worker_slots", "ideal_seconds", "seconds", "ratio", "emails_per_second"] {
        assert!(round[key].as_f64().is_some_and(|value| value > 0.0), "{key}: {round}");
    }
    for (object, keys) in [
        (
            "accept",
            &["accepts", "accept_p50_ms", "accept_p99_ms", "commit_p50_ms", "commit_p99_ms", "accept_p99_commits"][..],
        ),
        ("per_email", &["transactions", "rows_inserted", "rows_updated", "rows_deleted", "wal_bytes"]),
        ("cpu_ms_per_email", &["all", "worker", "postgres", "api", "simulator", "bench"]),
        ("memory", &["worker_at_10_percent_bytes", "worker_at_90_percent_bytes"]),
        ("chat", &["idle_turns", "idle_added_p50_ms", "busy_turns", "busy_added_p50_ms", "ratio"]),
        ("fairness", &["other_items", "other_seconds", "emails_meanwhile"]),
    ] {
        for key in keys {
            assert!(round[object].get(key).is_some(), "{object}.{key}: {round}");
        }
    }
    if cfg!(target_os = "linux") {
        assert!(round["cpu_ms_per_email"]["postgres"].as_f64().is_some_and(|ms| ms > 0.0), "{round}");
    }
}
