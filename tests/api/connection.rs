//! Connections: what is refused before it is read, what doesn't come, and what is left of a body.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::door::Door;

/// Sends bytes as they are; what comes back until the server closes.
async fn talk(door: &Door<'_>, head: &str, rest: &[u8]) -> String {
    let mut socket = TcpStream::connect(door.address).await.expect("a connection");
    socket.write_all(head.as_bytes()).await.expect("sent");
    socket.write_all(rest).await.expect("sent");
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.expect("an answer");
    String::from_utf8_lossy(&answer).into_owned()
}

/// One answer from a connection that may stay open: its head, and as much of a body as it says.
async fn answer(socket: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
            if body.len() >= length.parse().expect("a number") {
                return text;
            }
        }
        assert!(socket.read_buf(&mut bytes).await.expect("an answer") > 0, "closed without an answer: {text}");
    }
}

#[tokio::test]
async fn a_refusal_before_the_body_was_read_leaves_the_connection_good() {
    Door::run(async |door| {
        let nobody = "POST /chat/sessions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ";
        let mut socket = TcpStream::connect(door.address).await.expect("a connection");
        for length in [2, 100_000, 1_000_000] {
            socket.write_all(format!("{nobody}{length}\r\n\r\n").as_bytes()).await.expect("sent");
            tokio::task::yield_now().await;
            socket.write_all(&vec![b' '; length]).await.expect("sent");
            let told = answer(&mut socket).await;
            assert!(told.starts_with("HTTP/1.1 401") && !told.contains("connection: close"), "{told}");
        }
        // What isn't sent is not waited for, and the client is told.
        socket.write_all(format!("{nobody}1000\r\n\r\n").as_bytes()).await.expect("sent");
        let told = answer(&mut socket).await;
        assert!(told.starts_with("HTTP/1.1 401") && told.contains("connection: close"), "{told}");
    })
    .await;
}

#[tokio::test]
async fn a_client_that_goes_on_sending_still_hears_that_it_is_too_much() {
    Door::run(async |door| {
        let length = 8 << 20;
        let head = format!(
            "POST /chat/sessions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n",
            door.ana().token
        );
        let told = talk(door, &head, &vec![b' '; length]).await;
        assert!(told.starts_with("HTTP/1.1 413") && told.contains("connection: close"), "{told}");
    })
    .await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_before_it_is_read() {
    Door::run(async |door| {
        let ana = door.ana();
        let head = format!(
            "POST /chat/sessions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n",
            ana.token
        );
        let by_length = talk(door, &format!("{head}content-length: 1048577\r\n\r\n"), b"{").await;
        assert!(by_length.starts_with("HTTP/1.1 413") && by_length.contains("PAYLOAD_TOO_LARGE"), "{by_length}");
        let chunk = [b"10001\r\n".as_slice(), &vec![b' '; 0x10001], b"\r\n"].concat();
        let chunked = talk(door, &format!("{head}transfer-encoding: chunked\r\n\r\n"), &chunk.repeat(17)).await;
        assert!(chunked.starts_with("HTTP/1.1 413") && chunked.contains("PAYLOAD_TOO_LARGE"), "{chunked}");
        let long = format!("{head}x-long: {}\r\n\r\n", "x".repeat(40_000));
        let long = talk(door, &long.replace("content-type", "connection: close\r\ncontent-type"), b"").await;
        assert!(long.starts_with("HTTP/1.1 431") && long.contains("HEADERS_TOO_LARGE"), "{long}");
        assert_eq!(door.rows().await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_head_or_a_body_that_does_not_come_ends_the_connection() {
    let hasty = |config: &mut hellosales_api::ApiConfig| {
        config.header_timeout = std::time::Duration::from_millis(200);
        config.body_timeout = std::time::Duration::from_millis(200);
    };
    Door::run_with(hasty, async |door| {
        assert_eq!(talk(door, "GET /health HT", b"").await, "");
        let ana = door.ana();
        let head = format!(
            "POST /chat/sessions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n",
            ana.token
        );
        let answer = talk(door, &head, b"{").await;
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("did not arrive in time"), "{answer}");
    })
    .await;
}
