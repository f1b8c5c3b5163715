//! One request and its answer, event by event, in whatever format: what all providers on HTTP share of it.

use std::collections::VecDeque;
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use reqwest::RequestBuilder;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use tokio::time::{Instant, timeout, timeout_at};

use super::http::{self, Timeouts};
use super::sse::{MAX_EVENT_BYTES, SseError, SseParser};
use super::{Finish, LlmEvent, LlmRequest, ProviderError, Usage};

/// The most bytes of text that an answer may have: several times what 8,192 tokens are.
pub(super) const MAX_TEXT_BYTES: usize = 256 * 1024;
/// The most bytes that an answer may have on the wire.
pub(super) const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;
/// The most bytes of an error's body that are read.
const MAX_ERROR_BYTES: usize = 16 * 1024;
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(3);
/// A provider has said why it ended, and lets us wait for its usage.
const USAGE_TIMEOUT: Duration = Duration::from_secs(2);

/// A wire format: how a request is put, and what is read of its answer.
pub(super) trait Wire: Send + Sync + 'static {
    /// How long a call may take.
    fn timeouts(&self) -> Timeouts;

    /// The request, all but what it accepts.
    fn ask(&self, request: &LlmRequest) -> RequestBuilder;

    /// What an event of a stream says, or a whole answer.
    fn read(&self, data: &str) -> Vec<Said>;

    /// What an answer says that isn't a 200.
    fn refused(&self, refusal: &Refusal<'_>) -> ProviderError;
}

/// What a piece of an answer says.
#[derive(Debug, PartialEq)]
pub(super) enum Said {
    /// More text.
    Text(String),
    /// What it cost.
    Usage(Usage),
    /// Why it ends; of several the last counts.
    Finish(Finish),
    /// The provider's own rules stood against an answer.
    Refused,
    /// Nothing follows.
    Over,
    /// Something went wrong.
    Fault(ProviderError),
}

/// An answer that isn't a 200.
pub(super) struct Refusal<'a> {
    pub(super) status: u16,
    pub(super) headers: &'a HeaderMap,
    /// The beginning of its body.
    pub(super) body: &'a [u8],
}

type Body = BoxStream<'static, reqwest::Result<Bytes>>;

/// A request on its way, or its answer.
pub(super) struct Exchange<W> {
    wire: Arc<W>,
    phase: Phase,
    events: VecDeque<LlmEvent>,
    parser: SseParser,
    /// Of an answer that comes as one, what has come of it.
    whole: Vec<u8>,
    streamed: bool,
    started: Instant,
    body_bytes: usize,
    text_bytes: usize,
    finish: Option<(Finish, Instant)>,
    refused: bool,
    fault: Option<ProviderError>,
}

enum Phase {
    Send(LlmRequest),
    Read(Body),
    ReadWhole(Body),
    Over,
}

/// What the end of the stream said.
enum Step {
    More,
    Done,
}

/// Calls the model: a stream of what comes back.
pub(super) fn exchange<W: Wire>(
    wire: Arc<W>,
    request: LlmRequest,
) -> BoxStream<'static, Result<LlmEvent, ProviderError>> {
    stream::unfold(Exchange::new(wire, request), |mut exchange| async move {
        let item = exchange.next().await?;
        Some((item, exchange))
    })
    .boxed()
}

impl<W: Wire> Exchange<W> {
    fn new(wire: Arc<W>, request: LlmRequest) -> Self {
        Self {
            wire,
            streamed: request.stream,
            phase: Phase::Send(request),
            events: VecDeque::new(),
            parser: SseParser::default(),
            whole: Vec::new(),
            started: Instant::now(),
            body_bytes: 0,
            text_bytes: 0,
            finish: None,
            refused: false,
            fault: None,
        }
    }

