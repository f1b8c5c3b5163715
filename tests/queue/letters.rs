//! Dead letters: what they tell, what is decided of them, and the ways in which their runs live again.

use hellosales_core::dead_letter::{Automatic, Snapshot};
use hellosales_core::pipeline::Pipeline;
use hellosales_core::queue::letter::{self, Changed, Decided, Decision, Standing};
use hellosales_core::queue::redrive::{self, Model, Redrive, Redriven, Refusal, Start};
use hellosales_core::queue::settle::Settled;
use hellosales_core::queue::{Settlement, cancel};
use hellosales_core::run::{RunStatus, StatusReason};
use hellosales_core::{DeadLetterId, ErrorCode, Role, RunId};
use serde_json::{Value, json};
use std::time::Duration;

use super::bench::{Bench, DIAMOND, Hand};
use super::ends::{failed, ok, output, retry};

/// A diamond that failed at b, with a done and c held.
async fn failed_run(bench: &Bench<'_>, hand: &Hand) -> RunId {
    let run = bench.submit().await;
    hand.land(hand.take("a").await, output(json!({"a": 1}))).await;
    hand.land(hand.take("b").await, failed()).await;
    run
}

async fn letter_of(bench: &Bench<'_>, run: RunId) -> DeadLetterId {
    bench
        .value(&format!(
            "SELECT id FROM dead_letter_queue WHERE pipeline_run_id = '{run}' ORDER BY generation DESC LIMIT 1"
        ))
        .await
}

async fn column(bench: &Bench<'_>, letter: DeadLetterId, what: &str) -> Value {
    bench
        .value(&format!("SELECT coalesce(to_jsonb({what}), 'null') FROM dead_letter_queue WHERE id = '{letter}'"))
        .await
}

const fn by(decision: Decision, actor: &str) -> Decided<'_> {
    Decided { decision, actor, user: None, reason: Some("why"), notes: None, operation: None }
}

async fn decide(bench: &Bench<'_>, letter: DeadLetterId, how: &Decided<'_>) -> Changed {
    letter::decide(&bench.api, bench.org, letter, how).await.expect("an answer").0
}

async fn redriven(bench: &Bench<'_>, run: RunId, how: &Redrive<'_>) -> Redriven {
    redrive::redrive(&bench.api, bench.org, run, how).await.expect("an answer").0
}

static KNOWN: [&Pipeline; 1] = [&DIAMOND];

/// A restart of a diamond.
fn restart() -> Redrive<'static> {
    Redrive { from: Start::Start, pipelines: &KNOWN, ..Redrive::new("ana") }
}

#[tokio::test]
async fn a_letter_tells_its_cause_every_attempt_and_what_can_be_played_again() {
    Bench::run(async |bench| {
        let run = bench.submit().await;
        let hand = bench.hand().await;
        hand.land(hand.take("a").await, output(json!({"a": 1}))).await;
        let b = hand.take("b").await;
        let (context, token) = (b.run().as_ref().clone(), b.token());
        bench
            .sql(&format!(
                "INSERT INTO provider_calls (id, org_id, service, operation, provider, model_id, pipeline_run_id, stage, attempt, lease_token,
                   cost_cents, completed_at, error_code)
                 VALUES (gen_random_uuid(), '{}', 'x', 'llm', 'groq', 'm', '{run}', 1, 1, '{token}', 0, now(), 'PROVIDER_TIMEOUT')",
                bench.org
            ))
            .await;
        hand.land(b, failed()).await;
        let letter = letter_of(bench, run).await;
        let whole = column(bench, letter, "dead_letter_queue.*").await;
        assert_eq!((&whole["pipeline"], &whole["provider"], &whole["model_id"]), (&json!("diamond"), &json!("groq"), &json!("m")));
        assert_eq!(whole["fingerprint"].as_str().map(str::len), Some(16));
        let attempts = whole["attempts"].as_array().expect("a list");
        let told: Vec<_> = attempts.iter().map(|one| (one["stage"].as_str(), one["status"].as_str())).collect();
        assert_eq!(told, [(Some("a"), Some("ok")), (Some("b"), Some("fail"))]);
        assert_eq!(attempts[1]["worker_id"], json!(hand.worker));
        assert_eq!(attempts[1]["provider_calls"][0]["error_code"], "PROVIDER_TIMEOUT");
        let snapshot: Snapshot = serde_json::from_value(whole["context_snapshot"].clone()).expect("a snapshot");
        assert_eq!(format!("{:?}", snapshot.context(whole["input_data"].clone())), format!("{context:?}"));
        assert_eq!(snapshot.needs(&DIAMOND), [(0, json!({"a": 1}))].into());

        // The same cause in another run, and the next life of this one.
        let other = failed_run(bench, &hand).await;
        let fingerprint = column(bench, letter_of(bench, other).await, "fingerprint").await;
        assert_eq!(fingerprint, whole["fingerprint"]);
        redriven(bench, run, &Redrive::new("ana")).await;
        hand.land(hand.take("b").await, failed()).await;
        let next = letter_of(bench, run).await;
        assert_eq!(column(bench, next, "previous_id").await, json!(letter));
        assert_eq!(column(bench, next, "retry_count").await, 1);
        assert_eq!(column(bench, next, "jsonb_array_length(attempts)").await, 1, "of its own life only");
    })
    .await;
}

