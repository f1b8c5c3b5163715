//! Fairness on a worker: eight slots, seven of them for standard, three of those for an organisation while another waits.

use hellosales_core::RunId;
use hellosales_core::queue::submit::NewRun;

use super::super::bench::{Bench, Cut};
use super::script::{Act, Script};
use super::{Plan, config, until};

const RUNS: i64 = 12;

async fn backlog(bench: &Bench<'_>, rank: i64) {
    for n in 0..RUNS {
        bench.submit_run(&NewRun::new(RunId::new(), &Cut {}, rank + n, 30_000).expect("an input")).await;
    }
}

/// How many of an organisation's runs have been begun, and of the other's.
async fn begun(bench: &Bench<'_>, [one, two]: [i64; 2], other: &Bench<'_>) {
    let begun = |bench: &Bench<'_>| {
        format!(
            "(SELECT {RUNS} - count(*) FROM pipeline_steps WHERE org_id = '{}' AND stage = 0 AND status = 'ready')",
            bench.org
        )
    };
    let waits = |bench: &Bench<'_>| {
        format!(
            "(SELECT count(*) FROM pipeline_steps WHERE org_id = '{}' AND stage = 1 AND status = 'running')",
            bench.org
        )
    };
    let all = format!("SELECT concat_ws(' ', {}, {}, {} + {})", begun(bench), begun(other), waits(bench), waits(other));
    until(bench, &all, &format!("{one} {two} 7")).await;
}

#[tokio::test]
async fn slots_that_become_free_go_to_who_waits_until_it_has_half_and_one_alone_has_all() {
    Bench::run(async |bench| {
        let b = Script::of(&[&[Act::Wait][..]; 24]);
        backlog(bench, 1).await;
        let worker = Plan::b(&b).worker(bench, config()).await;
        let other = Bench::at(bench.db).await;
        begun(bench, [7, RUNS], &other).await;
        backlog(&other, 1_000).await;
        for n in 1..=3 {
            b.go_on();
            begun(bench, [7, n], &other).await;
        }
        b.go_on();
        begun(bench, [8, 3], &other).await;
        b.go_on();
        begun(bench, [9, 3], &other).await;
        for _ in 0..2 * RUNS {
            b.go_on();
        }
        until(bench, "SELECT count(*) FROM pipeline_runs WHERE status = 'completed'", "24").await;
        worker.drain().await;
        bench.check_quiet().await;
    })
    .await;
}
