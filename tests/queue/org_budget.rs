//! An organisation's budget: reserved before each call, used by what it took, and never passed, whatever happens.

use futures::future::join_all;
use hellosales_core::budget::{self, Change, Exceeded, Limits, Measure, OnExceeded, Span};
use hellosales_core::provider_call::{self, NewCall, Opened};
use hellosales_core::queue::ClaimedStep;
use hellosales_core::queue::submit::NewRun;
use hellosales_core::{BatchId, ProviderCallId, Role, RunId};
use rust_decimal::Decimal;

use super::bench::{Bench, Cut, Hand, LINE};
use super::budget::{COST, call, end};
use super::ends::ok;

async fn submit(bench: &Bench<'_>, count: usize) {
    for _ in 0..count {
        let run = NewRun { pipeline: &LINE, ..NewRun::new(RunId::new(), &Cut {}, 1, 30_000).expect("JSON") };
        bench.submit_run(&run).await;
    }
}

fn of(bench: &Bench<'_>, steps: &[ClaimedStep]) -> Vec<NewCall> {
    steps.iter().map(|step| NewCall { batch_id: None, ..call(bench, step, BatchId::new()) }).collect()
}

async fn set(bench: &Bench<'_>, change: Change) -> budget::Changed {
    let operator = bench.db.pools(Role::Operator);
    budget::set(&operator, bench.org, &change, "operator:dana", Some("r")).await.expect("set").0
}

fn a_day(cents: &str) -> Change {
    Change { cents_per_day: Some(Some(cents.parse().expect("cents"))), ..Change::default() }
}

/// Each by a transaction of its own, all at once.
async fn open_all(hand: &Hand, calls: &[NewCall]) -> Vec<Opened> {
    let opened = calls.iter().map(async |call| provider_call::open_group(&hand.db, &[call]).await.expect("an answer"));
    join_all(opened).await.into_iter().flatten().collect()
}

async fn one(hand: &Hand, call: &NewCall) -> Opened {
    let again = NewCall { id: ProviderCallId::new(), ..call.clone() };
    provider_call::open_group(&hand.db, &[&again]).await.expect("an answer")[0]
}

fn exceeded(opened: Opened) -> Exceeded {
    match opened {
        Opened::OverOrgBudget(exceeded) => exceeded,
        other => panic!("{other:?}"),
    }
}

/// Requests, cents used and cents held, of today.
async fn day(bench: &Bench<'_>) -> String {
    let sql = "SELECT concat_ws(' ', requests, trim_scale(cents), trim_scale(reserved_cents), tokens, reserved_tokens)
        FROM budget_windows WHERE span = 'day'";
    bench.value(sql).await
}

