//! A run's events, as they come, resumed without a gap or a repeat.

use std::sync::Arc;

use futures::future::BoxFuture;
use hellosales_core::content::answer::{self, Answer};
use hellosales_core::queue::{ClaimedStep, Effects, Settlement, StreamTail, turn};
use hellosales_core::stream::write::{self, Chunk, Flush};
use hellosales_core::stream::{StreamText, open};
use hellosales_core::{DatabaseError, OrgTx};
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::door::{Door, Event, Person};
use crate::queue::bench::Hand;
use crate::queue::ends::ok;

/// A streaming attempt, played by hand.
pub(super) struct Attempt<'h> {
    hand: &'h Hand,
    step: ClaimedStep,
    major: i32,
    next_minor: i32,
    text: String,
}

impl<'h> Attempt<'h> {
    /// The llm of the turn that is up.
    pub(super) async fn begin(hand: &'h Hand) -> Self {
        for step in hand.claim(3).await {
            hand.land(step, ok()).await;
        }
        let step = hand.take("llm").await;
        let opened = open::open(&hand.db, &step, &StreamText::default()).await.expect("opened").expect("mine");
        Self { hand, step, major: opened.major, next_minor: opened.next_minor, text: String::new() }
    }

    /// Writes a chunk.
    pub(super) async fn write(&mut self, text: &str) {
        let flush = Flush {
            run_id: self.step.run().id,
            stage: self.step.stage(),
            token: self.step.token(),
            attempt: self.step.attempt(),
            major: self.major,
            first_minor: self.next_minor,
            chunks: vec![Chunk::Delta { field: None, text: text.to_owned() }],
        };
        assert_eq!(write::flush(&self.hand.db, &[flush]).await.expect("written").len(), 1);
        self.next_minor += 1;
        self.text.push_str(text);
    }

    /// Ends the turn.
    pub(super) async fn end(self) {
        let text = self.text.clone();
        let tail = StreamTail { major: self.major, last_minor: self.next_minor - 1, text: self.text.into() };
        self.hand.land_with(Settlement::new(self.step, ok()).with_stream(tail)).await;
        self.hand.land(self.hand.take("output_guard").await, ok()).await;
        let persist = self.hand.take("persist").await;
        let effects = Arc::new(Said(answer_of(&persist, text)));
        self.hand.land_with(Settlement::new(persist, ok()).with_effects(effects)).await;
    }
}

/// What persist writes.
struct Said(Answer);

impl Effects for Said {
    fn apply<'a>(&'a self, tx: &'a mut OrgTx<'_>) -> BoxFuture<'a, Result<(), DatabaseError>> {
        Box::pin(async move { answer::insert(tx, &self.0).await.map(drop) })
    }
}

fn answer_of(persist: &ClaimedStep, content: String) -> Answer {
    let run = persist.run();
    Answer {
        id: turn::answer_id(run.id),
        session_id: run.session_id.expect("a turn"),
        run_id: run.id,
        user_interaction_id: run.interaction_id.expect("a turn"),
        sequence_number: run.user_sequence.expect("a turn") + 1,
        content,
        filtered: false,
        llm_provider_call_id: None,
    }
}

async fn asked(ana: &Person) -> String {
    let session = ana.session().await;
    ana.say(&session, "hello").await["id"].as_str().expect("an id").to_owned()
}

fn deltas(events: &[Event]) -> String {
    let deltas = events.iter().filter(|event| event.name == "output.delta");
    deltas.filter_map(|event| event.data["delta"].as_str()).collect()
}

#[tokio::test]
async fn a_follower_has_a_snapshot_then_every_event_then_the_whole_run() {
    Door::run(async |door| {
        let ana = door.ana();
        let run = asked(&ana).await;
        let hand = door.bench.hand().await;
        let mut attempt = Attempt::begin(&hand).await;
        attempt.write("Hello ").await;
        let mut events = ana.follow(&run, None).await;
        let snapshot = events.expect("run.snapshot").await;
        assert_eq!((snapshot.data["text"].as_str(), snapshot.data["attempt"].as_i64()), (Some("Hello "), Some(1)));
        assert_eq!(
            (snapshot.data["run"]["id"].as_str(), snapshot.id),
            (Some(run.as_str()), snapshot.data["seq"].as_i64())
        );
        attempt.write("Ana").await;
        assert_eq!(events.expect("output.delta").await.data["delta"], "Ana");
        attempt.end().await;
        let rest = events.rest().await;
        let last = rest.last().expect("an event");
        assert_eq!((last.name.as_str(), last.data["run"]["status"].as_str()), ("run.completed", Some("completed")));
        assert_eq!(last.data["run"], ana.get(&format!("/runs/{run}")).await.expect(StatusCode::OK));
        let past = ana
            .request(Method::GET, &format!("/runs/{run}/events?after={}", last.id.expect("an id")))
            .send()
            .await
            .expect("an answer");
        assert_eq!(past.status(), StatusCode::NO_CONTENT);
    })
    .await;
}

