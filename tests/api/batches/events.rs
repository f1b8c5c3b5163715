//! A batch, followed: absolute counts, its items, one end a round.

use std::time::{Duration, Instant};

use hellosales_api::{Api, ApiConfig};
use hellosales_core::Role;
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::super::door::{Door, Event, Person};
use super::{clients, fail, id, stands, submit, write_email};

async fn status(person: &Person, path: &str) -> StatusCode {
    person.request(Method::GET, path).send().await.expect("an answer").status()
}

#[tokio::test]
async fn counts_are_absolute_and_the_end_of_a_round_is_told_once() {
    Door::run_by_hand(async |door| {
        let ana = door.ana();
        let ids = clients(door, &ana, 3).await;
        let batch = submit(&ana, &ids).await;
        let batch = id(&batch);
        let path = format!("/email-batches/{batch}/events");
        let mut events = ana.events(&path).await;
        let snapshot = events.expect("batch.snapshot").await;
        assert_eq!(snapshot.data["batch"]["id"], batch);
        assert_eq!((&snapshot.data["batch_id"], &snapshot.data["seq"]), (&json!(batch), &json!(snapshot.id)));
        for n in 0..2 {
            write_email(door, batch, n, "s", "b").await;
        }
        let mut progress = events.expect("batch.progress").await;
        while progress.data["batch"]["counts"]["completed"] != 2 {
            progress = events.expect("batch.progress").await;
        }
        stands(door, batch, "paused").await;
        assert_eq!(events.expect("batch.progress").await.data["batch"]["status"], "paused");
        stands(door, batch, "running").await;
        assert_eq!(events.expect("batch.progress").await.data["batch"]["status"], "running");
        fail(door, batch, 2).await;
        stands(door, batch, "completed").await;
        let mut rest = events.rest().await;
        let end = rest.pop().expect("an end");
        assert!(rest.iter().all(|event| event.name == "batch.progress"), "{rest:?}");
        assert_eq!((end.name.as_str(), &end.data["round"]), ("batch.completed", &json!(1)));
        assert_eq!(end.data["batch"]["outcome"], "some_failed");
        assert_eq!(end.data["batch"], ana.get(&format!("/email-batches/{batch}")).await.body);

        let at = end.id.expect("a position");
        assert_eq!(status(&ana, &format!("{path}?after={at}")).await, StatusCode::NO_CONTENT);
        // One who had all but the end gets just that; one who comes anew the batch besides.
        let again = ana.events(&format!("{path}?after={}", progress.id.expect("a position"))).await.rest().await;
        assert_eq!(again.iter().map(|event| event.name.as_str()).collect::<Vec<_>>(), ["batch.completed"]);
        let anew = ana.events(&path).await.rest().await;
        assert_eq!(
            anew.iter().map(|event| event.name.as_str()).collect::<Vec<_>>(),
            ["batch.snapshot", "batch.completed"]
        );
        // A new round: the old end is an end no more.
        ana.post(&format!("/email-batches/{batch}/retry-failed"), &json!({})).await.expect(StatusCode::OK);
        let mut events = ana.events(&format!("{path}?after={at}")).await;
        assert_eq!(events.expect("batch.progress").await.data["batch"]["round"], 2);
        stands(door, batch, "cancelled").await;
        let end = events.rest().await.pop().expect("an end");
        assert_eq!((end.name.as_str(), &end.data["round"]), ("batch.cancelled", &json!(2)));
    })
    .await;
}

#[tokio::test]
async fn progress_comes_at_most_twice_a_second_and_only_when_something_changed() {
    Door::run_by_hand(async |door| {
        let ana = door.ana();
        let ids = clients(door, &ana, 400).await;
        let batch = submit(&ana, &ids).await;
        let batch = id(&batch);
        let mut events = ana.events(&format!("/email-batches/{batch}/events")).await;
        events.expect("batch.snapshot").await;
        let started = Instant::now();
        for n in 0..400 {
            door.bench
                .sql(&format!("UPDATE batch_items SET status = 'cancelled', ended_at = now() WHERE n = {n}"))
                .await;
        }
        stands(door, batch, "cancelled").await;
        let rest = events.rest().await;
        let looks = started.elapsed().as_millis() / Duration::from_millis(500).as_millis() + 2;
        assert!(rest.len() as u128 <= looks, "{} events in {looks} looks", rest.len());
        let counts: Vec<_> = rest.iter().map(|event| event.data["batch"]["counts"]["cancelled"].as_i64()).collect();
        assert!(counts.windows(2).all(|pair| pair[0] < pair[1] || pair[1] == Some(400)), "{counts:?}");
        assert_eq!(rest.last().map(|event| event.name.as_str()), Some("batch.cancelled"));
    })
    .await;
}

