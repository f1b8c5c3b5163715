//! Deadlines, in every lane.

use hellosales_core::queue::pause::{self, Asked, Scope};
use hellosales_core::queue::submit::NewRun;
use hellosales_core::run::Lane;
use hellosales_core::{Role, RunId};

use super::super::bench::{Bench, Cut};
use super::super::ends::retry;
use super::script::Script;
use super::{Plan, config, run_is};

async fn submit(bench: &Bench<'_>, lane: Lane) -> RunId {
    let run = NewRun { lane, stream: true, ..NewRun::new(RunId::new(), &Cut {}, 1, 30_000).expect("an input") };
    bench.submit_run(&run).await;
    run.id
}

#[tokio::test]
async fn in_every_lane_a_step_past_its_deadline_fails_at_once_and_is_not_executed() {
    Bench::run(async |bench| {
        let mut late = Vec::new();
        for (&lane, minutes) in Lane::ALL.iter().zip([5, 60, 24 * 60]) {
            let run = submit(bench, lane).await;
            let left = format!(
                "SELECT deadline_at - now() BETWEEN interval '{minutes} minutes' - interval '5 seconds' AND interval '{minutes} minutes'
                 FROM pipeline_steps WHERE run_id = '{run}'"
            );
            assert!(bench.value::<bool>(&left).await, "{lane}");
            late.push(run);
        }
        bench.sql("UPDATE pipeline_steps SET deadline_at = now() - interval '1 second'").await;
        let b = Script::of(&[]);
        let worker = Plan::b(&b).worker(bench, config()).await;
        for run in late {
            run_is(bench, run, "failed").await;
            let told = format!(
                "SELECT concat_ws(' ', r.failure->>'code', d.error_code, d.failed_stage, r.done) FROM pipeline_runs r
                 JOIN dead_letter_queue d ON d.pipeline_run_id = r.id WHERE r.id = '{run}'"
            );
            assert_eq!(bench.value::<String>(&told).await, "DEADLINE_EXCEEDED DEADLINE_EXCEEDED a 0");
        }
        assert!(b.seen().is_empty());
        worker.drain().await;
    })
    .await;
}

#[tokio::test]
async fn in_every_lane_a_delay_ends_at_the_deadline_and_paused_time_does_not_count() {
    Bench::run(async |bench| {
        let operator = bench.db.pools(Role::Operator);
        let asked = Asked { actor: "operator:dana", reason: "INC-7" };
        for &lane in Lane::ALL {
            let run = submit(bench, lane).await;
            let hand = bench.hand().await;
            let step = hand.take("a").await;
            bench.sql("UPDATE pipeline_steps SET deadline_at = now() + interval '1 millisecond'").await;
            hand.land(step, retry()).await;
            let delayed = format!("SELECT status = 'delayed' AND available_at <= deadline_at FROM pipeline_steps WHERE run_id = '{run}'");
            assert!(bench.value::<bool>(&delayed).await, "{lane}");

            // It becomes ready past its deadline, but what stands still then has its whole time again.
            pause::pause(&operator, &Scope::Lane(lane), asked, None).await.expect("paused");
            hellosales_core::queue::promote::promote(&hand.db).await.expect("promoted");
            assert!(hand.claim(1).await.is_empty());
            assert_eq!(bench.steps(run).await, ["0 held pause"]);
            pause::resume(&operator, &Scope::Lane(lane), asked).await.expect("resumed");
            let again = hand.take("a").await;
            assert!(!again.is_past_deadline() && again.attempt() == 2);
            let left = i64::try_from(again.time_left().as_millis()).expect("a time");
            assert!(left > lane.deadline_ms() - 10_000, "{lane}: {left}");
            bench.sql("DELETE FROM pipeline_steps; DELETE FROM run_stream; DELETE FROM pipeline_events; DELETE FROM pipeline_runs").await;
        }
    })
    .await;
}