#[tokio::test]
async fn sixty_four_calls_at_once_never_overspend_and_a_killed_worker_gives_back_what_it_held() {
    Bench::run(async |bench| {
        submit(bench, 64).await;
        set(bench, a_day("7.5")).await;
        let (worker, doomed) = (bench.hand().await, bench.hand().await);
        let (mine, theirs) = (worker.claim(32).await, doomed.claim(32).await);
        let (my_calls, their_calls) = (of(bench, &mine), of(bench, &theirs));
        let (my_opened, their_opened) = tokio::join!(open_all(&worker, &my_calls), open_all(&doomed, &their_calls));
        let open = |opened: &[Opened]| opened.iter().filter(|opened| **opened == Opened::Open).count();
        assert_eq!(open(&my_opened) + open(&their_opened), 10, "0.7 goes ten times into 7.5");
        let refused = my_opened.iter().chain(&their_opened).copied().find(|opened| *opened != Opened::Open);
        assert!(exceeded(refused.expect("one")).may_come_back);
        assert_eq!(day(bench).await, "10 0 7 0 200");

        // One worker dies in mid-call; the other's calls end, in a group.
        let ended: Vec<_> = my_calls.iter().zip(&my_opened).filter(|(_, opened)| **opened == Opened::Open).collect();
        let cost = end(COST);
        let closing: Vec<_> = ended.iter().map(|(call, _)| (call.id, &cost)).collect();
        provider_call::close_group(&worker.db, &closing).await.expect("closed");
        bench.expire(&doomed).await;
        let taken = "UPDATE pipeline_steps SET status = 'ready', crashes = 1, worker_id = NULL, claimed_at = NULL, must_end_by = NULL,
            lease_token = NULL WHERE worker_id";
        bench.sql(&format!("{taken} = '{}'", doomed.worker)).await;
        let left = provider_call::left_by(&worker.db, doomed.worker).await.expect("read");
        assert_eq!(left.len(), open(&their_opened));
        provider_call::close_orphans(&worker.db, left, |_| (0, COST)).await.expect("closed");
        assert!(day(bench).await.starts_with("10 2 0 "), "{}", day(bench).await);

        // What was not used goes round again, until a call doesn't fit any more; then it says so, until midnight.
        let mut opened = 0;
        let last = loop {
            let again = NewCall { id: ProviderCallId::new(), ..my_calls[0].clone() };
            match provider_call::open_group(&worker.db, &[&again]).await.expect("an answer")[0] {
                Opened::Open => assert!(provider_call::close(&worker.db, again.id, &cost).await.expect("closed")),
                other => break exceeded(other),
            }
            opened += 1;
        };
        assert_eq!((opened, last.span, last.measure, last.may_come_back), (25, Span::Day, Measure::Cents, false));
        assert!(day(bench).await.starts_with("35 7 0 "), "{}", day(bench).await);
        for step in mine {
            worker.land(step, ok()).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_budget_counts_what_was_used_before_it_and_gives_back_what_was_open_when_it_was_set() {
    Bench::run(async |bench| {
        submit(bench, 2).await;
        let hand = bench.hand().await;
        let steps = hand.claim(2).await;
        let calls = of(bench, &steps);
        assert_eq!(open_all(&hand, &calls).await, [Opened::Open; 2]);
        assert!(provider_call::close(&hand.db, calls[0].id, &end(COST)).await.expect("closed"));
        assert_eq!(
            bench.value::<i64>("SELECT count(*) FROM budget_windows").await,
            0,
            "nobody counts without a budget"
        );
        set(bench, a_day("1")).await;
        assert_eq!(day(bench).await, "2 0.2 0.7 11 20");
        assert!(exceeded(one(&hand, &calls[0]).await).may_come_back);
        assert!(provider_call::close(&hand.db, calls[1].id, &end(COST)).await.expect("closed"));
        assert_eq!(day(bench).await, "2 0.4 0 22 0");

        // Lowered below what is used, nothing goes; lifted, nothing is counted.
        let changed = set(bench, a_day("0.1")).await;
        assert_eq!(changed.before, Limits { cents_per_day: Some(Decimal::ONE), ..Limits::default() });
        let too_small = exceeded(one(&hand, &calls[0]).await);
        assert_eq!(
            too_small.to_string(),
            "one call may take 0.7 cents, more than the organisation's budget of 0.1 cents a day"
        );
        set(bench, Change { lift_all: true, ..Change::default() }).await;
        assert_eq!(one(&hand, &calls[0]).await, Opened::Open);
        assert_eq!(day(bench).await, "2 0.4 0 22 0");
        assert_eq!(bench.value::<i64>("SELECT count(*) FROM audit_log WHERE action = 'budget.set'").await, 3);
        for step in steps {
            hand.land(step, ok()).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_minute_slides() {
    Bench::run(async |bench| {
        submit(bench, 1).await;
        let hand = bench.hand().await;
        let steps = hand.claim(1).await;
        let calls = of(bench, &steps);
        set(bench, Change { requests_per_minute: Some(Some(2)), ..Change::default() }).await;
        assert_eq!([one(&hand, &calls[0]).await, one(&hand, &calls[0]).await], [Opened::Open; 2]);
        let third = exceeded(one(&hand, &calls[0]).await);
        assert_eq!((third.span, third.measure, third.may_come_back), (Span::Minute, Measure::Requests, false));
        assert!((59..=65).contains(&third.wait.as_secs()), "{third:?}");
        // A minute later.
        bench
            .sql(
                "UPDATE budget_windows SET starts_at = starts_at - interval '65 seconds' WHERE span = 'slice';
                 UPDATE provider_calls SET counted_at = counted_at - interval '65 seconds'",
            )
            .await;
        assert_eq!(one(&hand, &calls[0]).await, Opened::Open);
        for step in steps {
            hand.land(step, ok()).await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_organisation_without_a_budget_gets_the_settings_and_an_operators_word_stands_above_them() {
    Bench::run(async |bench| {
        submit(bench, 1).await;
        let hand = bench.hand().await;
        let steps = hand.claim(1).await;
        let calls = of(bench, &steps);
        let limits = Limits { cents_per_day: Some(Decimal::ONE), ..Limits::default() };
        budget::set_defaults(&hand.db, &limits, OnExceeded::Snooze).await.expect("set");
        assert_eq!(one(&hand, &calls[0]).await, Opened::Open);
        assert!(exceeded(one(&hand, &calls[0]).await).may_come_back);
        // Another worker starts with more; then an operator lifts it, and the settings change nothing any more.
        let more = Limits { cents_per_day: Some(Decimal::TWO), ..Limits::default() };
        budget::set_defaults(&hand.db, &more, OnExceeded::Snooze).await.expect("set");
        assert_eq!(one(&hand, &calls[0]).await, Opened::Open);
        set(bench, Change { lift_all: true, ..Change::default() }).await;
        budget::set_defaults(&hand.db, &limits, OnExceeded::Refuse).await.expect("set");
        assert_eq!(one(&hand, &calls[0]).await, Opened::Open);
        let rows = "SELECT string_agg(concat_ws(' ', is_default, is_limited, on_exceeded), ',') FROM budgets";
        assert_eq!(bench.value::<String>(rows).await, "f f snooze");
        budget::set_defaults(&hand.db, &Limits::default(), OnExceeded::Snooze).await.expect("set");
        assert_eq!(bench.value::<i64>("SELECT count(*) FROM budget_defaults").await, 0);
        for step in steps {
            hand.land(step, ok()).await;
        }
    })
    .await;
}