    /// The next event; `None` after the last.
    async fn next(&mut self) -> Option<Result<LlmEvent, ProviderError>> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(Ok(event));
            }
            if let Some(fault) = self.fault.take() {
                return Some(Err(fault));
            }
            let step = match std::mem::replace(&mut self.phase, Phase::Over) {
                Phase::Send(request) => self.send(&request).await,
                Phase::Read(body) => self.read(body).await,
                Phase::ReadWhole(body) => self.read_whole(body).await,
                Phase::Over => return None,
            };
            // What came before a fault is told before it: it was paid for.
            self.fault = step.err();
        }
    }

    async fn send(&mut self, request: &LlmRequest) -> Result<(), ProviderError> {
        self.started = Instant::now();
        let accepted = if request.stream { "text/event-stream" } else { "application/json" };
        let response = timeout_at(self.deadline(), self.wire.ask(request).header(ACCEPT, accepted).send())
            .await
            .map_err(|_| self.too_late())?
            .map_err(|error| unreachable(&error))?;
        if response.status().as_u16() != 200 {
            return Err(refused(self.wire.as_ref(), response).await);
        }
        let headers = response.headers();
        let streams = is_event_stream(headers);
        if request.stream && !streams {
            return Err(ProviderError::Malformed("not an event stream"));
        }
        let request_id =
            headers.get("x-request-id").and_then(|id| id.to_str().ok()).map(|id| id.chars().take(100).collect());
        self.events.push_back(LlmEvent::Started { request_id, limits: http::rate_limits(headers) });
        let body = response.bytes_stream().boxed();
        // Some servers stream whatever they are asked for.
        self.phase = if streams { Phase::Read(body) } else { Phase::ReadWhole(body) };
        Ok(())
    }

    async fn read_whole(&mut self, mut body: Body) -> Result<(), ProviderError> {
        match timeout_at(self.deadline(), body.next()).await {
            Ok(Some(Ok(bytes))) => {
                self.count(&bytes)?;
                self.whole.extend_from_slice(&bytes);
                self.phase = Phase::ReadWhole(body);
                Ok(())
            }
            Ok(Some(Err(_))) => Err(ProviderError::CutStream),
            Ok(None) => {
                let whole = std::mem::take(&mut self.whole);
                let whole = std::str::from_utf8(&whole).map_err(|_| ProviderError::Malformed("not UTF-8"))?;
                self.event(whole)?;
                self.end()
            }
            Err(_) => Err(self.too_late()),
        }
    }

    async fn read(&mut self, mut body: Body) -> Result<(), ProviderError> {
        let step = match timeout_at(self.deadline(), body.next()).await {
            Ok(Some(Ok(bytes))) => self.take(&bytes)?,
            Ok(Some(Err(_))) if self.finish.is_none() => return Err(ProviderError::CutStream),
            Ok(None) => self.take_last()?,
            Ok(Some(Err(_))) => Step::Done,
            Err(_) if self.finish.is_some() => Step::Done,
            Err(_) => return Err(self.too_late()),
        };
        match step {
            Step::More => self.phase = Phase::Read(body),
            Step::Done => self.end()?,
        }
        Ok(())
    }

    fn deadline(&self) -> Instant {
        let total = self.started + self.wire.timeouts().total;
        match self.finish {
            Some((_, at)) => total.min(at + USAGE_TIMEOUT),
            None if self.waits_for_a_token() => total.min(self.started + self.wire.timeouts().first_token),
            None => total,
        }
    }

    /// An answer that comes as one has no first token: it has the time of the whole.
    const fn waits_for_a_token(&self) -> bool {
        self.streamed && self.text_bytes == 0
    }

    fn too_late(&self) -> ProviderError {
        let Timeouts { first_token, total, .. } = self.wire.timeouts();
        if self.waits_for_a_token() {
            ProviderError::TimeoutBeforeFirstToken(first_token.min(total))
        } else {
            ProviderError::TimeoutAfterFirstToken(total)
        }
    }

    fn count(&mut self, bytes: &Bytes) -> Result<(), ProviderError> {
        self.body_bytes = self.body_bytes.saturating_add(bytes.len());
        if self.body_bytes > MAX_BODY_BYTES { Err(ProviderError::TooLong(MAX_BODY_BYTES)) } else { Ok(()) }
    }

    fn take(&mut self, bytes: &Bytes) -> Result<Step, ProviderError> {
        self.count(bytes)?;
        for data in self.parser.push(bytes).map_err(unreadable)? {
            if let Step::Done = self.event(&data)? {
                return Ok(Step::Done);
            }
        }
        Ok(Step::More)
    }

    fn take_last(&mut self) -> Result<Step, ProviderError> {
        // What follows a cut is half an event: a cut stream, not a malformed one.
        if let Ok(Some(data)) = self.parser.finish()
            && let Err(error) = self.event(&data)
        {
            return Err(if matches!(error, ProviderError::Malformed(_)) { ProviderError::CutStream } else { error });
        }
        if self.finish.is_some() || self.refused { Ok(Step::Done) } else { Err(ProviderError::CutStream) }
    }

    fn event(&mut self, data: &str) -> Result<Step, ProviderError> {
        for said in self.wire.read(data) {
            match said {
                Said::Text(text) => self.text(&text)?,
                Said::Usage(usage) => self.events.push_back(LlmEvent::Usage(usage)),
                Said::Finish(finish) => self.finish = Some((finish, Instant::now())),
                Said::Refused => self.refused = true,
                Said::Over => return Ok(Step::Done),
                Said::Fault(error) => return Err(error),
            }
        }
        Ok(Step::More)
    }

    fn text(&mut self, text: &str) -> Result<(), ProviderError> {
        if text.is_empty() {
            return Ok(());
        }
        self.text_bytes = self.text_bytes.saturating_add(text.len());
        if self.text_bytes > MAX_TEXT_BYTES {
            return Err(ProviderError::TooLong(MAX_TEXT_BYTES));
        }
        // PostgreSQL takes no NUL, neither in text nor in jsonb.
        self.events.push_back(LlmEvent::Delta(text.replace('\u{0}', "\u{fffd}")));
        // Some models say with each piece that they are done.
        if let Some((_, at)) = &mut self.finish {
            *at = Instant::now();
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), ProviderError> {
        if self.refused {
            return Err(ProviderError::Refused);
        }
        let (finish, _) = self.finish.ok_or(ProviderError::Malformed("an answer without a finish"))?;
        self.events.push_back(LlmEvent::Finished(finish));
        Ok(())
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.trim_start().to_ascii_lowercase().starts_with("text/event-stream")
}

fn unreadable(error: SseError) -> ProviderError {
    match error {
        SseError::TooLong => ProviderError::TooLong(MAX_EVENT_BYTES),
        SseError::NotText => ProviderError::Malformed("not UTF-8"),
    }
}

fn unreachable(error: &reqwest::Error) -> ProviderError {
    let what = match (error.is_connect(), error.is_timeout()) {
        (true, true) => "connecting took too long",
        (true, false) => no_connection(error),
        (false, _) => "the connection broke off",
    };
    ProviderError::Unavailable { what, status: None, retry_after: None }
}

/// Why there is no connection, as far as the libraries below tell.
fn no_connection(error: &reqwest::Error) -> &'static str {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.to_string().starts_with("dns error") {
            return "no such name";
        }
        let Some(io) = error.downcast_ref::<io::Error>() else {
            cause = error.source();
            continue;
        };
        match io.kind() {
            io::ErrorKind::ConnectionRefused => return "connection refused",
            // What TLS itself finds wrong, and a server that hangs up in the middle of it.
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => return "TLS failed",
            // Its source is that of what it holds, which is passed over.
            _ => cause = io.get_ref().map(|held| held as &(dyn Error + 'static)).or_else(|| io.source()),
        }
    }
    "no connection"
}

async fn refused<W: Wire>(wire: &W, mut response: reqwest::Response) -> ProviderError {
    let status = response.status().as_u16();
    let headers = std::mem::take(response.headers_mut());
    let mut body = Vec::new();
    let reading = async {
        while let Ok(Some(bytes)) = response.chunk().await {
            let room = MAX_ERROR_BYTES.saturating_sub(body.len());
            body.extend(bytes.iter().take(room));
            if body.len() >= MAX_ERROR_BYTES {
                break;
            }
        }
    };
    // What came in time is read; the status alone says enough.
    let _in_time = timeout(ERROR_BODY_TIMEOUT, reading).await;
    wire.refused(&Refusal { status, headers: &headers, body: &body })
}
