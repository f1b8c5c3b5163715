//! Every fault of `docs/FAULTS.md`, over a real socket and in both wire formats: the same fault is the same typed error,
//! whoever makes it. What only one format can say stands beside its client.

mod tls;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::exchange::{MAX_BODY_BYTES, MAX_TEXT_BYTES};
use super::google::{Google, GoogleConfig};
use super::http::Timeouts;
use super::openai::{JsonMode, OpenAi, OpenAiConfig};
use super::testing::{Heard, QUICK, STREAM, World, ask, raw, request, serve, status};
use super::{Llm, LlmRequest, ProviderError};
use crate::stage::StageError;

/// Whose format is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    OpenAi,
    Google,
}

const DIALECTS: [Dialect; 2] = [Dialect::OpenAi, Dialect::Google];

impl Dialect {
    /// A client of this base: up to and with `/v1`, which is Gemini's too.
    fn client(self, base: &str, timeouts: Timeouts) -> Arc<dyn Llm> {
        let (provider, base_url) = ("test".to_owned(), base.parse().unwrap());
        let (key, json) = ("key-canary".to_owned(), JsonMode::Schema);
        match self {
            Self::OpenAi => {
                let api_key = Some(key.into());
                Arc::new(OpenAi::new(OpenAiConfig { provider, base_url, api_key, timeouts, json }).unwrap())
            }
            Self::Google => {
                let api_key = key.into();
                Arc::new(Google::new(GoogleConfig { provider, base_url, api_key, timeouts, json }).unwrap())
            }
        }
    }

    async fn ask(self, base: &str, request: LlmRequest) -> Heard {
        ask(self.client(base, QUICK).as_ref(), request).await
    }

    async fn ask_world(self, world: &World, request: LlmRequest) -> Heard {
        self.ask(&format!("{}/v1", world.url), request).await
    }

