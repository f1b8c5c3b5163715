//! Rule 8: wake-ups only make things sooner.

use std::collections::HashSet;

use hellosales_core::Role;
use hellosales_core::notify::{Listener, Notifier, Wake};
use hellosales_core::queue::Wakes;
use hellosales_core::run::Lane;
use hellosales_core::stream::read;

use super::bench::Bench;
use super::ends::ok;
use crate::harness::database::pools;
use crate::harness::proxy::Proxy;

#[tokio::test]
async fn rule_08_without_a_single_notification_all_work_is_found_and_all_events_are_read() {
    Bench::run(async |bench| {
        let run = bench.submit().await;
        let hand = bench.hand().await;
        for stage in ["a", "b", "c", "d"] {
            hand.land(hand.take(stage).await, ok()).await;
        }
        let rows = read::after(&bench.db.pools(Role::Fanout), &[(run, 0)], 100).await.expect("the stream");
        let events: Vec<&str> = rows.iter().map(|row| row.event.as_str()).collect();
        assert_eq!((events.first(), events.last()), (Some(&"run.started"), Some(&"run.completed")));
        let again = read::after(&bench.db.pools(Role::Fanout), &[(run, rows[2].seq)], 100).await.expect("the rest");
        assert_eq!(
            again.iter().map(|row| row.seq).collect::<Vec<_>>(),
            rows[3..].iter().map(|row| row.seq).collect::<Vec<_>>()
        );
        bench.check_quiet().await;
    })
    .await;
}

/// The next wake-up that isn't a connection's return.
async fn next(wakes: &mut tokio::sync::broadcast::Receiver<Wake>) -> Wake {
    loop {
        match wakes.recv().await.expect("a wake-up") {
            Wake::Reconnected => {}
            wake => return wake,
        }
    }
}

#[tokio::test]
async fn rule_08_a_listener_comes_back_when_its_connection_dies_and_says_so() {
    Bench::run(async |bench| {
        let run = bench.submit().await;
        let proxy = Proxy::start(&bench.db.url).await;
        let listener = Listener::start(pools(&proxy.url(&bench.db.url), Role::Worker));
        let mut wakes = listener.subscribe();
        assert!(matches!(wakes.recv().await, Ok(Wake::Reconnected)));
        let notifier = Notifier::start(bench.db.pools(Role::Worker));
        let mut standard = Wakes::default();
        standard.lane(Lane::Standard);
        notifier.send(standard.clone());
        assert!(matches!(next(&mut wakes).await, Wake::Queue([false, true, false])));

        proxy.control().cut_all();
        assert!(matches!(wakes.recv().await, Ok(Wake::Reconnected)), "anything may have been missed");
        let mut stream = Wakes::default();
        stream.stream(run);
        notifier.send(stream);
        match next(&mut wakes).await {
            Wake::Stream(map) => assert!(map.may_contain(run)),
            wake => panic!("{wake:?}"),
        }
    })
    .await;
}

#[tokio::test]
async fn a_claim_takes_each_step_once_however_many_claim_at_once() {
    Bench::run(async |bench| {
        for _ in 0..40 {
            bench.submit().await;
        }
        let hands = [bench.hand().await, bench.hand().await, bench.hand().await, bench.hand().await];
        let claims = futures::future::join_all((0..12).map(|n| hands[n % 4].claim(5))).await;
        let runs: Vec<_> = claims.iter().flatten().map(|step| step.run().id).collect();
        assert_eq!(runs.len(), runs.iter().collect::<HashSet<_>>().len());
        assert!(runs.len() >= 20, "SKIP LOCKED may leave some for the next claim: {}", runs.len());
    })
    .await;
}
