//! The proxy does to a connection what it says it does: each fault is seen by a plain client.

use std::time::{Duration, Instant};

use futures::FutureExt;
use sqlx::postgres::{PgConnection, PgListener};
use sqlx::{Connection, Executor};

use crate::harness::database::{TestDatabase, connect};
use crate::harness::proxy::Proxy;

async fn through(test: impl AsyncFnOnce(&TestDatabase, &Proxy, &str)) {
    TestDatabase::run_unchecked(async |db: &TestDatabase| {
        let proxy = Proxy::start(&db.url).await;
        db.owner().await.run("CREATE TABLE t (n integer)").await;
        test(db, &proxy, &proxy.url(&db.url)).await;
    })
    .await;
}

async fn count(db: &TestDatabase) -> i64 {
    db.owner().await.value("SELECT count(*) FROM t").await
}

#[tokio::test]
async fn a_swallowed_answer_is_lost_and_its_statement_done() {
    through(async |db, proxy, url| {
        for statement in ["INSERT INTO t VALUES (1)", "COMMIT"] {
            let mut client = connect(url).await;
            client.execute("BEGIN").await.expect("begun");
            proxy.control().swallow_answer(statement);
            let inserted = sqlx::query("INSERT INTO t VALUES (1)").execute(&mut client).await;
            let committed = client.execute("COMMIT").await;
            assert!(inserted.is_err() || committed.is_err());
            assert!(proxy.control().has_swallowed());
            client.execute("SELECT 1").await.expect_err("the connection is cut");
        }
        assert_eq!(count(db).await, 1, "the second was committed, the first not");
        let mut client = connect(url).await;
        proxy.control().swallow_answer("VALUES (2)");
        sqlx::query("INSERT INTO t VALUES (2)").execute(&mut client).await.expect_err("the answer is lost");
        assert_eq!(count(db).await, 2, "a statement on its own is committed when its answer is lost");
    })
    .await;
}

#[tokio::test]
async fn a_held_statement_has_not_reached_the_server() {
    through(async |db, proxy, url| {
        let mut client = connect(url).await;
        let gate = proxy.control().hold("INSERT");
        let insert = async { sqlx::query("INSERT INTO t VALUES (1)").execute(&mut client).await.expect("inserted") };
        let look = async {
            gate.reached().await;
            let before = count(db).await;
            gate.release();
            before
        };
        let (_, before) = tokio::join!(insert, look);
        assert_eq!((before, count(db).await), (0, 1));
    })
    .await;
}

#[tokio::test]
async fn a_cut_ends_all_connections_and_refusal_all_new_ones() {
    through(async |_, proxy, url| {
        let mut client = connect(url).await;
        client.execute("SELECT 1").await.expect("an answer");
        proxy.control().refuse(true);
        proxy.control().cut_all();
        client.execute("SELECT 1").await.expect_err("cut");
        PgConnection::connect(url).await.expect_err("refused");
        proxy.control().refuse(false);
        connect(url).await.execute("SELECT 1").await.expect("an answer");
    })
    .await;
}

#[tokio::test]
async fn a_blackhole_answers_nothing_until_it_is_gone() {
    through(async |_, proxy, url| {
        let mut client = connect(url).await;
        proxy.control().blackhole(true);
        let mut answer = Box::pin(client.execute("SELECT 1"));
        let waited = tokio::time::timeout(Duration::from_millis(200), &mut answer).await;
        assert!(waited.is_err());
        proxy.control().blackhole(false);
        answer.await.expect("an answer");
    })
    .await;
}

#[tokio::test]
async fn a_delay_counts_for_both_ways() {
    through(async |_, proxy, url| {
        let mut client = connect(url).await;
        proxy.control().delay(Duration::from_millis(30));
        let started = Instant::now();
        client.execute("SELECT 1").await.expect("an answer");
        assert!(started.elapsed() >= Duration::from_millis(60));
    })
    .await;
}

#[tokio::test]
async fn statements_are_counted_and_rewritten_on_their_way() {
    through(async |_, proxy, url| {
        let mut client = connect(url).await;
        proxy.control().rewrite("SELECT 41", "SELECT 42");
        for _ in 0..3 {
            let simple: i32 = sqlx::query_scalar("SELECT 41").fetch_one(&mut client).await.expect("a number");
            assert_eq!(simple, 42);
        }
        client.execute("SELECT 41").await.expect("a number");
        assert_eq!((proxy.control().count("SELECT 42"), proxy.control().count("SELECT 41")), (4, 0));
        let wrong = sqlx::query("SELECT nothing").execute(&mut client).await;
        assert!(wrong.is_err(), "an error passes, and the connection goes on");
        client.execute("SELECT 1").await.expect("an answer");
    })
    .await;
}

#[tokio::test]
async fn dropped_notifications_never_arrive_and_all_else_does() {
    through(async |db, proxy, url| {
        let mut listener = PgListener::connect(url).await.expect("a listener");
        listener.listen("news").await.expect("listening");
        db.owner().await.run("NOTIFY news, 'one'").await;
        assert_eq!(listener.recv().await.expect("news").payload(), "one");
        proxy.control().drop_notifications(true);
        db.owner().await.run("NOTIFY news, 'two'").await;
        let heard = tokio::time::timeout(Duration::from_millis(200), listener.recv()).await;
        assert!(heard.is_err());
        proxy.control().drop_notifications(false);
        db.owner().await.run("NOTIFY news, 'three'").await;
        assert_eq!(listener.recv().await.expect("news").payload(), "three");
        assert!(listener.try_recv().now_or_never().is_none());
    })
    .await;
}