#[tokio::test]
async fn failures_of_the_failed_stage_are_counted_in_its_letter() {
    Bench::run(async |bench| {
        let run = bench.submit().await;
        let hand = bench.hand().await;
        for _ in 0..3 {
            bench.sql("UPDATE pipeline_steps SET status = 'ready', available_at = NULL, delay_reason = NULL WHERE status = 'delayed'").await;
            hand.land(hand.take("a").await, retry()).await;
        }
        let letter = letter_of(bench, run).await;
        assert_eq!(column(bench, letter, "failures").await, 3);
        assert_eq!(column(bench, letter, "jsonb_array_length(attempts)").await, 3);
    })
    .await;
}

#[tokio::test]
async fn of_two_who_decide_one_wins_and_all_is_written_down() {
    Bench::run(async |bench| {
        let hand = bench.hand().await;
        let run = failed_run(bench, &hand).await;
        let letter = letter_of(bench, run).await;
        assert_eq!(decide(bench, letter, &by(Decision::Investigate, "ana")).await, Changed::Now);
        let late = decide(bench, letter, &by(Decision::Investigate, "bea")).await;
        let Changed::InvalidState(Standing::Already { by: winner, .. }) = late else { panic!("{late:?}") };
        assert_eq!(winner.as_deref(), Some("ana"));
        let (resolve, abandon) = (by(Decision::Resolve, "ana"), by(Decision::Abandon, "bea"));
        let (one, two) = tokio::join!(decide(bench, letter, &resolve), decide(bench, letter, &abandon));
        assert!((one == Changed::Now) != (two == Changed::Now), "{one:?} {two:?}");
        assert!(bench.steps(run).await.is_empty(), "what was kept for a redrive is gone");
        assert_eq!(column(bench, letter, "context_snapshot -> 'outputs'").await, json!({"a": {"a": 1}}));
        let written: Vec<String> =
            bench.column("SELECT action || ' ' || actor || ' ' || reason FROM audit_log ORDER BY id").await;
        assert_eq!(written.len(), 2, "{written:?}");
        assert_eq!(written[0], "dead_letter.investigate ana why");
        let hers = by(Decision::Reopen, "eve");
        let of_another = letter::decide(&bench.api, hellosales_core::OrgId::new(), letter, &hers);
        assert_eq!(of_another.await.expect("an answer").0, Changed::NotFound);
    })
    .await;
}

#[tokio::test]
async fn closing_a_letter_takes_its_step_from_whoever_still_works_on_it() {
    Bench::run(async |bench| {
        let run = bench.submit().await;
        let hand = bench.hand().await;
        hand.land(hand.take("a").await, ok()).await;
        let (b, c) = (hand.take("b").await, hand.take("c").await);
        hand.land(b, failed()).await;
        let letter = letter_of(bench, run).await;
        let (changed, wakes) =
            letter::decide(&bench.api, bench.org, letter, &by(Decision::Resolve, "ana")).await.expect("an answer");
        assert_eq!((changed, wakes.cancels), (Changed::Now, vec![run]));
        assert!(matches!(hand.settle_one(Settlement::new(c, ok())).await, Settled::Fenced));
        bench.check_quiet().await;
    })
    .await;
}

