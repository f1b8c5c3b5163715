//! `POST /chat/sessions/{id}/messages`: a turn, accepted.

use axum::extract::State;
use axum::response::Response;
use hellosales_core::queue::turn::NewTurn;
use hellosales_core::run::QualityMode;
use hellosales_core::{InteractionId, RunId, SessionId};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::runs;
use crate::auth::{ChatUse, May};
use crate::error::{Problem, ProblemBody};
use crate::extract::{Body, Fields, Head, Id, Query, ReadBody};
use crate::object::RunObject;
use crate::state::AppState;
use crate::submit::{self, Submission};
use crate::turn::Message;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(say))
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

impl ReadBody for NewMessage {
    const KNOWN: &'static [&'static str] =
        &["message", "message_id", "quality_mode", "temperature", "max_tokens", "replaces"];

    fn read(fields: &mut Fields) -> Self {
        let message = fields.text("message", 1..=10_000);
        Self {
            message: fields.required("message", message),
            message_id: fields.text("message_id", 1..=100).value(),
            quality_mode: fields.quality_mode(),
            temperature: fields.number("temperature", 0.0..=2.0).value(),
            max_tokens: fields.integer("max_tokens", 1..=8192).value(),
            replaces: fields.id("replaces").value(),
        }
    }
}

/// Says something: the answer is a run.
#[utoipa::path(post, path = "/chat/sessions/{id}/messages", tag = "chat", request_body = NewMessage,
    params(("id" = uuid::Uuid, Path), ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[ -~]*[!-~][ -~]*$"), ("Prefer" = Option<String>, Header)),
    responses((status = 202, body = RunObject), (status = 200, body = RunObject, description = "done within the wait that was preferred"),
              (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 422, body = ProblemBody),
              (status = 429, body = ProblemBody)))]
async fn say(
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
    let submission = Submission {
        org: caller.org(),
        viewer: caller.viewer(),
        key: head.key.with(caller.user(), &body.sha256),
        work: Message { viewer: caller.viewer(), turn },
    };
    let work = state.clone();
    let submitted = state.detached(async move { submit::submit(&work, &submission).await }).await?;
    runs::submitted(&state, &caller, submitted, head.wait).await
}
