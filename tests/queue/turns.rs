//! Turns of a session: worked one after another, in the order accepted.

use hellosales_core::queue::redrive::{self, Redriven};
use hellosales_core::queue::settle::Settled;
use hellosales_core::queue::turn::{MAX_WAITING, TurnError};
use hellosales_core::queue::{ClaimedStep, Settlement};
use hellosales_core::{RunId, SessionId};

use super::bench::{Bench, Hand};
use super::ends::{Answer, failed, ok};

async fn up_to_persist(hand: &Hand) -> ClaimedStep {
    for stage in ["input_guard", "profile_enrich", "summary_enrich", "llm", "output_guard"] {
        hand.land(hand.take(stage).await, ok()).await;
    }
    hand.take("persist").await
}

async fn active(bench: &Bench<'_>, session: SessionId) -> Option<uuid::Uuid> {
    bench.value(&format!("SELECT active_run_id FROM sessions WHERE id = '{session}'")).await
}

#[tokio::test]
async fn rule_10_ten_messages_at_once_are_answered_one_after_another_in_order() {
    Bench::run(async |bench| {
        let session = bench.session().await;
        let texts: Vec<String> = (0..10).map(|n| format!("message {n}")).collect();
        let turns: Vec<_> = texts.iter().map(|text| bench.turn(session, text)).collect();
        let accepted = futures::future::join_all(turns.iter().map(|turn| bench.accept(&bench.api, turn))).await;
        assert!(accepted.iter().all(Result::is_ok));
        bench.check().await;

        let hands = [bench.hand().await, bench.hand().await, bench.hand().await];
        let order: Vec<uuid::Uuid> = bench.column("SELECT id FROM pipeline_runs ORDER BY turn").await;
        for &run in &order {
            // Nobody finds anything but the active turn's.
            let mut steps = hands[0].claim(100).await;
            assert!(steps.iter().all(|step| step.run().id.uuid() == run) && steps.len() == 3);
            assert!(hands[1].claim(100).await.is_empty());
            hands[0].land(steps.remove(0), ok()).await;
            hands[0].land(steps.remove(0), ok()).await;
            hands[0].land(steps.remove(0), ok()).await;
            hands[2].land(hands[2].take("llm").await, ok()).await;
            bench.check().await;
            hands[1].answer().await;
        }
        let completed: Vec<uuid::Uuid> =
            bench.column("SELECT id FROM pipeline_runs WHERE status = 'completed' ORDER BY completed_at").await;
        assert_eq!(completed, order);
        bench.check_quiet().await;
    })
    .await;
}

/// A turn is accepted, and the turn before it ends; whoever came first, the new one goes next.
async fn accept_against_the_end_of_the_turn_before(accept_first: bool) {
    Bench::run(async |bench| {
        let session = bench.session().await;
        bench.say(session, "one").await;
        let hand = bench.hand().await;
        let persist = up_to_persist(&hand).await;
        let answer = Answer::of(&persist);
        let next = bench.turn(session, "two");
        let lock = bench.lock(&format!("SELECT 1 FROM sessions WHERE id = '{session}'")).await;
        let settle = async {
            bench.blocked(i64::from(accept_first)).await;
            hand.settle_one(Settlement::new(persist, ok()).with_effects(answer)).await
        };
        let accept = async {
            bench.blocked(i64::from(!accept_first)).await;
            bench.accept(&bench.api, &next).await
        };
        let release = async {
            bench.blocked(2).await;
            drop(lock);
        };
        let (settled, accepted, ()) = tokio::join!(settle, accept, release);
        assert!(matches!(settled, Settled::Landed { .. }), "{settled:?}");
        // Who is accepted behind an active turn wakes nobody: the end of that turn does.
        assert_eq!(accepted.expect("accepted").wakes.is_empty(), accept_first);
        assert_eq!(active(bench, session).await, Some(next.run_id.uuid()));
        hand.answer().await;
        assert_eq!(bench.status(next.run_id).await, "completed");
        bench.check_quiet().await;
    })
    .await;
}