#[tokio::test]
async fn a_stream_cut_anywhere_is_resumed_without_a_gap_or_a_repeat() {
    Door::run(async |door| {
        let ana = door.ana();
        let run = asked(&ana).await;
        let hand = door.bench.hand().await;
        let mut attempt = Attempt::begin(&hand).await;
        for n in 0..300 {
            attempt.write(&format!("{n} ")).await;
        }
        attempt.end().await;
        let whole = ana.follow(&run, Some(0)).await.rest().await;
        assert_eq!(whole.first().map(|event| event.name.as_str()), Some("run.started"));
        assert_eq!(deltas(&whole), (0..300).map(|n| format!("{n} ")).collect::<String>());
        let ids: Vec<i64> = whole.iter().filter_map(|event| event.id).collect();
        assert!(ids.is_sorted_by(|a, b| a < b));
        for cut in [0, 1, 7, 150, ids.len() - 2] {
            let request =
                ana.request(Method::GET, &format!("/runs/{run}/events?after=0")).header("last-event-id", ids[cut]);
            let response = request.send().await.expect("an answer").text().await.expect("a body");
            let resumed: Vec<i64> =
                response.lines().filter_map(|line| line.strip_prefix("id: ")?.parse().ok()).collect();
            assert_eq!(resumed, ids[cut + 1..]);
        }
    })
    .await;
}

#[tokio::test]
async fn a_follower_of_an_old_run_has_what_is_stored_and_its_end() {
    Door::run(async |door| {
        let ana = door.ana();
        let run = asked(&ana).await;
        let hand = door.bench.hand().await;
        let mut attempt = Attempt::begin(&hand).await;
        attempt.write("Hello").await;
        attempt.end().await;
        door.bench
            .sql(&format!(
                "UPDATE pipeline_runs SET created_at = now() - interval '3 hours', completed_at = now() - interval '2 hours' WHERE id = '{run}'"
            ))
            .await;
        for after in [None, Some(1_000_000)] {
            let events = ana.follow(&run, after).await.rest().await;
            let names: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
            assert_eq!(names, ["run.snapshot", "run.completed"]);
            assert_eq!(events[0].data["text"], "Hello");
            assert!(events[0].id < events[1].id);
        }
        // The run had not ended before it began: the rules are asked about that, too.
        door.bench
            .sql("UPDATE pipeline_runs SET created_at = created_at + interval '3 hours', completed_at = completed_at + interval '2 hours'")
            .await;
    })
    .await;
}

#[tokio::test]
async fn a_redriven_run_is_followed_past_the_end_of_its_first_life() {
    Door::run(async |door| {
        let ana = door.ana();
        let run = asked(&ana).await;
        let hand = door.bench.hand().await;
        hand.land(hand.take("input_guard").await, crate::queue::ends::failed()).await;
        let first = ana.follow(&run, None).await.rest().await;
        let failed = first.last().expect("an event");
        assert_eq!((failed.name.as_str(), failed.data["generation"].as_i64()), ("run.failed", Some(1)));
        assert_eq!(failed.data["run"]["error"]["code"], "STAGE_FAILED");
        ana.post(&format!("/runs/{run}/retry"), &json!({})).await.expect(StatusCode::ACCEPTED);
        let mut events = ana.follow(&run, failed.id).await;
        assert_eq!(events.expect("run.redriven").await.data["generation"], 2);
        let attempt = Attempt::begin(&hand).await;
        attempt.end().await;
        let last = events.rest().await.pop().expect("an event");
        assert_eq!((last.name.as_str(), last.data["generation"].as_i64()), ("run.completed", Some(2)));
    })
    .await;
}

#[tokio::test]
async fn a_stream_says_that_nobody_may_store_or_change_it() {
    Door::run(async |door| {
        let ana = door.ana();
        let run = asked(&ana).await;
        let response = ana.request(Method::GET, &format!("/runs/{run}/events")).send().await.expect("an answer");
        for (name, value) in [
            ("content-type", "text/event-stream"),
            ("cache-control", "no-store, no-transform"),
            ("x-accel-buffering", "no"),
        ] {
            assert_eq!(response.headers()[name], value);
        }
        super::door::Answer::of(ana.request(Method::GET, &format!("/runs/{run}/events")).header("last-event-id", "x"))
            .await
            .problem(400, "MALFORMED_REQUEST");
        ana.get(&format!("/runs/{run}/events?after=-1")).await.problem(422, "VALIDATION_FAILED");
    })
    .await;
}

#[tokio::test]
async fn a_person_follows_a_bounded_number_of_streams() {
    Door::run_with(
        |config| config.streams_per_user = 2,
        async |door| {
            let ana = door.ana();
            let run = asked(&ana).await;
            let mut open = Vec::new();
            for _ in 0..2 {
                let mut events = ana.follow(&run, None).await;
                events.expect("run.snapshot").await;
                open.push(events);
            }
            ana.get(&format!("/runs/{run}/events")).await.problem(429, "RATE_LIMITED");
        },
    )
    .await;
}
