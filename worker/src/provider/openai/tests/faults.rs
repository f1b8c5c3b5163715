//! Each fault, as the typed error that it is.

use std::time::{Duration, Instant};

use hellosales_simulator::SimulatorConfig;
use tokio::io::AsyncWriteExt;

use super::super::super::exchange::{MAX_BODY_BYTES, MAX_TEXT_BYTES};
use super::{ProviderError, QUICK, STREAM, World, ask, client, delta, finish, json, raw, request, serve, status};

/// How a call ends that is answered with these bytes.
async fn answered(answer: String) -> ProviderError {
    let (base, _server) = raw(answer).await;
    ask(&client(&base, QUICK), request("m")).await.end.unwrap_err()
}

#[tokio::test]
async fn a_hang_is_a_timeout_before_the_first_token() {
    let world = World::start().await;
    world.control(json!({"hang": true})).await;
    let began = Instant::now();
    let end = ask(&world.client(), request("m")).await.end;
    assert_eq!(end, Err(ProviderError::TimeoutBeforeFirstToken(QUICK.first_token)));
    assert!(began.elapsed() < QUICK.total);
}

#[tokio::test]
async fn a_stall_in_mid_sentence_is_a_timeout_after_the_first_token_and_keeps_what_came() {
    let world = World::start().await;
    world.control(json!({"hold_after_tokens": 3})).await;
    let heard = ask(&world.client(), request("m")).await;
    assert_eq!(heard.end, Err(ProviderError::TimeoutAfterFirstToken(QUICK.total)));
    assert!(!heard.text.is_empty());
}

#[tokio::test]
async fn a_byte_now_and_then_does_not_stretch_the_time() {
    let (base, _server) = serve(|mut socket| async move {
        socket.write_all(STREAM.as_bytes()).await.unwrap();
        let mut every = tokio::time::interval(Duration::from_millis(20));
        while socket.write_all(b":").await.is_ok() {
            every.tick().await;
        }
    })
    .await;
    let end = ask(&client(&base, QUICK), request("m")).await.end;
    assert_eq!(end, Err(ProviderError::TimeoutBeforeFirstToken(QUICK.first_token)));
}