#[tokio::test]
async fn rule_10_a_turn_accepted_just_before_the_end_of_the_one_before_goes_next() {
    accept_against_the_end_of_the_turn_before(true).await;
}

#[tokio::test]
async fn rule_10_a_turn_accepted_just_after_the_end_of_the_one_before_goes_at_once() {
    accept_against_the_end_of_the_turn_before(false).await;
}

#[tokio::test]
async fn rule_10_a_failed_turn_lets_the_next_one_through_and_comes_back_before_later_ones() {
    Bench::run(async |bench| {
        let session = bench.session().await;
        let runs: [RunId; 3] =
            [bench.say(session, "one").await, bench.say(session, "two").await, bench.say(session, "three").await];
        let hand = bench.hand().await;
        hand.land(hand.take("input_guard").await, failed()).await;
        assert_eq!(active(bench, session).await, Some(runs[1].uuid()));
        let (redriven, _) = redrive::resume(&bench.api, bench.org, runs[0], "ana").await.expect("an answer");
        assert_eq!(redriven, Redriven::Resumed { generation: 2 });
        assert!(bench.steps(runs[0]).await.iter().all(|step| step.ends_with("held turn")));
        bench.check().await;

        hand.answer().await;
        assert_eq!(bench.status(runs[1]).await, "completed");
        assert_eq!(active(bench, session).await, Some(runs[0].uuid()), "the lowest goes next");
        bench.check().await;
        hand.answer().await;
        hand.answer().await;
        assert_eq!(bench.status(runs[0]).await, "completed");
        assert_eq!(bench.status(runs[2]).await, "completed");
        bench.check_quiet().await;
    })
    .await;
}

#[tokio::test]
async fn a_turns_time_starts_when_it_is_its_turn() {
    Bench::run(async |bench| {
        let session = bench.session().await;
        bench.say(session, "one").await;
        let second = bench.say(session, "two").await;
        let hand = bench.hand().await;
        bench
            .sql(&format!(
                "UPDATE pipeline_steps SET deadline_at = now() - interval '1 hour' WHERE run_id = '{second}'"
            ))
            .await;
        hand.answer().await;
        let guard = hand.take("input_guard").await;
        assert_eq!(guard.run().id, second);
        assert!(!guard.is_past_deadline() && guard.time_left().as_secs() > 290);
    })
    .await;
}

#[tokio::test]
async fn at_most_twenty_turns_wait_and_an_ended_session_takes_none() {
    Bench::run(async |bench| {
        let session = bench.session().await;
        for n in 0..=MAX_WAITING {
            bench.say(session, &format!("{n}")).await;
        }
        let more = bench.accept(&bench.api, &bench.turn(session, "more")).await;
        assert!(matches!(more, Err(TurnError::TooManyWaiting)));
        let ended = bench.session().await;
        bench.sql(&format!("UPDATE sessions SET state = 'ended', ended_at = now() WHERE id = '{ended}'")).await;
        assert!(matches!(bench.accept(&bench.api, &bench.turn(ended, "hi")).await, Err(TurnError::SessionEnded)));
        let nowhere = bench.turn(SessionId::new(), "hi");
        assert!(matches!(bench.accept(&bench.api, &nowhere).await, Err(TurnError::SessionNotFound)));
    })
    .await;
}

#[tokio::test]
async fn a_message_said_twice_is_one_turn_and_its_id_is_its_own() {
    Bench::run(async |bench| {
        let session = bench.session().await;
        let first = bench.turn(session, "hello");
        let again = bench.turn(session, "hello");
        let mut other = bench.turn(session, "other words");
        other.message_id.clone_from(&first.message_id);
        assert!(!bench.accept(&bench.api, &first).await.expect("accepted").replayed);
        let replayed = bench.accept(&bench.api, &again).await.expect("accepted");
        assert!(replayed.replayed && replayed.run_id == first.run_id);
        assert!(matches!(bench.accept(&bench.api, &other).await, Err(TurnError::MessageIdReused)));
        assert_eq!(bench.value::<i64>("SELECT count(*) FROM pipeline_runs").await, 1);
    })
    .await;
}
