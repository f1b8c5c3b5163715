//! One feed for a page: how a person's runs and batches stand, without their text.

use std::time::Duration;

use hellosales_api::{Api, ApiConfig};
use hellosales_core::Role;
use hellosales_simulator::{Role as TokenRole, TokenRequest};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::batches::{clients, fail, id, stands, submit, write_email};
use super::door::{Answer, Door, Event, Events, Person};
use super::events::Attempt;
use crate::queue::ends::failed;

async fn asked(person: &Person) -> String {
    let session = person.session().await;
    person.say(&session, "hello from Ana").await["id"].as_str().expect("an id").to_owned()
}

/// What is told of a run, until it stands so. Nothing else may come between.
async fn until(events: &mut Events, run: &str, status: &str) -> Vec<Event> {
    let mut heard = Vec::new();
    loop {
        let event = events.expect("run.updated").await;
        assert_eq!((&event.data["run_id"], &event.data["run"]["id"]), (&json!(run), &json!(run)));
        assert_eq!((&event.data["seq"], event.data["run"]["object"].as_str()), (&json!(event.id), Some("run")));
        heard.push(event);
        if heard.last().is_some_and(|event| event.data["run"]["status"] == status) {
            return heard;
        }
    }
}

/// A run without what it made, as the feed shows it.
fn without_result(mut run: Value) -> Value {
    run["result"] = Value::Null;
    run
}

#[tokio::test]
async fn a_page_hears_of_every_status_of_its_persons_runs_and_no_text() {
    Door::run(async |door| {
        let ana = door.ana();
        let mut events = ana.events("/events").await;
        let run = asked(&ana).await;
        until(&mut events, &run, "queued").await;
        let hand = door.bench.hand().await;
        let mut attempt = Attempt::begin(&hand).await;
        until(&mut events, &run, "running").await;
        attempt.write("Dear reader").await;
        attempt.end().await;
        let end = until(&mut events, &run, "completed").await.pop().expect("an event");
        let whole = ana.get(&format!("/runs/{run}")).await.expect(StatusCode::OK);
        assert_eq!(whole["result"]["content"], "Dear reader");
        assert_eq!(end.data["run"], without_result(whole));
        assert!(!end.data.to_string().contains("Dear reader"));

        // Whoever comes now hears how it stands, whether with a position or without.
        for path in ["/events".to_owned(), format!("/events?after={}", end.id.expect("a position"))] {
            let mut again = ana.events(&path).await;
            assert_eq!(until(&mut again, &run, "completed").await.len(), 1);
        }
    })
    .await;
}

#[tokio::test]
async fn a_failed_run_that_is_tried_again_is_told_in_its_next_life() {
    Door::run(async |door| {
        let ana = door.ana();
        let run = asked(&ana).await;
        let hand = door.bench.hand().await;
        hand.land(hand.take("input_guard").await, failed()).await;
        // It failed so long ago that the page that comes now doesn't show it.
        door.bench
            .sql("UPDATE pipeline_runs SET created_at = now() - interval '1 hour', completed_at = now() - interval '30 minutes'")
            .await;
        let mut events = ana.events("/events").await;
        let other = asked(&ana).await;
        until(&mut events, &other, "queued").await;
        ana.post(&format!("/runs/{run}/retry"), &json!({})).await.expect(StatusCode::ACCEPTED);
        let told = until(&mut events, &run, "queued").await;
        assert_eq!(told[0].data["run"]["generation"], 2);
        door.bench.sql("UPDATE pipeline_runs SET created_at = now()").await;
    })
    .await;
}

