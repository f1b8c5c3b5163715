//! Two who change a batch at once, by name: one stands before its commit, the other comes.

use futures::future::join_all;
use hellosales_core::queue::batch::{self, Changed, Looked};
use hellosales_core::queue::redrive::{self, Redriven};
use hellosales_core::{Database, Role};
use serde_json::json;

use super::desk::Desk;
use crate::harness::proxy::Proxy;

const COMMIT: &str = "COMMIT";

/// One goes first and stands before its commit until the other waits for it, or has passed by.
async fn one_before_the_other<A, B>(
    desk: &Desk<'_>,
    proxy: &Proxy,
    first: impl Future<Output = A>,
    second: impl Future<Output = B>,
    waits: bool,
) -> (A, B) {
    let gate = proxy.control().hold(COMMIT);
    let second = async {
        gate.reached().await;
        if !waits {
            let done = second.await;
            gate.release();
            return done;
        }
        let release = async {
            desk.blocked(1).await;
            gate.release();
        };
        tokio::join!(second, release).0
    };
    tokio::join!(first, second)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_that_comes_while_items_are_admitted_stops_after_them() {
    Desk::run(async |desk: &Desk<'_>| {
        let clients = desk.clients(300).await;
        let batch = desk.submit(&clients, json!({})).await;
        let (proxy, slow) = desk.behind_proxy(Role::Worker).await;
        let api = desk.app.db.pools(Role::Api);
        let admit = batch::admit(&slow, 30_000);
        let pause = batch::pause(&api, desk.org, batch, "ana");
        let (looked, paused) = one_before_the_other(desk, &proxy, admit, pause, true).await;
        assert!(matches!(looked.expect("an answer").0, Looked::At { moved: 256, .. }));
        assert_eq!(paused.expect("an answer").0, Changed::Now);
        assert_eq!(desk.admit(&slow).await, Looked::Idle);
        assert_eq!(desk.items(batch).await, [44, 256, 0, 0, 0]);
        desk.tell(batch, "cancel").await.expect(200);
        desk.admit_all(&slow).await;
        assert_eq!(desk.items(batch).await, [0, 0, 0, 0, 300]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_admitter_loses_its_batch_before_anybody_who_waits_for_it_gives_up() {
    Desk::run(async |desk: &Desk<'_>| {
        let clients = desk.clients(3).await;
        let batch = desk.submit(&clients, json!({})).await;
        let (proxy, slow) = desk.behind_proxy(Role::Worker).await;
        let gate = proxy.control().hold(COMMIT);
        let admit = batch::admit(&slow, 30_000);
        let told = async {
            gate.reached().await;
            let paused = desk.tell(batch, "pause").await;
            gate.release();
            paused
        };
        let (admitted, paused) = tokio::join!(admit, told);
        assert!(admitted.is_err(), "its transaction is gone");
        assert_eq!(paused.expect(200)["status"], "paused");
        assert_eq!(desk.items(batch).await, [3, 0, 0, 0, 0]);
        desk.tell(batch, "cancel").await.expect(200);
        desk.admit_all(&desk.worker_pools()).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn admission_passes_by_a_batch_that_is_being_paused() {
    Desk::run(async |desk: &Desk<'_>| {
        let clients = desk.clients(3).await;
        let batch = desk.submit(&clients, json!({})).await;
        let (proxy, slow) = desk.behind_proxy(Role::Api).await;
        let worker = desk.worker_pools();
        let pause = batch::pause(&slow, desk.org, batch, "ana");
        let (paused, looked) = one_before_the_other(desk, &proxy, pause, desk.admit(&worker), false).await;
        assert_eq!((paused.expect("an answer").0, looked), (Changed::Now, Looked::Idle));
        assert_eq!(desk.items(batch).await, [3, 0, 0, 0, 0]);
        desk.tell(batch, "cancel").await.expect(200);
        desk.admit_all(&worker).await;
        assert_eq!(desk.items(batch).await, [0, 0, 0, 0, 3]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_that_meets_a_settlement_which_ends_a_run_leaves_that_email() {
    Desk::run(async |desk: &Desk<'_>| {
        let clients = desk.clients(3).await;
        let batch = desk.submit(&clients, json!({})).await;
        let admitter = desk.worker_pools();
        desk.admit_all(&admitter).await;
        let proxy = Proxy::start(&desk.app.db.url).await;
        // The first email's settlement holds its run; the other two answers don't come.
        let gate = proxy.control().hold("INSERT INTO sales_emails");
        desk.app.control(&json!({"hold_after_tokens": 3})).await;
        desk.app.control(&json!({"requests": 1})).await;
        let _worker = desk.app.worker_through(&proxy.url(&desk.app.db.url)).await;
        gate.reached().await;
        desk.app.held(2).await;
        desk.tell(batch, "cancel").await.expect(200);
        desk.until_true(&format!(
            "SELECT count(*) = 2 FROM batch_items WHERE batch_id = '{batch}' AND status = 'cancelled'"
        ))
        .await;
        assert_eq!(desk.batch(batch).await["status"], "cancelling", "one run is still live");
        gate.release();
        desk.until(batch, "cancelled").await;
        assert_eq!(desk.items(batch).await, [0, 0, 1, 0, 2]);
        assert_eq!(desk.value::<i64>("SELECT count(*) FROM sales_emails").await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retrying_twice_at_once_begins_one_round() {
    Desk::run(async |desk: &Desk<'_>| {
        let clients = desk.clients(3).await;
        desk.app.control(&json!({"status": 400, "requests": 2})).await;
        let batch = desk.submit(&clients, json!({})).await;
        let worker = desk.app.worker().await;
        desk.until(batch, "completed").await;
        worker.drain().await;
        let (proxy, slow) = desk.behind_proxy(Role::Api).await;
        let api = desk.app.db.pools(Role::Api);
        let retry = async |db: &Database| batch::retry_failed(db, desk.org, batch, "ana").await.expect("an answer").0;
        let both = one_before_the_other(desk, &proxy, retry(&slow), retry(&api), true).await;
        assert_eq!(both, (Changed::Now, Changed::Before));
        assert_eq!((desk.items(batch).await, desk.batch(batch).await["round"].clone()), ([2, 0, 1, 0, 0], json!(2)));
        let _worker = desk.app.worker().await;
        desk.until(batch, "completed").await;
        assert_eq!(desk.items(batch).await, [0, 0, 3, 0, 0]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_of_all_that_meets_one_of_a_single_run_redrives_each_once() {
    Desk::run(async |desk: &Desk<'_>| {
        let clients = desk.clients(3).await;
        desk.app.control(&json!({"status": 400, "requests": 2})).await;
        let batch = desk.submit(&clients, json!({})).await;
        let worker = desk.app.worker().await;
        desk.until(batch, "completed").await;
        worker.drain().await;
        let failed = desk.runs(batch, "failed").await;
        let run = failed[0].parse().expect("an id");
        let (proxy, slow) = desk.behind_proxy(Role::Api).await;
        let api = desk.app.db.pools(Role::Api);
        let one = redrive::resume(&slow, desk.org, run, "ana");
        let all = batch::retry_failed(&api, desk.org, batch, "ana");
        let (one, all) = one_before_the_other(desk, &proxy, one, all, true).await;
        assert_eq!(one.expect("an answer").0, Redriven::Resumed { generation: 2 });
        assert_eq!(all.expect("an answer").0, Changed::Now);
        assert_eq!((desk.items(batch).await, desk.batch(batch).await["round"].clone()), ([1, 1, 1, 0, 0], json!(2)));
        // The other way round: one that waits to be redriven with its batch is redriven by itself first.
        let waiting = failed[1].parse().expect("an id");
        let (redriven, _) = redrive::resume(&api, desk.org, waiting, "ana").await.expect("an answer");
        assert_eq!(redriven, Redriven::Resumed { generation: 2 });
        assert_eq!(desk.items(batch).await, [0, 2, 1, 0, 0]);
        let _worker = desk.app.worker().await;
        desk.until(batch, "completed").await;
        let generations = "SELECT array_agg(generation ORDER BY generation) = '{1,2,2}' FROM pipeline_runs";
        assert!(desk.value::<bool>(generations).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn saying_yes_twice_at_once_is_one_yes() {
    Desk::run(async |desk: &Desk<'_>| {
        let clients = desk.clients(4).await;
        let batch = desk.submit(&clients, json!({"sample": 1})).await;
        let worker = desk.app.worker().await;
        desk.until(batch, "awaiting_approval").await;
        worker.drain().await;
        let (proxy, slow) = desk.behind_proxy(Role::Api).await;
        let api = desk.app.db.pools(Role::Api);
        let yes = async |db: &Database| batch::approve(db, desk.org, batch, "ana").await.expect("an answer").0;
        let both = one_before_the_other(desk, &proxy, yes(&slow), yes(&api), true).await;
        assert_eq!(both, (Changed::Now, Changed::Before));
        let _worker = desk.app.worker().await;
        desk.until(batch, "completed").await;
        assert_eq!(desk.asked().await, 4);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yes_and_another_sample_at_once_are_one_of_the_two() {
    Desk::run(async |desk: &Desk<'_>| {
        let clients = desk.clients(4).await;
        let batch = desk.submit(&clients, json!({"sample": 1})).await;
        let worker = desk.app.worker().await;
        desk.until(batch, "awaiting_approval").await;
        worker.drain().await;
        let (proxy, slow) = desk.behind_proxy(Role::Api).await;
        let api = desk.app.db.pools(Role::Api);
        let (again, yes) = one_before_the_other(
            desk,
            &proxy,
            batch::resample(&slow, desk.org, batch, "ana"),
            batch::approve(&api, desk.org, batch, "ana"),
            true,
        )
        .await;
        assert_eq!(again.expect("an answer").0, Changed::Now);
        assert!(matches!(yes.expect("an answer").0, Changed::InvalidState(_)));
        let _worker = desk.app.worker().await;
        desk.until(batch, "awaiting_approval").await;
        assert_eq!(desk.items(batch).await, [3, 0, 1, 0, 0]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_admit_at_once_make_one_run_an_item() {
    Desk::run(async |desk: &Desk<'_>| {
        let clients = desk.clients(300).await;
        let batches = [desk.submit(&clients, json!({})).await, desk.submit(&clients[..20], json!({})).await];
        let pools: Vec<Database> = (0..4).map(|_| desk.worker_pools()).collect();
        join_all(pools.iter().cycle().take(12).map(|db| desk.admit(db))).await;
        desk.admit_all(&pools[0]).await;
        desk.admit_all(&pools[1]).await;
        assert_eq!(desk.items(batches[0]).await, [44, 256, 0, 0, 0]);
        assert_eq!(desk.items(batches[1]).await, [0, 20, 0, 0, 0]);
        assert_eq!(desk.value::<i64>("SELECT count(*) FROM pipeline_runs").await, 276);
        desk.tell(batches[0], "cancel").await.expect(200);
        let _workers = [desk.app.worker().await, desk.app.worker().await];
        desk.until(batches[0], "cancelled").await;
        desk.until(batches[1], "completed").await;
        assert_eq!(desk.items(batches[1]).await, [0, 0, 20, 0, 0]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_that_somebody_reopens_while_it_ends_ends_once_more_and_twice_in_all() {
    Desk::run(async |desk: &Desk<'_>| {
        let clients = desk.clients(2).await;
        desk.app.control(&json!({"status": 400, "requests": 1})).await;
        let batch = desk.submit(&clients, json!({})).await;
        let worker = desk.app.worker().await;
        desk.until_true(&format!(
            "SELECT NOT EXISTS (SELECT 1 FROM batch_items WHERE batch_id = '{batch}' AND ended_at IS NULL)"
        ))
        .await;
        desk.until(batch, "completed").await;
        worker.drain().await;
        // The end of round 1 once more, by an admitter that was slow: round 2 is not its own.
        let db = desk.worker_pools();
        desk.tell(batch, "retry-failed").await.expect(200);
        assert_eq!(batch::end(&db, desk.org, batch, 1).await.expect("an answer").0, Changed::Before);
        assert_eq!(batch::end(&db, desk.org, batch, 2).await.expect("an answer").0, Changed::Before, "an item waits");
        let _worker = desk.app.worker().await;
        desk.until(batch, "completed").await;
        let events = format!("SELECT count(*) FROM pipeline_events WHERE batch_id = '{batch}'");
        assert_eq!(desk.value::<i64>(&events).await, 2);
    })
    .await;
}
