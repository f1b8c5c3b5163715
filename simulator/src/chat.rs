//! The provider's routes: chat completions and the list of models.

use std::io;
use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use futures::{StreamExt, stream};
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::answer::Answer;
use crate::fault::Rule;
use crate::log::{Asked, End, Logged};
use crate::openai::{Dialect, Envelope, models, provider_headers, reply, set};
use crate::playback::{Event, Playback};
use crate::refusal::WireError;
use crate::request::ChatRequest;
use crate::server::World;

/// `POST …/chat/completions`
pub(crate) async fn completions(State(world): State<Arc<World>>, request: Request) -> Response {
    let began = Instant::now();
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let body = to_bytes(body, world.config.most_body_bytes).await;
    let value: Option<Value> = body.as_ref().ok().and_then(|body| serde_json::from_slice(body).ok());
    let value = value.unwrap_or_default();
    let parsed = ChatRequest::parse(&value);
    let prompt_tokens = parsed.as_ref().map(ChatRequest::prompt_tokens).unwrap_or_default();
    let logged = world.log.open(asked(&path, value, prompt_tokens));

    let admitted = match &body {
        Err(_) => Err((WireError::of_status(413, ""), End::BadRequest)),
        Ok(_) => admit(&world, &parts.headers, parsed, prompt_tokens),
    };
    let (request, permit) = match admitted {
        Ok(admitted) => admitted,
        Err((error, end)) => {
            logged.end(end);
            return finish(error.response(), began, prompt_tokens, None);
        }
    };
    // Before the rule: a release after this moment is meant for this request too.
    let ticket = world.holds.ticket();
    let rule = world.faults.take(&request.model).unwrap_or_default();
    let pace = world.config.pace().with(&rule);
    if rule.hang {
        // Never answered; only a client that goes away, or the server's end, gets out of here.
        world.stopped.cancelled().await;
        logged.end(End::Cut);
        return WireError::of_status(503, "").response();
    }
    if let Some(status) = rule.status {
        return refuse_by_rule(&rule, status, &request.model, logged, began).await;
    }
    let answer = Answer::to(&request, rule.schema_fault);
    let holds = (world.holds.clone(), ticket);
    let running = Running {
        envelope: Envelope::new(Dialect::of(&path), request.model, prompt_tokens, request.include_usage),
        playback: Playback::new(answer.pieces, pace, &rule, holds, world.stopped.clone()),
        finish_reason: answer.finish_reason,
        logged,
        _permit: permit,
    };
    let response = if request.stream { running.stream() } else { running.whole().await };
    finish(response, began, prompt_tokens, None)
}

/// Lets a request in, or says why not and how it ends in the log.
fn admit(
    world: &World,
    headers: &HeaderMap,
    parsed: Result<ChatRequest, WireError>,
    prompt_tokens: usize,
) -> Result<(ChatRequest, OwnedSemaphorePermit), (WireError, End)> {
    if !has_key(headers) {
        return Err((WireError::of_status(401, ""), End::Status(401)));
    }
    let request = parsed.map_err(|error| (error, End::BadRequest))?;
    let most = world.config.context_tokens;
    if prompt_tokens > most {
        return Err((WireError::too_long(most, prompt_tokens), End::BadRequest));
    }
    let permit = world.room.clone().try_acquire_owned();
    let permit = permit.map_err(|_| (WireError::of_status(503, ""), End::Status(503)))?;
    Ok((request, permit))
}

/// `GET …/models`
pub(crate) async fn list_models(State(world): State<Arc<World>>, request: Request) -> Response {
    let began = Instant::now();
    let path = request.uri().path().to_owned();
    let logged = world.log.open(asked(&path, Value::Null, 0));
    if !has_key(request.headers()) {
        logged.end(End::Status(401));
        return finish(WireError::of_status(401, "").response(), began, 0, None);
    }
    logged.end(End::Completed);
    let list = models(&world.config.models, Dialect::of(&path));
    finish(reply(StatusCode::OK, list.to_string()), began, 0, None)
}

/// Any key will do, but there must be one.
fn has_key(headers: &HeaderMap) -> bool {
    headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .is_some_and(|(scheme, key)| scheme.eq_ignore_ascii_case("bearer") && !key.trim().is_empty())
}

/// What the log keeps, as far as it can be told from a request that may be a bad one.
fn asked(path: &str, mut value: Value, prompt_tokens: usize) -> Asked {
    let tokens = |name| value.get(name).and_then(Value::as_u64);
    Asked {
        path: path.to_owned(),
        model: value.get("model").and_then(Value::as_str).map(str::to_owned),
        stream: value.get("stream").and_then(Value::as_bool).unwrap_or(false),
        temperature: value.get("temperature").and_then(Value::as_f64),
        max_tokens: tokens("max_completion_tokens").or_else(|| tokens("max_tokens")),
        messages: value.get_mut("messages").map(Value::take).unwrap_or_else(|| Value::Array(Vec::new())),
        prompt_tokens,
    }
}

async fn refuse_by_rule(rule: &Rule, status: u16, model: &str, logged: Logged, began: Instant) -> Response {
    if let Some(ms) = rule.first_token_ms {
        tokio::time::sleep(std::time::Duration::from_millis(ms)).await;
    }
    logged.end(End::Status(status));
    let mut response = WireError::of_status(status, model).response();
    if let Some(seconds) = rule.retry_after_s {
        set(response.headers_mut(), "retry-after", seconds);
    }
    let exhausted = (status == 429).then(|| rule.retry_after_s.unwrap_or(1));
    finish(response, began, 0, exhausted)
}

fn finish(mut response: Response, began: Instant, prompt_tokens: usize, exhausted_s: Option<u32>) -> Response {
    let headers = response.headers_mut();
    provider_headers(headers, prompt_tokens, exhausted_s);
    set(headers, "openai-processing-ms", began.elapsed().as_millis());
    response
}

/// An answer being given. Dropped before its end, the client went away.
struct Running {
    envelope: Envelope,
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

impl Running {
    fn stream(self) -> Response {
        // The sent tokens are counted beside the playback: the log may not be read back.
        let frames = stream::unfold((Some(self), 0_usize), |(running, sent)| async move {
            let mut running = running?;
            let (frame, sent, goes_on) = running.frame(sent).await;
            Some((frame, (goes_on.then_some(running), sent)))
        });
        let mut response = Response::new(Body::from_stream(frames));
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("text/event-stream; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, kind);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    }

    /// The stream's next bytes, the tokens sent with them, and whether more follow.
    async fn frame(&mut self, sent: usize) -> (io::Result<Bytes>, usize, bool) {
        match self.playback.next().await {
            Event::Open => (Ok(self.envelope.opening().into()), sent, true),
            Event::Piece(piece) => {
                self.logged.sent(&piece);
                (Ok(self.envelope.token(&piece).into()), sent + 1, true)
            }
            Event::Done => {
                self.logged.end(End::Completed);
                (Ok(self.envelope.closing(sent, self.finish_reason).into()), sent, false)
            }
            Event::Garbled => {
                self.logged.end(End::Malformed);
                (Ok(self.envelope.garbled().into()), sent, false)
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
        let body = self.envelope.completion(&said.concat(), said.len(), self.finish_reason).to_string();
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
}