    fn delta(self, text: &str) -> String {
        let chunk = match self {
            Self::OpenAi => json!({"choices": [{"delta": {"content": text}}]}),
            Self::Google => json!({"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}}]}),
        };
        format!("data: {chunk}\n\n")
    }

    /// An event that says nothing.
    const fn empty(self) -> &'static str {
        match self {
            Self::OpenAi => "data: {\"choices\":[]}\n\n",
            Self::Google => "data: {\"candidates\":[]}\n\n",
        }
    }
}

fn whole(model: &str) -> LlmRequest {
    LlmRequest { stream: false, ..request(model) }
}

/// It is the bound that ends a call, not the clock.
const PATIENT: Timeouts =
    Timeouts { first_token: Duration::from_secs(120), total: Duration::from_secs(120), ..QUICK };

const fn unavailable(what: &'static str) -> ProviderError {
    ProviderError::Unavailable { what, status: None, retry_after: None }
}

#[tokio::test]
async fn a_hang_is_a_timeout_before_the_first_token() {
    let world = World::start().await;
    world.control(json!({"hang": true})).await;
    for dialect in DIALECTS {
        let began = Instant::now();
        let end = dialect.ask_world(&world, request("m")).await.end;
        assert_eq!(end, Err(ProviderError::TimeoutBeforeFirstToken(QUICK.first_token)), "{dialect:?}");
        assert!(began.elapsed() < QUICK.total, "{dialect:?}");
        let end = dialect.ask_world(&world, whole("m")).await.end;
        assert_eq!(end, Err(ProviderError::TimeoutAfterFirstToken(QUICK.total)), "{dialect:?}: it has no first token");
    }
}

#[tokio::test]
async fn a_stall_in_mid_sentence_is_a_timeout_after_the_first_token_and_keeps_what_came() {
    let world = World::start().await;
    world.control(json!({"hold_after_tokens": 3})).await;
    for dialect in DIALECTS {
        let heard = dialect.ask_world(&world, request("m")).await;
        assert_eq!(heard.end, Err(ProviderError::TimeoutAfterFirstToken(QUICK.total)), "{dialect:?}");
        assert!(!heard.text.is_empty() && heard.usage.is_none(), "{dialect:?}: what it cost is counted by us");
    }
}

#[tokio::test]
async fn a_byte_a_second_does_not_stretch_the_time() {
    let world = World::start().await;
    world.control(json!({"byte_a_second": true})).await;
    for dialect in DIALECTS {
        let end = dialect.ask_world(&world, request("m")).await.end;
        assert_eq!(end, Err(ProviderError::TimeoutBeforeFirstToken(QUICK.first_token)), "{dialect:?}");
        let end = dialect.ask_world(&world, whole("m")).await.end;
        assert_eq!(end, Err(ProviderError::TimeoutAfterFirstToken(QUICK.total)), "{dialect:?}");
    }
}

#[tokio::test]
async fn a_limit_says_when_to_come_back_if_the_provider_does() {
    let world = World::start().await;
    for dialect in DIALECTS {
        for asked in [request("m"), whole("m")] {
            world.control(json!({"status": 429, "retry_after_s": 7})).await;
            let end = dialect.ask_world(&world, asked.clone()).await.end.unwrap_err();
            assert_eq!(end, ProviderError::RateLimited { retry_after: Some(Duration::from_secs(7)) }, "{dialect:?}");
            let StageError::Snooze(wait, ..) = end.stage_error("test") else { panic!("it is counted") };
            assert!(wait >= Duration::from_secs(7) && wait < Duration::from_secs(9), "{wait:?}");
        }
        let (base, _server) = raw(status("429 Too Many Requests", "", r#"{"error":{"code":429}}"#)).await;
        let end = dialect.ask(&base, request("m")).await.end;
        assert_eq!(end, Err(ProviderError::RateLimited { retry_after: None }), "{dialect:?}");
    }
}

#[tokio::test]
async fn an_account_without_money_fails_and_a_quota_of_the_day_waits() {
    let world = World::start().await;
    world.control(json!({"status": 429, "quota": "spent"})).await;
    for dialect in DIALECTS {
        let end = dialect.ask_world(&world, request("m")).await.end;
        assert_eq!(end, Err(ProviderError::QuotaSpent), "{dialect:?}");
    }
    world.control(json!({"status": 429, "quota": "day", "retry_after_s": 2})).await;
    let end = Dialect::Google.ask_world(&world, request("m")).await.end;
    let Err(ProviderError::RateLimited { retry_after: Some(wait) }) = end else { panic!("{end:?}") };
    assert!(wait <= Duration::from_secs(86_400) && wait != Duration::from_secs(2), "till the day begins: {wait:?}");
}

#[tokio::test]
async fn a_server_error_is_tried_again_never_before_it_says() {
    let world = World::start().await;
    for dialect in DIALECTS {
        for code in [500, 502, 503, 504] {
            world.control(json!({"status": code, "retry_after_s": 3, "requests": 1})).await;
            let end = dialect.ask_world(&world, request("m")).await.end.unwrap_err();
            let wait = Some(Duration::from_secs(3));
            let named = matches!(end, ProviderError::Unavailable { status, retry_after, .. } if status == Some(code) && retry_after == wait);
            assert!(named, "{dialect:?} {end:?}");
            assert!(matches!(end.stage_error("test"), StageError::Retry(_, after) if after == wait));
        }
    }
}

#[tokio::test]
async fn a_refused_connection_and_a_name_that_nobody_has_are_told() {
    let unused = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let refused = format!("http://{}/v1", unused.local_addr().unwrap());
    drop(unused);
    for dialect in DIALECTS {
        assert_eq!(
            dialect.ask(&refused, request("m")).await.end,
            Err(unavailable("connection refused")),
            "{dialect:?}"
        );
        // `.invalid` has no address anywhere (RFC 6761); a resolver may take longer than a test's patience to say so.
        let end = dialect.ask("http://provider.invalid/v1", request("m")).await.end.unwrap_err();
        let late = [unavailable("connecting took too long"), ProviderError::TimeoutBeforeFirstToken(QUICK.first_token)];
        assert!(end == unavailable("no such name") || late.contains(&end), "{dialect:?}: {end:?}");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_answer_is_told() {
    for dialect in DIALECTS {
        let (base, _server) = serve(|socket| async move { drop(socket) }).await;
        let end = dialect.ask(&base, request("m")).await.end;
        assert_eq!(end, Err(unavailable("the connection broke off")), "{dialect:?}");
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_cut_and_keeps_what_came() {
    let world = World::start().await;
    world.control(json!({"cut_after_tokens": 4})).await;
    for dialect in DIALECTS {
        let heard = dialect.ask_world(&world, request("m")).await;
        assert_eq!(heard.end, Err(ProviderError::CutStream), "{dialect:?}");
        assert!(!heard.text.is_empty(), "{dialect:?}");
        assert_eq!(dialect.ask_world(&world, whole("m")).await.end, Err(ProviderError::CutStream), "{dialect:?}");
        // A connection that is closed as it should be, in the middle of an answer.
        for half in ["", "data: {\"choi", dialect.empty()] {
            let (base, _server) = raw(format!("{STREAM}{}{half}", dialect.delta("Hello"))).await;
            let heard = dialect.ask(&base, request("m")).await;
            assert_eq!(
                (heard.end, heard.text.as_str()),
                (Err(ProviderError::CutStream), "Hello"),
                "{dialect:?} {half}"
            );
        }
    }
}

#[tokio::test]
async fn what_is_not_the_format_is_malformed() {
    let world = World::start().await;
    world.control(json!({"malformed": true})).await;
    for dialect in DIALECTS {
        for asked in [request("m"), whole("m")] {
            let end = dialect.ask_world(&world, asked).await.end;
            assert_eq!(end, Err(ProviderError::Malformed("it isn't JSON of the format")), "{dialect:?}");
        }
        for answer in [
            status("200 OK", "", "{}"),
            format!("{STREAM}data: not json\n\n"),
            format!("{STREAM}data: \"text\"\n\n"),
            format!("{STREAM}data: \u{0}\n\n"),
        ] {
            let (base, _server) = raw(answer.clone()).await;
            let end = dialect.ask(&base, request("m")).await.end;
            assert!(matches!(end, Err(ProviderError::Malformed(_))), "{dialect:?} {answer}: {end:?}");
        }
        let (base, _server) = raw([STREAM.as_bytes(), b"data: \xff\xfe\n\n"].concat()).await;
        let end = dialect.ask(&base, request("m")).await.end;
        assert_eq!(end, Err(ProviderError::Malformed("not UTF-8")), "{dialect:?}");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_cut_at_our_bound() {
    let world = World::start().await;
    world.control(json!({"endless": true})).await;
    for dialect in DIALECTS {
        let client = dialect.client(&format!("{}/v1", world.url), PATIENT);
        let heard = ask(client.as_ref(), request("m")).await;
        assert_eq!(heard.end, Err(ProviderError::TooLong(MAX_TEXT_BYTES)), "{dialect:?}");
        assert!(heard.text.len() <= MAX_TEXT_BYTES, "{dialect:?}");
        assert_eq!(
            ask(client.as_ref(), whole("m")).await.end,
            Err(ProviderError::TooLong(MAX_BODY_BYTES)),
            "{dialect:?}"
        );
    }
}

#[tokio::test]
async fn of_fifty_megabytes_no_more_is_read_than_our_bound() {
    const MOST: usize = 50 * 1024 * 1024;
    for dialect in DIALECTS {
        let sent = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&sent);
        let (base, server) = serve(move |mut socket| async move {
            socket.write_all(STREAM.as_bytes()).await.unwrap();
            let events = dialect.empty().repeat(4_000);
            while counted.load(Ordering::Relaxed) < MOST && socket.write_all(events.as_bytes()).await.is_ok() {
                counted.fetch_add(events.len(), Ordering::Relaxed);
            }
        })
        .await;
        let end = ask(dialect.client(&base, PATIENT).as_ref(), request("m")).await.end;
        assert_eq!(end, Err(ProviderError::TooLong(MAX_BODY_BYTES)), "{dialect:?}");
        server.await.unwrap();
        assert!(sent.load(Ordering::Relaxed) < MOST, "{dialect:?}: we hang up");
        let line = format!("{STREAM}data: {}", "x".repeat(2 * 1024 * 1024));
        let (base, _server) = raw(line).await;
        let end = ask(dialect.client(&base, PATIENT).as_ref(), request("m")).await.end;
        assert_eq!(end, Err(ProviderError::TooLong(1024 * 1024)), "{dialect:?}: one event");
    }
}

#[tokio::test]
async fn a_refusal_is_told_from_an_answer_and_is_not_tried_again() {
    let world = World::start().await;
    world.control(json!({"refuse": true})).await;
    for dialect in DIALECTS {
        for asked in [request("m"), whole("m")] {
            let end = dialect.ask_world(&world, asked).await.end.unwrap_err();
            assert_eq!(end, ProviderError::Refused, "{dialect:?}");
            assert!(matches!(end.stage_error("test"), StageError::Fail(failure) if !failure.retryable));
        }
    }
}

#[tokio::test]
async fn a_prompt_that_is_too_long_is_told_from_other_bad_requests() {
    let world = World::start().await;
    for dialect in DIALECTS {
        world.control(json!({"context_too_long": true, "requests": 2})).await;
        for asked in [request("m"), whole("m")] {
            assert_eq!(dialect.ask_world(&world, asked).await.end, Err(ProviderError::ContextTooLong), "{dialect:?}");
        }
        let mut empty = request("m");
        empty.messages.clear();
        let end = dialect.ask_world(&world, empty).await.end;
        assert!(matches!(end, Err(ProviderError::InvalidRequest { status: 400, .. })), "{dialect:?}: {end:?}");
        for code in [401, 403] {
            world.control(json!({"status": code, "requests": 1})).await;
            let end = dialect.ask_world(&world, request("m")).await.end;
            assert_eq!(end, Err(ProviderError::Unauthorised(code)), "{dialect:?}");
        }
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_our_key() {
    for dialect in DIALECTS {
        let (elsewhere, server) = raw("HTTP/1.1 200 OK\r\n\r\n").await;
        let (base, _server) = raw(status("307 Temporary Redirect", &format!("location: {elsewhere}\r\n"), "")).await;
        let end = dialect.ask(&base, request("m")).await.end;
        assert_eq!(end, Err(ProviderError::InvalidRequest { status: 307, code: None }), "{dialect:?}");
        assert!(!server.is_finished(), "{dialect:?}: nobody called there");
        server.abort();
    }
}

/// What is logged, in memory.
#[derive(Clone, Default)]
struct Lines(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_log_of_any_library_and_no_error_holds_our_key_or_the_prompt() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone());
    let _logged = tracing::subscriber::set_default(subscriber.finish());
    tracing::trace!("a line");
    let echo = r#"{"error":{"message":"key-canary","code":"key-canary","status":"key-canary","type":"key-canary"}}"#;
    for dialect in DIALECTS {
        for line in ["400 Bad Request", "401 Unauthorized", "429 Too Many Requests", "500 Oops"] {
            let (base, server) = raw(status(line, "", echo)).await;
            let mut asked = request("m");
            asked.messages[1].content = "prompt-canary".to_owned();
            let error = dialect.ask(&base, asked).await.end.unwrap_err();
            let got = server.await.unwrap();
            assert!(got.contains("key-canary") && got.contains("prompt-canary"), "they were sent");
            let told = format!("{error} {error:?} {:?} {:?}", error.failure("test"), error.stage_error("test"));
            assert!(!told.contains("canary"), "{told}");
        }
        let shown = format!("{:?}", dialect.client("http://127.0.0.1:1/v1", QUICK));
        assert!(!shown.contains("canary"), "{shown}");
    }
    let logged = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("a line"), "{logged}");
    assert!(!logged.contains("canary"), "{logged}");
}
