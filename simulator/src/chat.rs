//! OpenAI's and Groq's routes: chat completions and the list of models.

use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use serde_json::Value;
use tokio::time::Instant;

use crate::dialect::Dialect;
use crate::exchange::{self, Arrived};
use crate::google;
use crate::log::{Asked, End};
use crate::openai::{models, reply};
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
    let request = match &body {
        Ok(_) => ChatRequest::parse(&value),
        Err(_) => Err(WireError::of_status(413, "")),
    };
    let prompt_tokens = request.as_ref().map(ChatRequest::prompt_tokens).unwrap_or_default();
    let arrived = Arrived {
        began,
        dialect: Dialect::of(&path),
        asked: asked(&path, value, prompt_tokens),
        has_key: has_key(&parts.headers),
        request,
    };
    exchange::answer(&world, arrived).await
}

/// `GET …/models`
pub(crate) async fn list_models(State(world): State<Arc<World>>, request: Request) -> Response {
    if google::has_key_of_google(&request) {
        return google::list_models(State(world), request).await;
    }
    let began = Instant::now();
    let path = request.uri().path().to_owned();
    let dialect = Dialect::of(&path);
    let logged = world.log.open(dialect, asked(&path, Value::Null, 0));
    if !has_key(request.headers()) {
        logged.end(End::Status(401));
        return dialect.finish(WireError::of_status(401, "").response(), began, 0, None);
    }
    logged.end(End::Completed);
    let list = models(&world.config.models, dialect);
    dialect.finish(reply(StatusCode::OK, list.to_string()), began, 0, None)
}

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