#[tokio::test]
async fn a_letter_that_is_opened_again_can_only_begin_from_the_start() {
    Bench::run(async |bench| {
        let hand = bench.hand().await;
        let run = failed_run(bench, &hand).await;
        let letter = letter_of(bench, run).await;
        decide(bench, letter, &by(Decision::Abandon, "ana")).await;
        let closed = redriven(bench, run, &Redrive::new("ana")).await;
        assert!(matches!(closed, Redriven::Refused(Refusal::Closed(_))), "{closed:?}");
        assert_eq!(decide(bench, letter, &by(Decision::Reopen, "ana")).await, Changed::Now);
        assert_eq!(redriven(bench, run, &Redrive::new("ana")).await, Redriven::Refused(Refusal::OnlyFromStart));
        bench.check().await;
        assert_eq!(redriven(bench, run, &restart()).await, Redriven::Restarted { generation: 2 });
        for stage in ["a", "b", "c", "d"] {
            hand.land(hand.take(stage).await, ok()).await;
        }
        assert_eq!(bench.status(run).await, "completed");
        let late = decide(bench, letter, &by(Decision::Reopen, "ana")).await;
        assert_eq!(late, Changed::InvalidState(Standing::Redriven));
        bench.check_quiet().await;
    })
    .await;
}

#[tokio::test]
async fn a_restart_runs_everything_again_by_the_model_that_is_named() {
    Bench::run(async |bench| {
        let hand = bench.hand().await;
        let run = failed_run(bench, &hand).await;
        let how = Redrive { model: Model::This("groq/big"), ..restart() };
        assert_eq!(redriven(bench, run, &how).await, Redriven::Restarted { generation: 2 });
        assert_eq!(bench.steps(run).await, ["0 ready"]);
        let a = hand.take("a").await;
        assert_eq!(a.run().model_override.as_deref(), Some("groq/big"));
        hand.land(a, ok()).await;
        let (b, c) = (hand.take("b").await, hand.take("c").await);
        hand.land(b, failed()).await;
        hand.land(c, ok()).await;
        assert_eq!(redriven(bench, run, &Redrive::new("ana")).await, Redriven::Resumed { generation: 3 });
        let b = hand.take("b").await;
        assert_eq!(b.run().model_override, None, "a redrive that names none goes the usual way");
        hand.land(b, ok()).await;
        hand.land(hand.take("d").await, ok()).await;
        assert_eq!(bench.status(run).await, "completed");
    })
    .await;
}

#[tokio::test]
async fn an_edited_input_is_the_runs_and_the_letter_keeps_the_first() {
    Bench::run(async |bench| {
        let hand = bench.hand().await;
        let run = failed_run(bench, &hand).await;
        let letter = letter_of(bench, run).await;
        let input = json!({"brief": "shorter"});
        let early = Redrive { input: Some(&input), ..Redrive::new("ana") };
        assert_eq!(redriven(bench, run, &early).await, Redriven::Refused(Refusal::InputNeedsStart));
        let how = Redrive { input: Some(&input), ..restart() };
        assert_eq!(redriven(bench, run, &how).await, Redriven::Restarted { generation: 2 });
        assert_eq!(hand.take("a").await.run().input, input);
        assert_eq!(column(bench, letter, "input_data").await, json!({}));
        let written: Value = bench.value("SELECT details FROM audit_log WHERE action = 'dead_letter.redrive'").await;
        assert_eq!((&written["edited_input"], &written["from"]), (&json!(true), &json!("start")));
        assert!(!written.to_string().contains("shorter"));
    })
    .await;
}

