//! What people decide of a dead letter.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hellosales_core::DeadLetterId;
use hellosales_core::queue::letter::{self, Changed, Decided, Decision};
use utoipa::ToSchema;

use super::filter::{OrgQuery, invalid_state};
use super::{Desk, bare, json, letter_not_found};
use crate::auth::{DlqManage, May};
use crate::error::{Problem, ProblemBody};
use crate::extract::{Body, Fields, Id, Query, ReadBody};
use crate::object::DeadLetterObject;
use crate::state::AppState;

pub(super) const MAX_NOTES_CHARS: usize = 2_000;

/// What is decided, and what is to be known of it.
#[derive(Debug, Clone, ToSchema)]
#[schema(as = DeadLetterChange)]
pub(super) struct ChangeBody {
    /// `investigating`, `resolved`, `abandoned`, or `pending` to open it again.
    #[schema(value_type = Option<String>, pattern = "^(pending|investigating|resolved|abandoned)$")]
    status: Option<Decision>,
    #[schema(min_length = 1, max_length = 2000)]
    notes: Option<String>,
}

impl ReadBody for ChangeBody {
    const KNOWN: &'static [&'static str] = &["status", "notes"];

    fn read(fields: &mut Fields) -> Self {
        let words = [
            ("pending", Decision::Reopen),
            ("investigating", Decision::Investigate),
            ("resolved", Decision::Resolve),
            ("abandoned", Decision::Abandon),
        ];
        let body = Self {
            status: fields.word("status", &words).value(),
            notes: fields.text("notes", 1..=MAX_NOTES_CHARS).value(),
        };
        if body.status.is_none() && body.notes.is_none() && !fields.has_fault("status") && !fields.has_fault("notes") {
            fields.fault("status", "required", "is required, or notes");
        }
        body
    }
}

/// Says that somebody looks into it, closes it, opens it again, or keeps notes with it.
#[utoipa::path(patch, path = "/pulse/dead-letter-queue/{id}", tag = "pulse",
    params(("id" = uuid::Uuid, Path), ("org_id" = Option<uuid::Uuid>, Query)), request_body = ChangeBody,
    responses((status = 200, body = DeadLetterObject), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
pub(super) async fn change(
    State(state): State<AppState>,
    may: May<DlqManage>,
    (Id(id), Query(query)): (Id<DeadLetterId>, Query<OrgQuery>),
    body: Body<ChangeBody>,
) -> Result<Response, Problem> {
    let desk = Desk::new(&may, &query)?;
    let org = desk.org;
    let work = state.clone();
    let changed = async move {
        let notes = body.content.notes.as_deref();
        let Some(decision) = body.content.status else {
            let noted = letter::note(&work.db, desk.org, id, &desk.actor, notes.unwrap_or_default()).await?;
            return if noted { Ok(()) } else { Err(letter_not_found()) };
        };
        let how = Decided { decision, actor: &desk.actor, user: Some(desk.user), reason: None, notes, operation: None };
        let (changed, wakes) = letter::decide(&work.db, desk.org, id, &how).await?;
        work.notifier.send(wakes);
        match changed {
            Changed::Now => Ok(()),
            Changed::InvalidState(standing) => Err(invalid_state(standing.to_string())),
            Changed::NotFound => Err(letter_not_found()),
        }
    };
    state.detached(changed).await?;
    Ok(json(StatusCode::OK, &bare(&state, org, id).await?))
}
