//! One request and its answer, in whatever dialect: what the log keeps, the faults, the answer in time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use futures::{Stream, StreamExt, stream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::answer::Answer;
use crate::dialect::{Dialect, Words};
use crate::fault::Rule;
use crate::log::{Asked, End, Logged};
use crate::openai::{reply, set};
use crate::playback::{Event, Playback};
use crate::refusal::WireError;
use crate::request::ChatRequest;
use crate::server::World;

/// A request that has come, as far as it can be read.
pub(crate) struct Arrived {
    pub(crate) began: Instant,
    pub(crate) dialect: Dialect,
    pub(crate) asked: Asked,
    /// Any key will do, but there must be one.
    pub(crate) has_key: bool,
    pub(crate) request: Result<ChatRequest, WireError>,
}

/// Answers a request, or shows the fault that was asked for.
pub(crate) async fn answer(world: &Arc<World>, arrived: Arrived) -> Response {
    let Arrived { began, dialect, asked, has_key, request } = arrived;
    let prompt_tokens = asked.prompt_tokens;
    let logged = world.log.open(dialect, asked);
    let (request, permit) = match admit(world, dialect, has_key, request, prompt_tokens) {
        Ok(admitted) => admitted,
        Err((error, end)) => {
            logged.end(end);
            return dialect.finish(dialect.refuse(&error), began, prompt_tokens, None);
        }
    };
    // Before the rule: a release after this moment is meant for this request too.
    let ticket = world.holds.ticket();
    let rule = world.faults.take(&request.model, dialect).unwrap_or_default();
    if rule.hang {
        // Never answered; only a client that goes away, or the server's end, gets out of here.
        world.stopped.cancelled().await;
        logged.end(End::Cut);
        return dialect.refuse(&WireError::of_status(503, ""));
    }
    if let Some(status) = rule.status {
        return refuse_by_rule(&rule, status, dialect, &request.model, (logged, began)).await;
    }
    if rule.context_too_long {
        logged.end(End::BadRequest);
        let error = WireError::too_long(world.config.context_tokens, prompt_tokens);
        return dialect.finish(dialect.refuse(&error), began, prompt_tokens, None);
    }
    let answer = Answer::to(&request, &rule);
    let pace = world.config.pace().with(&rule);
    let holds = (world.holds.clone(), ticket);
    let streams = request.stream;
    let running = Running {
        words: dialect.words(&request, prompt_tokens),
        playback: Playback::new(answer.pieces, pace, &rule, holds, world.stopped.clone()),
        finish_reason: answer.finish_reason,
        logged,
        _permit: permit,
    };
    let response = match (streams, rule.endless) {
        (true, _) => running.stream(),
        (false, true) => running.endless(),
        (false, false) => running.whole().await,
    };
    let response = if rule.byte_a_second { dripping(response) } else { response };
    dialect.finish(response, began, prompt_tokens, None)
}

/// Lets a request in, or says why not and how it ends in the log.
fn admit(
    world: &World,
    dialect: Dialect,
    has_key: bool,
    request: Result<ChatRequest, WireError>,
    prompt_tokens: usize,
) -> Result<(ChatRequest, OwnedSemaphorePermit), (WireError, End)> {
    if let Err(error) = &request
        && error.status == 413
    {
        return Err((WireError::of_status(413, ""), End::BadRequest));
    }
    if !has_key {
        let status = dialect.keyless();
        return Err((WireError::of_status(status, ""), End::Status(status)));
    }
    let request = request.map_err(|error| (error, End::BadRequest))?;
    let most = world.config.context_tokens;
    if prompt_tokens > most {
        return Err((WireError::too_long(most, prompt_tokens), End::BadRequest));
    }
    let permit = world.room.clone().try_acquire_owned();
    let permit = permit.map_err(|_| (WireError::of_status(503, ""), End::Status(503)))?;
    Ok((request, permit))
}