#[tokio::test]
async fn what_can_not_live_again_is_told_and_nothing_is_written() {
    Bench::run(async |bench| {
        let hand = bench.hand().await;
        let run = failed_run(bench, &hand).await;
        let letter = letter_of(bench, run).await;
        let unknown = Redrive { from: Start::Start, ..Redrive::new("ana") };
        let before = bench.fingerprint().await;
        assert!(matches!(redriven(bench, run, &unknown).await, Redriven::Refused(Refusal::UnknownPipeline(_))));
        let stale = Redrive { generation: Some(2), ..Redrive::new("ana") };
        assert_eq!(redriven(bench, run, &stale).await, Redriven::InvalidState(RunStatus::Failed));
        assert_eq!(redriven(bench, RunId::new(), &restart()).await, Redriven::NotFound);
        assert_eq!(bench.fingerprint().await, before);
        bench
            .sql(&format!(
                "UPDATE dead_letter_queue SET payload_pruned_at = now(), input_data = NULL WHERE id = '{letter}'"
            ))
            .await;
        for how in [Redrive::new("ana"), restart()] {
            assert_eq!(redriven(bench, run, &how).await, Redriven::Refused(Refusal::PayloadPruned));
        }
    })
    .await;
}

#[tokio::test]
async fn a_chat_turn_goes_on_or_not_at_all() {
    Bench::run(async |bench| {
        let session = bench.session().await;
        let run = bench.say(session, "hello").await;
        let hand = bench.hand().await;
        hand.land(hand.take("input_guard").await, failed()).await;
        let how = Redrive { from: Start::Start, ..Redrive::new("ana") };
        assert_eq!(redriven(bench, run, &how).await, Redriven::Refused(Refusal::ChatTurn));
        let letter = letter_of(bench, run).await;
        assert_eq!(decide(bench, letter, &by(Decision::Resolve, "ana")).await, Changed::Now);
        let again = decide(bench, letter, &by(Decision::Reopen, "ana")).await;
        assert_eq!(again, Changed::InvalidState(Standing::ChatTurn));
    })
    .await;
}

#[tokio::test]
async fn of_two_redrives_and_a_cancel_at_once_one_life_comes_of_it() {
    Bench::run(async |bench| {
        let hand = bench.hand().await;
        for _ in 0..8 {
            let run = failed_run(bench, &hand).await;
            let (resume, begin) = (Redrive::new("ana"), restart());
            let (one, two, _) = tokio::join!(
                redriven(bench, run, &resume),
                redriven(bench, run, &begin),
                cancel::cancel(&bench.api, bench.org, run, StatusReason::User),
            );
            let lives = [one, two]
                .iter()
                .filter(|r| matches!(r, Redriven::Resumed { .. } | Redriven::Restarted { .. }))
                .count();
            assert_eq!(lives, 1);
            let generation: i32 =
                bench.value(&format!("SELECT generation FROM pipeline_runs WHERE id = '{run}'")).await;
            assert_eq!(generation, 2);
            let _gone = cancel::cancel(&bench.api, bench.org, run, StatusReason::User).await.expect("an answer");
        }
        bench.check_quiet().await;
    })
    .await;
}

#[tokio::test]
async fn what_is_set_to_be_is_redriven_by_itself_a_few_times_and_nothing_else() {
    Bench::run(async |bench| {
        let mut hand = bench.hand().await;
        let plain = failed_run(bench, &hand).await;
        hand.automatic = Automatic::default().with(ErrorCode::StageFailed, Duration::from_secs(60));
        let run = failed_run(bench, &hand).await;
        let db = bench.db.pools(Role::Worker);
        for life in 2..=4 {
            let letter = letter_of(bench, run).await;
            let wait = 60 * (1 << (life - 2));
            let due = format!("abs(extract(epoch FROM next_retry_at - created_at) - {wait}) < 1");
            assert_eq!(column(bench, letter, &due).await, true, "twice as long each time");
            assert_eq!(redrive::due(&db, 30_000).await.expect("an answer").0, 0, "not before its time");
            bench.sql("UPDATE dead_letter_queue SET next_retry_at = now() WHERE next_retry_at IS NOT NULL").await;
            let (one, two) = tokio::join!(redrive::due(&db, 30_000), redrive::due(&bench.api, 30_000));
            assert_eq!(one.expect("an answer").0 + two.expect("an answer").0, 1);
            assert_eq!(column(bench, letter, "resolved_by_actor").await, "automatic");
            hand.land(hand.take("b").await, failed()).await;
        }
        assert_eq!(
            column(bench, letter_of(bench, run).await, "next_retry_at").await,
            Value::Null,
            "three times at most"
        );
        assert_eq!(bench.status(plain).await, "failed");
        assert_eq!(column(bench, letter_of(bench, plain).await, "next_retry_at").await, Value::Null);
    })
    .await;
}