#[tokio::test]
async fn a_limit_says_when_to_come_back() {
    let world = World::start().await;
    world.control(json!({"status": 429, "retry_after_s": 7})).await;
    let end = ask(&world.client(), request("m")).await.end;
    assert_eq!(end, Err(ProviderError::RateLimited { retry_after: Some(Duration::from_secs(7)) }));

    let date = "retry-after: Wed, 21 Oct 2015 07:28:30 GMT\r\ndate: Wed, 21 Oct 2015 07:28:00 GMT\r\n";
    let end = answered(status("429 Too Many Requests", date, "{}")).await;
    assert_eq!(end, ProviderError::RateLimited { retry_after: Some(Duration::from_secs(30)) });

    let limits = "x-ratelimit-remaining-tokens: 0\r\nx-ratelimit-reset-tokens: 2.5s\r\n";
    let end = answered(status("429 Too Many Requests", limits, "{}")).await;
    assert_eq!(end, ProviderError::RateLimited { retry_after: Some(Duration::from_millis(2_500)) });

    let end = answered(status("429 Too Many Requests", "", r#"{"error":{"code":"insufficient_quota"}}"#)).await;
    assert_eq!(end, ProviderError::QuotaSpent);
}

#[tokio::test]
async fn a_server_error_is_unavailable() {
    let world = World::start().await;
    for code in [500, 502, 503, 529] {
        world.control(json!({"status": code, "requests": 1})).await;
        match ask(&world.client(), request("m")).await.end {
            Err(ProviderError::Unavailable { status, .. }) => assert_eq!(status, Some(code)),
            other => panic!("{code}: {other:?}"),
        }
    }
    let end = answered(status("503 Busy", "retry-after: 4\r\n", "<html>")).await;
    let retry_after = Some(Duration::from_secs(4));
    assert_eq!(end, ProviderError::Unavailable { what: "server error", status: Some(503), retry_after });
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let unused = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let refused = format!("http://{}/v1", unused.local_addr().unwrap());
    drop(unused);
    // `.invalid` has no address anywhere (RFC 6761); the third speaks no TLS.
    let (plain, _server) = raw("HTTP/1.1 400 Bad Request\r\n\r\n").await;
    for base in [refused, "http://provider.invalid/v1".into(), plain.replace("http:", "https:")] {
        let end = ask(&client(&base, QUICK), request("m")).await.end;
        let (unavailable, late) = match &end {
            Err(ProviderError::Unavailable { status: None, .. }) => (true, false),
            Err(ProviderError::TimeoutBeforeFirstToken(_)) => (false, true),
            _ => (false, false),
        };
        // A resolver may take longer than a test's patience to say that there is no such name.
        assert!(unavailable || (late && base.contains("invalid")), "{base}: {end:?}");
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_cut_and_keeps_what_came() {
    let world = World::start().await;
    world.control(json!({"cut_after_tokens": 4})).await;
    let heard = ask(&world.client(), request("m")).await;
    assert_eq!(heard.end, Err(ProviderError::CutStream));
    assert!(!heard.text.is_empty());
    for half in ["", "data: {\"choi", "data: {\"choices\":[]}\n\n"] {
        let (base, _server) = raw(format!("{STREAM}{}{half}", delta("Hello"))).await;
        let heard = ask(&client(&base, QUICK), request("m")).await;
        assert_eq!((heard.end, heard.text.as_str()), (Err(ProviderError::CutStream), "Hello"), "{half}");
    }
}

#[tokio::test]
async fn what_is_not_the_format_is_malformed() {
    let world = World::start().await;
    world.control(json!({"malformed": true})).await;
    let end = ask(&world.client(), request("m")).await.end;
    assert!(matches!(end, Err(ProviderError::Malformed(_))), "{end:?}");
    for answer in [
        status("200 OK", "", r#"{"choices":[]}"#),
        format!("{STREAM}data: not json\n\n"),
        format!("{STREAM}data: \"text\"\n\n"),
        format!("{STREAM}{}data: [DONE]\n\n", delta("no finish")),
        format!("{STREAM}{}", finish("tool_calls")),
    ] {
        let end = answered(answer.clone()).await;
        assert!(matches!(end, ProviderError::Malformed(_)), "{answer}: {end:?}");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_cut_at_our_bound() {
    let (base, _server) = serve(|mut socket| async move {
        let piece = delta(&"x".repeat(8 * 1024));
        socket.write_all(STREAM.as_bytes()).await.unwrap();
        while socket.write_all(piece.as_bytes()).await.is_ok() {}
    })
    .await;
    let heard = ask(&client(&base, QUICK), request("m")).await;
    assert_eq!(heard.end, Err(ProviderError::TooLong(MAX_TEXT_BYTES)));
    assert!(heard.text.len() <= MAX_TEXT_BYTES);

    let (base, _server) = serve(|mut socket| async move {
        socket.write_all(STREAM.as_bytes()).await.unwrap();
        let empty = "data: {\"choices\":[]}\n\n".repeat(1_000);
        while socket.write_all(empty.as_bytes()).await.is_ok() {}
    })
    .await;
    let patient = super::Timeouts { first_token: Duration::from_secs(30), total: Duration::from_secs(30), ..QUICK };
    let end = ask(&client(&base, patient), request("m")).await.end;
    assert_eq!(end, Err(ProviderError::TooLong(MAX_BODY_BYTES)));
}

#[tokio::test]
async fn a_refusal_is_told_from_an_answer() {
    let filtered = format!("{STREAM}{}{}data: [DONE]\n\n", delta("I"), finish("content_filter"));
    assert_eq!(answered(filtered).await, ProviderError::Refused);
    let refusal = json!({"choices": [{"delta": {"refusal": "No."}, "finish_reason": "stop"}]});
    assert_eq!(answered(format!("{STREAM}data: {refusal}\n\ndata: [DONE]\n\n")).await, ProviderError::Refused);
    let body = r#"{"error":{"code":"content_policy_violation","message":"no"}}"#;
    assert_eq!(answered(status("400 Bad Request", "", body)).await, ProviderError::Refused);
}

#[tokio::test]
async fn our_own_faults_are_told_apart() {
    let world = World::start().await;
    let mut empty = request("m");
    empty.messages.clear();
    let end = ask(&world.client(), empty).await.end;
    assert!(matches!(end, Err(ProviderError::InvalidRequest { status: 400, .. })), "{end:?}");
    let forgetful = World::with(SimulatorConfig { context_tokens: 5, ..SimulatorConfig::instant() }).await;
    assert_eq!(ask(&forgetful.client(), request("m")).await.end, Err(ProviderError::ContextTooLong));
    assert_eq!(answered(status("401 Unauthorized", "", "{}")).await, ProviderError::Unauthorised(401));
    assert_eq!(answered(status("403 Forbidden", "", "{}")).await, ProviderError::Unauthorised(403));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (elsewhere, server) = raw("HTTP/1.1 200 OK\r\n\r\n").await;
    let location = format!("location: {elsewhere}\r\n");
    let end = answered(status("307 Temporary Redirect", &location, "")).await;
    assert_eq!(end, ProviderError::InvalidRequest { status: 307, code: None });
    assert!(!server.is_finished(), "nobody called there");
    server.abort();
}

#[tokio::test]
async fn an_error_in_mid_stream_is_read() {
    let error = json!({"error": {"message": "busy", "type": "rate_limit_error"}});
    let (base, _server) = raw(format!("{STREAM}{}data: {error}\n\n", delta("Hel"))).await;
    let heard = ask(&client(&base, QUICK), request("m")).await;
    assert_eq!(heard.end, Err(ProviderError::RateLimited { retry_after: None }));
    assert_eq!(heard.text, "Hel");
}

#[tokio::test]
async fn no_error_repeats_what_the_provider_wrote_or_our_key() {
    let body = r#"{"error":{"message":"Incorrect API key provided: sk-canary","code":"sk-canary","type":"sk-canary"}}"#;
    for line in ["400 Bad Request", "401 Unauthorized", "429 Too Many Requests", "500 Oops"] {
        let error = answered(status(line, "", body)).await;
        let told = format!("{error} {error:?} {:?} {:?}", error.failure("test"), error.stage_error("test"));
        assert!(!told.contains("canary"), "{told}");
    }
    assert!(!format!("{:?}", client("http://127.0.0.1:1/v1", QUICK)).contains("canary"));
}

#[tokio::test]
async fn the_body_of_an_error_is_read_to_a_bound() {
    let (base, _server) = serve(|mut socket| async move {
        socket.write_all(b"HTTP/1.1 500 Oops\r\nconnection: close\r\n\r\n").await.unwrap();
        while socket.write_all(&[b'x'; 4096]).await.is_ok() {}
    })
    .await;
    let end = ask(&client(&base, QUICK), request("m")).await.end;
    assert!(matches!(end, Err(ProviderError::Unavailable { status: Some(500), .. })));
}