async fn refuse_by_rule(
    rule: &Rule,
    status: u16,
    dialect: Dialect,
    model: &str,
    (logged, began): (Logged, Instant),
) -> Response {
    if let Some(ms) = rule.first_token_ms {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
    logged.end(End::Status(status));
    let mut error = WireError::of_status(status, model);
    error.about.limit = (status == 429).then(|| rule.quota.unwrap_or_default());
    error.about.retry_after_s = rule.retry_after_s;
    let mut response = dialect.refuse(&error);
    if let Some(seconds) = rule.retry_after_s {
        set(response.headers_mut(), "retry-after", seconds);
    }
    let exhausted = (status == 429).then(|| rule.retry_after_s.unwrap_or(1));
    dialect.finish(response, began, 0, exhausted)
}

struct Running {
    words: Box<dyn Words>,
    playback: Playback,
    finish_reason: &'static str,
    logged: Logged,
    _permit: OwnedSemaphorePermit,
}

/// The error that makes the server break the connection without the body's end. It comes a moment
/// late: a server that waits for a body first writes out what it has of it.
async fn broken() -> io::Error {
    tokio::task::yield_now().await;
    io::Error::new(io::ErrorKind::ConnectionAborted, "cut on request")
}

/// The body's bytes, one a second.
fn dripping(response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let bytes = body.into_data_stream().flat_map(|part| {
        let bytes = part.map_or_else(|error| vec![Err(error)], |part| part.into_iter().map(Ok).collect());
        stream::iter(bytes)
    });
    let slow = bytes.then(|byte| async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        byte.map(|byte| Bytes::from(vec![byte]))
    });
    Response::from_parts(parts, Body::from_stream(slow))
}

impl Running {
    fn stream(self) -> Response {
        let mut response = Response::new(Body::from_stream(self.frames()));
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("text/event-stream; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, kind);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    }

    fn frames(self) -> impl Stream<Item = io::Result<Bytes>> {
        // The sent tokens are counted beside the playback: the log may not be read back.
        let frames = stream::unfold((Some(self), 0_usize), |(running, sent)| async move {
            let mut running = running?;
            let (frame, sent, goes_on) = running.frame(sent).await;
            Some((frame, (goes_on.then_some(running), sent)))
        });
        // Not every dialect says something before the first token.
        frames.filter(|frame| std::future::ready(!frame.as_ref().is_ok_and(Bytes::is_empty)))
    }

    /// The stream's next bytes, the tokens sent with them, and whether more follow.
    async fn frame(&mut self, sent: usize) -> (io::Result<Bytes>, usize, bool) {
        match self.playback.next().await {
            Event::Open => (Ok(self.words.opening().into()), sent, true),
            Event::Piece(piece) => {
                self.logged.sent(&piece);
                (Ok(self.words.token(&piece, sent + 1).into()), sent + 1, true)
            }
            Event::Done => {
                self.logged.end(End::Completed);
                (Ok(self.words.closing(sent, self.finish_reason).into()), sent, false)
            }
            Event::Garbled => {
                self.logged.end(End::Malformed);
                (Ok(self.words.garbled().into()), sent, false)
            }
            Event::Cut => {
                self.logged.end(End::Cut);
                (Err(broken().await), sent, false)
            }
        }
    }

    async fn whole(mut self) -> Response {
        let mut said = Vec::new();
        let last = loop {
            match self.playback.next().await {
                Event::Open => {}
                Event::Piece(piece) => said.push(piece),
                last => break last,
            }
        };
        for piece in &said {
            self.logged.sent(piece);
        }
        let body = self.words.whole(&said.concat(), said.len(), self.finish_reason).to_string();
        if last == Event::Done {
            self.logged.end(End::Completed);
            return reply(StatusCode::OK, body);
        }
        // Two thirds of an object are no JSON.
        let part: String = body.chars().take(body.chars().count() * 2 / 3).collect();
        if last == Event::Garbled {
            self.logged.end(End::Malformed);
            return reply(StatusCode::OK, part);
        }
        self.logged.end(End::Cut);
        let rest = stream::once(async { Err(broken().await) });
        let part = stream::iter([Ok(Bytes::from(part))]).chain(rest);
        reply(StatusCode::OK, Body::from_stream(part))
    }

    /// A whole answer whose text has no end.
    fn endless(self) -> Response {
        const TEXT: &str = "<text>";
        let body = self.words.whole(TEXT, 0, self.finish_reason).to_string();
        let head = body.split_once(TEXT).map_or("", |(head, _)| head).to_owned();
        let text = stream::unfold((self.playback, self.logged), |(mut playback, logged)| async move {
            loop {
                match playback.next().await {
                    Event::Open => {}
                    Event::Piece(piece) => {
                        logged.sent(&piece);
                        let piece = piece.replace(['"', '\\', '\n'], " ");
                        return Some((Ok(Bytes::from(piece)), (playback, logged)));
                    }
                    _ => {
                        logged.end(End::Cut);
                        return None;
                    }
                }
            }
        });
        let permit = self._permit;
        let text = text.inspect(move |_: &io::Result<Bytes>| {
            let _held = &permit;
        });
        reply(StatusCode::OK, Body::from_stream(stream::iter([Ok(Bytes::from(head))]).chain(text)))
    }
}
