//! Told to stop, an api sends its followers elsewhere, ends what is under way, and closes.

use reqwest::StatusCode;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::door::Door;

#[tokio::test]
async fn streams_are_told_to_go_elsewhere_and_waits_answer_at_once() {
    Door::run(async |door| {
        let ana = door.ana();
        let session = ana.session().await;
        let run = ana.say(&session, "hello").await["id"].as_str().expect("an id").to_owned();
        let mut events = ana.follow(&run, None).await;
        events.expect("run.snapshot").await;
        let path = format!("/runs/{run}?wait=60");
        let stop = async {
            // The wait and the stream are connections of their own.
            door.until("SELECT true").await;
            door.shutdown.cancel();
            events.rest().await
        };
        let (waited, rest) = tokio::join!(ana.get(&path), stop);
        assert_eq!(waited.expect(StatusCode::OK)["status"], "queued");
        let last = rest.last().expect("an event");
        assert_eq!((last.name.as_str(), last.data["reason"].as_str()), ("stream.closing", Some("server_shutdown")));
    })
    .await;
}

#[tokio::test]
async fn a_stream_asked_for_while_stopping_gets_no_answer_at_all() {
    Door::run(async |door| {
        let ana = door.ana();
        let session = ana.session().await;
        let run = ana.say(&session, "hello").await["id"].as_str().expect("an id").to_owned();
        let mut socket = TcpStream::connect(door.address).await.expect("a connection");
        // The head is under way when the process is told to stop.
        let head = format!("GET /runs/{run}/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n", ana.token);
        socket.write_all(head.as_bytes()).await.expect("sent");
        ana.get("/health").await.expect(StatusCode::OK);
        door.shutdown.cancel();
        while TcpStream::connect(door.address).await.is_ok() {}
        socket.write_all(b"\r\n").await.expect("sent");
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await.ok();
        assert_eq!(String::from_utf8_lossy(&answer), "");
    })
    .await;
}

#[tokio::test]
async fn a_client_that_hangs_up_cancels_nothing() {
    Door::run(async |door| {
        let ana = door.ana();
        let session = ana.session().await;
        // The session is locked by another, so the turn is on its way when its client leaves.
        let lock = door.bench.lock(&format!("SELECT 1 FROM sessions WHERE id = '{session}'")).await;
        let request = ana
            .request(reqwest::Method::POST, &format!("/chat/sessions/{session}/messages"))
            .json(&json!({"message": "hello"}));
        let sent = tokio::spawn(request.send());
        door.bench.blocked(1).await;
        sent.abort();
        drop(sent.await);
        drop(lock);
        door.until("SELECT count(*) = 1 FROM pipeline_runs").await;
    })
    .await;
}