fn places(events: &[Event]) -> Vec<i64> {
    let items = events.iter().filter(|event| event.name.starts_with("item."));
    items.map(|event| event.data["item"]["n"].as_i64().expect("a place")).collect()
}

#[tokio::test]
async fn no_item_is_missed_across_a_reconnect_to_another_api() {
    Door::run_by_hand(async |door| {
        let ana = door.ana();
        let ids = clients(door, &ana, 8).await;
        let batch = submit(&ana, &ids).await;
        let batch = id(&batch);
        let path = format!("/email-batches/{batch}/events?items=true");
        let mut events = ana.events(&path).await;
        events.expect("batch.snapshot").await;
        write_email(door, batch, 3, "Third", "b").await;
        fail(door, batch, 1).await;
        let (mut seen, mut position) = (Vec::new(), None);
        while places(&seen).len() < 2 {
            let event = events.next().await.expect("an event");
            position = event.id;
            seen.push(event);
        }
        assert_eq!(places(&seen), [3, 1]);
        let told: Vec<_> = seen.iter().filter(|event| event.name.starts_with("item.")).collect();
        assert_eq!((told[0].name.as_str(), told[1].name.as_str()), ("item.completed", "item.failed"));
        assert_eq!(told[0].data["item"]["email"]["subject"], "Third");
        assert_eq!(told[1].data["item"]["error"]["code"], "PROVIDER_REFUSED");
        drop(events);
        // While nobody watches: some end, one of them with a time before what was told.
        for n in [0, 2, 4, 5] {
            write_email(door, batch, n, "s", "b").await;
        }
        door.bench.sql("UPDATE batch_items SET ended_at = ended_at - interval '5 seconds' WHERE n = 5").await;

        let config = ApiConfig { shutdown_grace: Duration::from_secs(5), ..door.config() };
        let other =
            Api::bind(config, door.bench.db.pools(Role::Api), door.bench.db.pools(Role::Fanout)).await.expect("an api");
        let (address, stop) = (other.local_addr(), CancellationToken::new());
        let serving = tokio::spawn(other.run(stop.clone()));
        let elsewhere = ana.at(address);
        let mut events = elsewhere.events(&format!("{path}&after={}", position.expect("a position"))).await;
        let mut missed = Vec::new();
        loop {
            let event = events.next().await.expect("an event");
            if event.name == "batch.progress" {
                break;
            }
            missed.push(event);
        }
        let mut found = places(&missed);
        found.sort_unstable();
        found.retain(|n| ![1, 3].contains(n));
        assert_eq!(found, [0, 2, 4, 5]);
        for n in [6, 7] {
            write_email(door, batch, n, "s", "b").await;
        }
        stands(door, batch, "completed").await;
        let rest = events.rest().await;
        let mut last = places(&rest);
        last.retain(|n| [6, 7].contains(n));
        assert_eq!(last, [6, 7]);
        assert_eq!(rest.last().map(|event| event.name.as_str()), Some("batch.completed"));
        assert_eq!(rest.iter().filter(|event| event.name == "batch.completed").count(), 1);
        stop.cancel();
        serving.await.expect("the other api stops");
    })
    .await;
}

#[tokio::test]
async fn a_stream_is_told_to_go_elsewhere_when_the_process_stops() {
    Door::run(async |door| {
        let ana = door.ana();
        let ids = clients(door, &ana, 1).await;
        let batch = submit(&ana, &ids).await;
        let mut events = ana.events(&format!("/email-batches/{}/events", id(&batch))).await;
        events.expect("batch.snapshot").await;
        door.shutdown.cancel();
        let closing = events.rest().await.pop().expect("a last event");
        assert_eq!((closing.name.as_str(), &closing.data["reason"]), ("stream.closing", &json!("server_shutdown")));
        assert_eq!(closing.id, None);
    })
    .await;
}

#[tokio::test]
async fn streams_of_batches_are_bounded_like_those_of_runs() {
    Door::run_with(
        |config| config.streams_per_user = 1,
        async |door| {
            let ana = door.ana();
            let ids = clients(door, &ana, 1).await;
            let batch = submit(&ana, &ids).await;
            let path = format!("/email-batches/{}/events", id(&batch));
            let _first = ana.events(&path).await;
            assert_eq!(status(&ana, &path).await, StatusCode::TOO_MANY_REQUESTS);
            ana.get(&format!("{path}?items=maybe")).await.fault("/items", "unknown_value");
            ana.get(&format!("{path}?after=-1")).await.fault("/after", "out_of_range");
        },
    )
    .await;
}