#[tokio::test]
async fn what_others_do_is_not_told() {
    Door::run(async |door| {
        let (ana, ben) = (door.ana(), door.person("Acme", "Ben", TokenRole::Admin));
        let eve = door.person("Umbrella", "Eve", TokenRole::Admin);
        let mut feeds = Vec::new();
        for person in [&ana, &ben, &eve] {
            feeds.push(person.events("/events").await);
        }
        let mut runs = Vec::new();
        for person in [&eve, &ben, &ana] {
            runs.push(asked(person).await);
        }
        // Each hears of one run, its own; when that is cancelled the other two were told of long ago, had they been.
        for (feed, (person, run)) in feeds.iter_mut().zip([(&ana, &runs[2]), (&ben, &runs[1]), (&eve, &runs[0])]) {
            until(feed, run, "queued").await;
            person.post(&format!("/runs/{run}/cancel"), &json!({})).await.expect(StatusCode::OK);
            until(feed, run, "cancelled").await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_batch_is_told_as_one_and_its_runs_are_not() {
    Door::run_by_hand(async |door| {
        let (ana, ben) = (door.ana(), door.person("Acme", "Ben", TokenRole::Member));
        let ids = clients(door, &ana, 3).await;
        let mut events = ana.events("/events").await;
        let mut others = ben.events("/events").await;
        let batch = submit(&ana, &ids).await;
        let batch = id(&batch);
        let first = events.expect("batch.updated").await;
        assert_eq!((&first.data["batch_id"], &first.data["batch"]["id"]), (&json!(batch), &json!(batch)));
        assert_eq!(first.data["batch"]["counts"]["queued"], 3);
        write_email(door, batch, 0, "s", "b").await;
        assert_eq!(events.expect("batch.updated").await.data["batch"]["counts"]["completed"], 1);
        write_email(door, batch, 1, "s", "b").await;
        // A run of the batch, which is ana's: it is not told.
        fail(door, batch, 2).await;
        door.bench
            .sql(&format!(
                "UPDATE pipeline_runs SET user_id = (SELECT created_by FROM email_batches WHERE id = '{batch}')"
            ))
            .await;
        stands(door, batch, "completed").await;
        let mut last = events.expect("batch.updated").await;
        while last.data["batch"]["status"] != "completed" {
            last = events.expect("batch.updated").await;
        }
        assert_eq!(last.data["batch"], ana.get(&format!("/email-batches/{batch}")).await.expect(StatusCode::OK));
        // A new round is told, too.
        ana.post(&format!("/email-batches/{batch}/retry-failed"), &json!({})).await.expect(StatusCode::OK);
        assert_eq!(events.expect("batch.updated").await.data["batch"]["round"], 2);
        // Ben has heard of nothing but his own.
        let run = asked(&ben).await;
        until(&mut others, &run, "queued").await;
    })
    .await;
}

#[tokio::test]
async fn one_who_was_away_hears_at_another_api_of_all_that_ended_meanwhile() {
    Door::run_by_hand(async |door| {
        let ana = door.ana();
        let ids = clients(door, &ana, 1).await;
        let (run, batch) = (asked(&ana).await, submit(&ana, &ids).await);
        let batch = id(&batch);
        let mut events = ana.events("/events").await;
        let position = until(&mut events, &run, "queued").await[0].id.expect("a position");
        events.expect("batch.updated").await;
        drop(events);
        ana.post(&format!("/runs/{run}/cancel"), &json!({})).await.expect(StatusCode::OK);
        write_email(door, batch, 0, "s", "b").await;
        stands(door, batch, "completed").await;
        // Ten minutes pass.
        door.bench
            .sql(
                "UPDATE pipeline_runs SET created_at = created_at - interval '10 minutes', completed_at = completed_at - interval '10 minutes';
                 UPDATE email_batches SET completed_at = completed_at - interval '10 minutes'",
            )
            .await;
        let position = position - 2 * 600_000_000;
        let live = asked(&ana).await;

        let config = ApiConfig { shutdown_grace: Duration::from_secs(5), ..door.config() };
        let other =
            Api::bind(config, door.bench.db.pools(Role::Api), door.bench.db.pools(Role::Fanout)).await.expect("an api");
        let (address, stop) = (other.local_addr(), CancellationToken::new());
        let serving = tokio::spawn(other.run(stop.clone()));
        let elsewhere = ana.at(address);
        let mut events = elsewhere.events(&format!("/events?after={position}")).await;
        until(&mut events, &run, "cancelled").await;
        let ended = events.expect("batch.updated").await;
        assert_eq!((&ended.data["batch_id"], ended.data["batch"]["status"].as_str()), (&json!(batch), Some("completed")));
        until(&mut events, &live, "queued").await;
        // One who comes without a position hears of what is under way.
        until(&mut elsewhere.events("/events").await, &live, "queued").await;
        stop.cancel();
        let closing = events.rest().await.pop().expect("a last event");
        assert_eq!((closing.name.as_str(), &closing.data["reason"]), ("stream.closing", &json!("server_shutdown")));
        serving.await.expect("the other api stops");
    })
    .await;
}

#[tokio::test]
async fn a_feed_ends_with_its_token_and_is_bounded_and_strict_like_other_streams() {
    Door::run_with(
        |config| config.streams_per_user = 1,
        async |door| {
            let mut request = TokenRequest::new("Acme", "Ana", TokenRole::Member);
            request.expires_in = Duration::from_secs(2);
            let ana = door.bearer(door.issuer.token(&request));
            let events = ana.events("/events").await;
            ana.get("/events").await.problem(429, "RATE_LIMITED");
            let closing = events.rest().await.pop().expect("a last event");
            assert_eq!((closing.name.as_str(), &closing.data["reason"]), ("stream.closing", &json!("token_expiring")));
            assert_eq!((closing.id, &closing.data["seq"]), (None, &Value::Null));

            let ben = door.person("Acme", "Ben", TokenRole::Member);
            ben.get("/events?after=-1").await.fault("/after", "out_of_range");
            ben.get("/events?items=true").await.problem(422, "VALIDATION_FAILED");
            Answer::of(ben.request(Method::GET, "/events").header("last-event-id", "x"))
                .await
                .problem(400, "MALFORMED_REQUEST");
            let mut request = TokenRequest::new("Acme", "Cem", TokenRole::Member);
            request.permissions = vec!["content:read".to_owned()];
            door.bearer(door.issuer.token(&request)).get("/events").await.problem(403, "INSUFFICIENT_PERMISSIONS");
        },
    )
    .await;
}
