//! One request and its answer, event by event.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use tokio::time::{Instant, timeout, timeout_at};

use super::super::http::{self, Timeouts};
use super::super::sse::{SseError, SseParser};
use super::super::{Finish, LlmEvent, LlmRequest, ProviderError};
use super::wire::{Choice, Chunk, Request, WireError};
use super::{Inner, MAX_BODY_BYTES, MAX_TEXT_BYTES, fault};

/// The most bytes of an error's body that are read.
const MAX_ERROR_BYTES: usize = 16 * 1024;
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(3);
/// A provider has said why it ended, and lets us wait for its usage.
const USAGE_TIMEOUT: Duration = Duration::from_secs(2);

type Body = BoxStream<'static, reqwest::Result<Bytes>>;

/// A request on its way, or its answer.
pub(super) struct Exchange {
    client: Arc<Inner>,
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

impl Exchange {
    pub(super) fn new(client: Arc<Inner>, request: LlmRequest) -> Self {
        Self {
            client,
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
    pub(super) async fn next(&mut self) -> Option<Result<LlmEvent, ProviderError>> {
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
        let mut builder = self.client.http.post(self.client.url.clone()).header(ACCEPT, accepted);
        if let Some(authorization) = &self.client.authorization {
            builder = builder.header(AUTHORIZATION, authorization.clone());
        }
        let response = timeout_at(self.deadline(), builder.json(&Request::new(request, self.client.json)).send())
            .await
            .map_err(|_| self.too_late())?
            .map_err(|error| unreachable(&error))?;
        if response.status().as_u16() != 200 {
            return Err(refused(response).await);
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
        let total = self.started + self.client.timeouts.total;
        match self.finish {
            Some((_, at)) => total.min(at + USAGE_TIMEOUT),
            None if self.waits_for_a_token() => total.min(self.started + self.client.timeouts.first_token),
            None => total,
        }
    }

    /// An answer that comes as one has no first token: it has the time of the whole.
    const fn waits_for_a_token(&self) -> bool {
        self.streamed && self.text_bytes == 0
    }

    fn too_late(&self) -> ProviderError {
        let Timeouts { first_token, total, .. } = self.client.timeouts;
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
        if data.trim() == "[DONE]" {
            return Ok(Step::Done);
        }
        let chunk: Chunk =
            serde_json::from_str(data).map_err(|_| ProviderError::Malformed("it isn't JSON of the format"))?;
        if let Some(error) = &chunk.error {
            return Err(fault::in_stream(error));
        }
        let usage = chunk.usage();
        for choice in chunk.choices.into_iter().flatten().take(1) {
            self.choice(choice)?;
        }
        self.events.extend(usage.map(LlmEvent::Usage));
        Ok(Step::More)
    }

    fn choice(&mut self, mut choice: Choice) -> Result<(), ProviderError> {
        let said = choice.said();
        self.refused |= said.refusal.is_some_and(|text| !text.is_empty());
        if let Some(text) = said.content.filter(|text| !text.is_empty()) {
            self.text_bytes = self.text_bytes.saturating_add(text.len());
            if self.text_bytes > MAX_TEXT_BYTES {
                return Err(ProviderError::TooLong(MAX_TEXT_BYTES));
            }
            // PostgreSQL takes no NUL, neither in text nor in jsonb.
            self.events.push_back(LlmEvent::Delta(text.replace('\u{0}', "\u{fffd}")));
        }
        let finish = match choice.finish_reason.as_deref() {
            None | Some("") => return Ok(()),
            Some("content_filter") => {
                self.refused = true;
                Finish::Stop
            }
            Some("length" | "max_tokens") => Finish::Length,
            Some("tool_calls" | "function_call") => return Err(ProviderError::Malformed("a call of a tool")),
            Some(_) => Finish::Stop,
        };
        self.finish.get_or_insert((finish, Instant::now()));
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
        SseError::TooLong => ProviderError::TooLong(super::super::sse::MAX_EVENT_BYTES),
        SseError::NotText => ProviderError::Malformed("not UTF-8"),
    }
}

fn unreachable(error: &reqwest::Error) -> ProviderError {
    let what = if error.is_connect() && error.is_timeout() {
        "connecting took too long"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection broke off"
    };
    ProviderError::Unavailable { what, status: None, retry_after: None }
}

async fn refused(mut response: reqwest::Response) -> ProviderError {
    let status = response.status().as_u16();
    let limits = http::rate_limits(response.headers());
    let retry_after = http::retry_after(response.headers()).or_else(|| limits.wait());
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
    fault::of_status(status, &WireError::read(&body), retry_after)
}
