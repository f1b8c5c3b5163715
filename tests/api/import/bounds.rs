//! Large files, endless ones, slow ones.

use std::time::Duration;

use futures::StreamExt;
use reqwest::{Body, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{counts, send, written};
use crate::api::door::Door;

/// A file of so many rows, made as it is sent.
fn rows(count: u32) -> Body {
    let head = futures::stream::once(async { "id,name,company,email,title,goals\n".to_owned() });
    let groups = futures::stream::iter((0..count).step_by(1_000)).map(move |begin| {
        (begin..count.min(begin + 1_000)).fold(String::new(), |text, n| {
            text + &format!("{n},Näme {n},\"Company, {}\",n{n}@x.example,title,a;b;c\n", n % 700)
        })
    });
    Body::wrap_stream(head.chain(groups).map(Ok::<_, std::io::Error>))
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_thousand_rows_come_in_at_once_and_again_change_nothing() {
    Door::run(async |door| {
        let ana = door.ana();
        assert_eq!(counts(&ana, "", rows(50_000)).await, [50_000, 0, 0, 0]);
        assert_eq!(door.bench.value::<i64>("SELECT count(DISTINCT external_id) FROM clients").await, 50_000);
        assert_eq!(door.bench.value::<i64>("SELECT count(*) FROM client_import_members").await, 50_000);
        assert_eq!(counts(&ana, "?mode=all_or_nothing", rows(50_000)).await, [0, 0, 50_000, 0]);
        let before = written(door).await;
        send(&ana, "", rows(50_001)).await.fault("/50002", "too_many_rows");
        assert_eq!(written(door).await, before);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_wait_in_the_database_while_the_file_still_comes() {
    Door::run(async |door| {
        let ana = door.ana();
        let (send_more, more) = tokio::sync::mpsc::channel::<String>(1);
        let stream = futures::stream::unfold(more, async |mut more| more.recv().await.map(|text| (text, more)));
        let file = Body::wrap_stream(stream.map(Ok::<_, std::io::Error>));
        let sending = tokio::spawn(async move { counts(&ana, "", file).await });
        let text = (0..2_600).fold("name\n".to_owned(), |text, n| text + &format!("n{n}\n"));
        send_more.send(text).await.expect("it listens");
        door.until("SELECT count(*) >= 2500 FROM client_import_rows").await;
        assert_eq!(door.bench.value::<i64>("SELECT count(*) FROM clients").await, 0, "and nothing is half-written");
        drop(send_more);
        assert_eq!(sending.await.expect("it ends"), [2_600, 0, 0, 0]);
    })
    .await;
}

#[tokio::test]
async fn a_client_that_hangs_up_leaves_nothing() {
    Door::run(async |door| {
        let mut socket = TcpStream::connect(door.address).await.expect("a connection");
        let head = format!(
            "POST /clients/import HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: text/csv\r\ncontent-length: 1000000\r\n\r\n",
            door.ana().token
        );
        let text = (0..1_000).fold("name\n".to_owned(), |text, n| text + &format!("n{n}\n"));
        socket.write_all(format!("{head}{text}").as_bytes()).await.expect("sent");
        door.until("SELECT count(*) >= 500 FROM client_import_rows").await;
        drop(socket);
        assert_eq!(written(door).await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_file_ends_at_a_bound_with_an_answer_and_a_closed_connection() {
    Door::run(async |door| {
        let ana = door.ana();
        let endless: [(&str, &str, u16); 3] = [("name\n", "Ana\n", 422), ("name\n\"", "x", 422), ("name\n", "\n", 413)];
        for (begin, more, status) in endless {
            let mut socket = TcpStream::connect(door.address).await.expect("a connection");
            let head = format!(
                "POST /clients/import HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: text/csv\r\ntransfer-encoding: chunked\r\n\r\n",
                ana.token
            );
            socket.write_all(head.as_bytes()).await.expect("sent");
            let (mut read, mut write) = socket.split();
            let text = begin.to_owned() + &more.repeat(65_536 / more.len());
            let sending = async {
                let mut text = text;
                while write.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes()).await.is_ok() {
                    text = more.repeat(65_536 / more.len());
                }
            };
            let mut answer = Vec::new();
            // The server closes: whoever goes on writing fails.
            let reading = read.read_to_end(&mut answer);
            let (_, ended) = tokio::join!(sending, reading);
            drop(ended);
            let answer = String::from_utf8_lossy(&answer);
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.contains("connection: close"), "{answer}");
        }
        let mut socket = TcpStream::connect(door.address).await.expect("a connection");
        let head = format!(
            "POST /clients/import HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: text/csv\r\ncontent-length: 67108865\r\n\r\n",
            ana.token
        );
        socket.write_all(head.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await.expect("an answer");
        assert!(answer.starts_with(b"HTTP/1.1 413"), "{}", String::from_utf8_lossy(&answer));
        assert_eq!(written(door).await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_file_that_does_not_go_on_or_comes_too_slowly_is_given_up() {
    let settings = |config: &mut hellosales_api::ApiConfig| config.body_timeout = Duration::from_millis(100);
    Door::run_with(settings, async |door| {
        let ana = door.ana();
        let stuck = futures::stream::once(async { Ok("name\nAna\n") });
        let stuck = Body::wrap_stream(stuck.chain(futures::stream::pending::<Result<&str, std::io::Error>>()));
        send(&ana, "", stuck).await.problem(400, "MALFORMED_REQUEST");
        let ticks = futures::stream::unfold(tokio::time::interval(Duration::from_millis(50)), async |mut ticks| {
            ticks.tick().await;
            Some((Ok::<_, std::io::Error>("n\n"), ticks))
        });
        let slow = futures::stream::once(async { Ok("name\n") }).chain(ticks);
        send(&ana, "", Body::wrap_stream(slow)).await.problem(400, "MALFORMED_REQUEST");
        assert_eq!(written(door).await, 0);
    })
    .await;
}

#[tokio::test]
async fn an_api_that_is_stopped_gives_up_a_file_that_still_comes() {
    Door::run(async |door| {
        let ana = door.ana();
        let begun = futures::stream::once(async { Ok("name\n") });
        let file = Body::wrap_stream(begun.chain(futures::stream::pending::<Result<&str, std::io::Error>>()));
        let sending = tokio::spawn(async move { send(&ana, "", file).await });
        // It is under way when its caller is known.
        door.until("SELECT EXISTS (SELECT 1 FROM organizations)").await;
        door.shutdown.cancel();
        let answer = sending.await.expect("an answer");
        assert_ne!(answer.status, StatusCode::OK);
        answer.problem(503, "NOT_READY");
    })
    .await;
}
