//! `POST /chat/sessions/{id}/messages`: a turn, accepted.

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use hellosales_core::queue::turn::NewTurn;
use hellosales_core::run::QualityMode;
use hellosales_core::{InteractionId, RunId, SessionId};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{REPLAYED, json, runs, with_header};
use crate::auth::{ChatUse, May};
use crate::envelope::{RequestId, TraceParent};
use crate::error::{Problem, ProblemBody};
use crate::extract::{Body, Fields, Id, IdempotencyKey, Query, ReadBody};
use crate::object::RunObject;
use crate::state::AppState;
use crate::turn::{self, Submission};

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(submit))
}

/// What a user says.
#[derive(Debug, ToSchema)]
#[schema(as = NewMessage)]
struct NewMessage {
    #[schema(min_length = 1, max_length = 10_000, pattern = r"\S")]
    message: String,
    /// The client's own id: the same one twice is one turn.
    #[schema(min_length = 1, max_length = 100, pattern = r"\S")]
    message_id: Option<String>,
    /// `fast`, `balanced` or `quality`.
    #[schema(value_type = Option<String>, pattern = "^(fast|balanced|quality)$")]
    quality_mode: Option<QualityMode>,
    #[schema(minimum = 0, maximum = 2)]
    temperature: Option<f64>,
    #[schema(minimum = 1, maximum = 8192)]
    max_tokens: Option<u32>,
    /// The user's interaction of the last turn, to edit or regenerate it.
    #[schema(value_type = Option<uuid::Uuid>)]
    replaces: Option<InteractionId>,
}

const QUALITY_MODES: &[(&str, QualityMode)] =
    &[("fast", QualityMode::Fast), ("balanced", QualityMode::Balanced), ("quality", QualityMode::Quality)];

impl ReadBody for NewMessage {
    const KNOWN: &'static [&'static str] =
        &["message", "message_id", "quality_mode", "temperature", "max_tokens", "replaces"];

    fn read(fields: &mut Fields) -> Self {
        let message = fields.text("message", 1..=10_000);
        Self {
            message: fields.required("message", message),
            message_id: fields.text("message_id", 1..=100).value(),
            quality_mode: fields.word("quality_mode", QUALITY_MODES).value(),
            temperature: fields.number("temperature", 0.0..=2.0).value(),
            max_tokens: fields.integer("max_tokens", 1..=8192).value(),
            replaces: fields.id("replaces").value(),
        }
    }
}

/// What a submit needs of the request's head.
struct Head {
    key: IdempotencyKey,
    request_id: Option<String>,
    traceparent: Option<String>,
    wait: Option<u64>,
}

impl FromRequestParts<AppState> for Head {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        Ok(Self {
            key: IdempotencyKey::from_request_parts(parts, state).await?,
            request_id: parts.extensions.get::<RequestId>().map(|id| id.0.clone()),
            traceparent: parts.extensions.get::<TraceParent>().and_then(|trace| trace.0.clone()),
            wait: preferred_wait(&parts.headers),
        })
    }
}

/// `Prefer: wait=30` (RFC 7240). A preference that can't be read is none.
fn preferred_wait(headers: &HeaderMap) -> Option<u64> {
    let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let mut preferences = values.flat_map(|value| value.split([',', ';']));
    let wait = preferences.find_map(|one| {
        let (name, seconds) = one.split_once('=')?;
        name.trim().eq_ignore_ascii_case("wait").then(|| seconds.trim().trim_matches('"').parse::<u64>().ok()).flatten()
    });
    wait.map(|seconds| seconds.min(runs::MAX_WAIT_SECONDS))
}

/// Says something: the answer is a run.
#[utoipa::path(post, path = "/chat/sessions/{id}/messages", tag = "chat", request_body = NewMessage,
    params(("id" = uuid::Uuid, Path), ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[ -~]*[!-~][ -~]*$"), ("Prefer" = Option<String>, Header)),
    responses((status = 202, body = RunObject), (status = 200, body = RunObject, description = "done within the wait that was preferred"),
              (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody),
              (status = 429, body = ProblemBody)))]
async fn submit(
    State(state): State<AppState>,
    may: May<ChatUse>,
    (Id(session_id), _): (Id<SessionId>, Query<()>),
    head: Head,
    body: Body<NewMessage>,
) -> Result<Response, Problem> {
    let caller = may.caller;
    let said = body.content;
    let turn = NewTurn {
        run_id: RunId::new(),
        session_id,
        user_id: caller.user(),
        message: said.message,
        message_id: said.message_id,
        quality_mode: said.quality_mode.unwrap_or(QualityMode::Balanced),
        temperature: said.temperature,
        max_tokens: said.max_tokens,
        replaces: said.replaces,
        request_id: head.request_id,
        traceparent: head.traceparent,
        stage_timeout_ms: state.config.stage_timeout_ms,
        rank: 0,
    };
    let key = head.key.with(caller.user(), &body.sha256);
    let submission = Submission { org: caller.org(), viewer: caller.viewer(), key, turn };
    let work = state.clone();
    let submitted = state.detached(async move { turn::submit(&work, submission).await }).await?;
    let run = match head.wait {
        Some(seconds) => runs::wait(&state, &caller, submitted.run_id, seconds).await?,
        None => runs::read(&state, &caller, submitted.run_id).await?,
    };
    let done = head.wait.filter(|_| run.has_ended());
    let location = format!("/runs/{}", submitted.run_id);
    let status = if done.is_some() { StatusCode::OK } else { StatusCode::ACCEPTED };
    let mut response = with_header(json(status, &RunObject::from(run)), "location", &location);
    response = match done {
        Some(seconds) => with_header(response, "preference-applied", &format!("wait={seconds}")),
        None => with_header(response, "retry-after", "1"),
    };
    Ok(if submitted.replayed { with_header(response, REPLAYED.0, REPLAYED.1) } else { response })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_preference_is_read_where_it_can_be() {
        for (text, wait) in [
            ("wait=30", Some(30)),
            ("respond-async, wait=5", Some(5)),
            ("wait=900", Some(60)),
            ("wait=x", None),
            ("hurry", None),
        ] {
            let headers =
                HeaderMap::from_iter([(axum::http::HeaderName::from_static("prefer"), HeaderValue::from_static(text))]);
            assert_eq!(preferred_wait(&headers), wait, "{text}");
        }
    }
}
