//! A run that doesn't stream has no events in the store: its followers are told what its row says.

use hellosales_core::RunId;
use hellosales_core::queue::submit::NewRun;
use reqwest::StatusCode;

use super::door::Door;
use crate::queue::bench::{Cut, LINE};
use crate::queue::ends::ok;

#[tokio::test]
async fn a_run_without_events_is_followed_to_its_end_and_resumed_like_any_other() {
    Door::run(async |door| {
        let ana = door.ana();
        let org: uuid::Uuid = {
            ana.get("/auth/me").await.expect(StatusCode::OK);
            door.bench.value("SELECT id FROM organizations WHERE name = 'Acme'").await
        };
        let run = NewRun { pipeline: &LINE, ..NewRun::new(RunId::new(), &Cut {}, 1, 30_000).expect("JSON") };
        let mut tx = door.bench.api.begin().await.expect("a transaction");
        hellosales_core::queue::submit::submit(&mut tx.enter(org.into()).await.expect("entered"), &run)
            .await
            .expect("submitted");
        tx.commit().await.expect("committed");
        let id = run.id.to_string();

        let mut events = ana.follow(&id, None).await;
        let snapshot = events.expect("run.snapshot").await;
        assert_eq!(snapshot.data["run"]["status"], "queued");
        let hand = door.bench.hand().await;
        for stage in ["write", "judge", "keep"] {
            hand.land(hand.take(stage).await, ok()).await;
        }
        let end = events.rest().await.pop().expect("an end");
        assert_eq!((end.name.as_str(), &end.data["run"]["status"]), ("run.completed", &"completed".into()));
        assert!(end.id > snapshot.id, "{:?} {:?}", end.id, snapshot.id);
        assert_eq!(door.bench.value::<i64>("SELECT count(*) FROM run_stream").await, 0);

        let resumed = ana.follow(&id, snapshot.id).await.rest().await;
        assert_eq!(resumed.last().map(|event| event.name.as_str()), Some("run.completed"));
        let answer = ana.get(&format!("/runs/{id}/events?after={}", end.id.expect("an id"))).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
    })
    .await;
}
