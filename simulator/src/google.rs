//! Gemini's routes: content generated, streamed or as one, tokens counted, the models.

mod request;
mod schema;
mod words;

use std::sync::Arc;

use axum::body::{Bytes, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::dialect::Dialect;
use crate::exchange::{self, Arrived};
use crate::log::{Asked, End};
use crate::openai::reply;
use crate::refusal::WireError;
use crate::request::ChatRequest;
use crate::server::World;
pub(crate) use words::{Envelope, refusal};

const VERSIONS: [&str; 2] = ["/v1beta/", "/v1alpha/"];

/// Whether a path is Gemini's: of its versions, or a method of a model.
pub(crate) fn is_path(path: &str) -> bool {
    VERSIONS.iter().any(|version| path.starts_with(version)) || path.contains(':')
}

/// `POST …/models/{model}:generateContent`, `:streamGenerateContent`, `:countTokens`
pub(crate) async fn call(State(world): State<Arc<World>>, Path(call): Path<String>, request: Request) -> Response {
    let began = Instant::now();
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, world.config.most_body_bytes).await.ok();
    match call.rsplit_once(':') {
        Some((model, "generateContent")) => generate(&world, began, &parts, body, (model, false)).await,
        Some((model, "streamGenerateContent")) => generate(&world, began, &parts, body, (model, true)).await,
        Some((model, "countTokens")) => count(&world, began, &parts, body, model),
        _ => {
            let error = WireError::no_such_route(parts.method.as_str(), parts.uri.path());
            refuse(&world, began, &parts, &error)
        }
    }
}

async fn generate(
    world: &Arc<World>,
    began: Instant,
    parts: &Parts,
    body: Option<Bytes>,
    (model, stream): (&str, bool),
) -> Response {
    let value: Option<Value> = body.as_ref().and_then(|body| serde_json::from_slice(body).ok());
    let request = match &body {
        Some(_) => request::parse(model, stream, value.as_ref()),
        None => Err(WireError::of_status(413, model)),
    };
    let asked = asked(parts, model, stream, value.as_ref(), request.as_ref().ok());
    let has_key = has_key(&parts.headers, &parts.uri);
    let arrived = Arrived { began, dialect: Dialect::Google, asked, has_key, request };
    exchange::answer(world, arrived).await
}

fn count(world: &World, began: Instant, parts: &Parts, body: Option<Bytes>, model: &str) -> Response {
    if !has_key(&parts.headers, &parts.uri) {
        return refuse(world, began, parts, &WireError::of_status(403, model));
    }
    let value: Option<Value> = body.and_then(|body| serde_json::from_slice(&body).ok());
    // What is counted may be said in place of the contents.
    let value = value.map(|mut value| value.get_mut("generateContentRequest").map(Value::take).unwrap_or(value));
    match request::messages(value.as_ref().and_then(Value::as_object)) {
        Ok(messages) => {
            let tokens = ChatRequest::count(&messages);
            world.log.open(Dialect::Google, asked(parts, model, false, None, None)).end(End::Completed);
            let body =
                json!({"totalTokens": tokens, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}]});
            Dialect::Google.finish(reply(StatusCode::OK, body.to_string()), began, 0, None)
        }
        Err(error) => refuse(world, began, parts, &error),
    }
}

/// `GET …/models`
pub(crate) async fn list_models(State(world): State<Arc<World>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let names = &world.config.google_models;
    let models: Vec<Value> = names.iter().map(|name| words::model(name, world.config.context_tokens)).collect();
    shown(&world, &parts, Some(json!({"models": models})), "")
}

/// `GET …/models/{model}`
pub(crate) async fn show_model(
    State(world): State<Arc<World>>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let known = world.config.google_models.contains(&name);
    let model = known.then(|| words::model(&name, world.config.context_tokens));
    shown(&world, &parts, model, &name)
}

fn shown(world: &World, parts: &Parts, body: Option<Value>, name: &str) -> Response {
    let began = Instant::now();
    if !has_key(&parts.headers, &parts.uri) {
        return refuse(world, began, parts, &WireError::of_status(403, name));
    }
    let Some(body) = body else {
        return refuse(world, began, parts, &WireError::of_status(404, name));
    };
    world.log.open(Dialect::Google, asked(parts, name, false, None, None)).end(End::Completed);
    Dialect::Google.finish(reply(StatusCode::OK, body.to_string()), began, 0, None)
}

fn refuse(world: &World, began: Instant, parts: &Parts, error: &WireError) -> Response {
    let end = if error.status == 400 { End::BadRequest } else { End::Status(error.status) };
    world.log.open(Dialect::Google, asked(parts, "", false, None, None)).end(end);
    Dialect::Google.finish(refusal(error), began, 0, None)
}

/// Whether a request brings its key as Gemini's do: OpenAI's list of models has the same path as Gemini's `v1`.
pub(crate) fn has_key_of_google(request: &Request) -> bool {
    has_key(request.headers(), request.uri())
}

/// Any key will do, in the header or in the query, but there must be one.
fn has_key(headers: &HeaderMap, uri: &Uri) -> bool {
    let header = headers.get("x-goog-api-key").is_some_and(|key| !key.is_empty());
    let pairs = uri.query().unwrap_or_default().split('&');
    header || pairs.filter_map(|pair| pair.strip_prefix("key=")).any(|key| !key.is_empty())
}

/// What the log keeps: messages as other dialects put them.
fn asked(parts: &Parts, model: &str, stream: bool, body: Option<&Value>, request: Option<&ChatRequest>) -> Asked {
    let config = body.and_then(|body| body.get("generationConfig"));
    let messages = request.map(|request| request.messages.iter()).into_iter().flatten();
    Asked {
        path: parts.uri.path().to_owned(),
        model: (!model.is_empty()).then(|| model.to_owned()),
        stream,
        temperature: config.and_then(|config| config.get("temperature")?.as_f64()),
        max_tokens: config.and_then(|config| config.get("maxOutputTokens")?.as_u64()),
        messages: messages.map(|message| json!({"role": message.role, "content": message.content})).collect(),
        prompt_tokens: request.map(ChatRequest::prompt_tokens).unwrap_or_default(),
    }
}
