//! Everything at once, by a seed: workers that settle, fail, forget, freeze and come back, while runs are
//! submitted, cancelled and redriven. The rules hold at every look, and at the end all is done.

use std::time::Duration;

use hellosales_core::dead_letter::Automatic;
use hellosales_core::invariant::Scope;
use hellosales_core::queue::settle::Settled;
use hellosales_core::queue::{ClaimedStep, End, Settlement, SnoozeReason, cancel, promote, reap, redrive};
use hellosales_core::run::StatusReason;
use hellosales_core::{OrgId, RunId};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::bench::{Bench, DIAMOND, Hand};
use super::ends::{failed, ok, result, retry};
use crate::harness::check;

const ROUNDS: usize = 60;
const SESSIONS: usize = 3;

/// What a worker does with a step; half of the time what it should.
fn end(rng: &mut StdRng, step: &ClaimedStep) -> End {
    match rng.random_range(0..20) {
        0 => failed(),
        1 | 2 => retry(),
        3 => End::Snooze { delay: Duration::ZERO, reason: SnoozeReason::Budget, detail: String::new() },
        4 => End::GiveBack,
        5 if step.shape().name == "b" => End::Skip { reason: "nothing to do".to_owned() },
        _ => ok(),
    }
}

/// One worker's life: it claims, settles in groups, leaves some for later, and now and then freezes past its lease.
async fn work(bench: &Bench<'_>, hand: &Hand, seed: u64, done: &CancellationToken) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut kept: Vec<Settlement> = Vec::new();
    while !done.is_cancelled() {
        kept.extend(hand.claim(rng.random_range(1..6)).await.into_iter().map(|step| {
            let end = end(&mut rng, &step);
            result(step, end)
        }));
        if rng.random_ratio(1, 6) {
            bench.expire(hand).await;
            reap::reap(&hand.db, hand.worker).await.expect("a reap");
            for doomed in reap::doomed(&hand.db, hand.worker).await.expect("an answer") {
                reap::doom(&hand.db, doomed, &Automatic::default()).await.expect("an answer");
            }
            bench.thaw(hand).await;
        }
        let group = kept.drain(rng.random_range(0..=kept.len())..).collect();
        kept.extend(settle(hand, group).await);
        promote::promote(&hand.db).await.expect("a promotion");
    }
    while !kept.is_empty() {
        kept = settle(hand, kept).await;
    }
}

/// What has to be settled again.
async fn settle(hand: &Hand, group: Vec<Settlement>) -> Vec<Settlement> {
    let mut again = Vec::new();
    for settled in hand.settle(group).await {
        match settled {
            Settled::Later(settlement) => again.push(*settlement),
            Settled::Failed(settlement, error) => {
                let state = error.sqlstate().unwrap_or_else(|| format!("{error:?}"));
                assert!(["55P03", "40P01"].contains(&state.as_str()), "{error:?}");
                assert_ne!(state, "40P01", "the lock order leaves no deadlock");
                again.push(*settlement);
            }
            Settled::Landed { next: Some(next) } => again.push(result(*next, ok())),
            Settled::Landed { next: None } | Settled::LandedBefore { .. } | Settled::Fenced => {}
        }
    }
    again
}

/// The users: they submit, talk, cancel and redrive.
async fn use_it(bench: &Bench<'_>, org: OrgId, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut sessions = Vec::new();
    for _ in 0..SESSIONS {
        sessions.push(bench.session().await);
    }
    let mut runs: Vec<RunId> = Vec::new();
    for n in 0..ROUNDS {
        let session = *sessions.choose(&mut rng).expect("a session");
        runs.push(match n % 3 {
            0 => bench.submit().await,
            _ => match bench.accept(&bench.api, &bench.turn(session, &format!("message {n}"))).await {
                Ok(accepted) => accepted.run_id,
                Err(_) => continue,
            },
        });
        let run = *runs.choose(&mut rng).expect("a run");
        match rng.random_range(0..6) {
            0 => drop(cancel::cancel(&bench.api, org, run, StatusReason::User).await.expect("an answer")),
            1 | 2 => drop(redrive::resume(&bench.api, org, run, "ana").await.expect("an answer")),
            _ => {}
        }
        if n % 10 == 0 {
            check::assert_clean(&check::report(bench.db, Scope::Live, &[&DIAMOND]).await);
        }
    }
}

/// What is left is done by one careful worker.
async fn drain(bench: &Bench<'_>) {
    let hand = bench.hand().await;
    for _ in 0..500 {
        bench.sql("UPDATE pipeline_steps SET available_at = now() WHERE status = 'delayed'").await;
        promote::promote(&hand.db).await.expect("a promotion");
        let steps = hand.claim(10).await;
        let left: Vec<Uuid> = bench.column("SELECT id FROM pipeline_runs WHERE completed_at IS NULL").await;
        if steps.is_empty() && left.is_empty() {
            return;
        }
        for step in steps {
            hand.land_with(result(step, ok())).await;
        }
    }
    panic!("it never ends");
}

async fn everything_at_once(seed: u64) {
    Bench::run(async |bench| {
        let bench: &Bench<'_> = bench;
        let hands = [bench.hand().await, bench.hand().await.taking_over(), bench.hand().await, bench.hand().await];
        let done = CancellationToken::new();
        let workers = (0_u64..).zip(&hands).map(|(n, hand)| work(bench, hand, seed * 100 + n, &done));
        let users = async {
            use_it(bench, bench.org, seed).await;
            done.cancel();
        };
        tokio::join!(futures::future::join_all(workers), users);
        check::assert_clean(&check::report(bench.db, Scope::Live, &[&DIAMOND]).await);
        drain(bench).await;
        bench.check_quiet().await;
        // Enough went wrong that the result means something.
        for mishap in [
            "event_type = 'stage.wide' AND event_data->>'status' = 'crash'",
            "event_type = 'pipeline.wide' AND event_data->>'status' = 'failed'",
            "event_type = 'pipeline.wide' AND event_data->>'status' = 'cancelled'",
        ] {
            let n: i64 = bench.value(&format!("SELECT count(*) FROM pipeline_events WHERE {mishap}")).await;
            assert!(n > 0, "none with {mishap}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_at_once_breaks_no_rule_by_seed_1() {
    everything_at_once(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_at_once_breaks_no_rule_by_seed_2() {
    everything_at_once(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_at_once_breaks_no_rule_by_seed_3() {
    everything_at_once(3).await;
}
