//! Many dead letters at once: an operation, which goes on whatever becomes of the client.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hellosales_core::dead_letter::LetterStatus;
use hellosales_core::operation::create::{self, NewOperation, Targets};
use hellosales_core::operation::{Kind, MAX_ITEMS, Options};
use hellosales_core::pulse::filter::{ErrorPattern, Filter};
use hellosales_core::queue::redrive::Start;
use hellosales_core::{DeadLetterId, OperationId};
use utoipa::ToSchema;

use super::change::MAX_NOTES_CHARS;
use super::filter::{OrgQuery, check_order, parse_time};
use super::redrive::{MAX_REASON_CHARS, model, start};
use super::{Desk, json, letter_not_found, with_header};
use crate::auth::{DlqManage, May};
use crate::error::{Problem, ProblemBody};
use crate::extract::{Body, Fields, Query, ReadBody};
use crate::object::OperationObject;
use crate::state::AppState;

const MAX_IDS: usize = 10_000;
const MAX_WORD_CHARS: usize = 100;
const DEFAULT_RATE: f64 = 10.0;

/// What is done to whom.
#[derive(Debug, Clone, ToSchema)]
#[schema(as = DeadLetterBulk)]
pub(super) struct BulkBody {
    #[schema(value_type = String, pattern = "^(redrive|investigate|resolve|abandon|reopen)$")]
    action: Kind,
    /// These; else those of the filter.
    #[schema(value_type = Option<Vec<uuid::Uuid>>, max_items = 10_000)]
    ids: Option<Vec<DeadLetterId>>,
    /// `pipeline`, `stage`, `status`, `error_code` (with a star at its end: those that begin so), `provider`, `batch_id`, `fingerprint`, `since`, `until`.
    #[schema(value_type = Option<Object>)]
    filter: Option<Filter>,
    #[schema(value_type = Option<String>, pattern = "^(failed|start)$")]
    from: Option<Start>,
    #[schema(min_length = 1, max_length = 200)]
    model: Option<String>,
    #[schema(min_length = 1, max_length = 2000)]
    notes: Option<String>,
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
    /// 10, if nothing is said.
    #[schema(minimum = 0.001, maximum = 1000)]
    rate_per_second: Option<f64>,
    /// So many first, and the rest only if all of them complete.
    #[schema(minimum = 1, maximum = 1000)]
    canary: Option<u32>,
    #[schema(minimum = 1, maximum = 100_000)]
    max: Option<u32>,
}

const FILTER: &[&str] =
    &["pipeline", "stage", "status", "error_code", "provider", "batch_id", "fingerprint", "since", "until"];

impl ReadBody for BulkBody {
    const KNOWN: &'static [&'static str] =
        &["action", "ids", "filter", "from", "model", "notes", "reason", "rate_per_second", "canary", "max"];
    const IDS: Option<(&'static str, usize)> = Some(("ids", MAX_IDS));

    fn read(fields: &mut Fields) -> Self {
        let kinds: Vec<_> =
            Kind::ALL.iter().filter(|kind| **kind != Kind::Cancel).map(|kind| (kind.as_str(), *kind)).collect();
        let action = fields.word("action", &kinds).value();
        if action.is_none() && !fields.has_fault("action") {
            fields.fault("action", "required", "is required");
        }
        let reason = fields.text("reason", 1..=MAX_REASON_CHARS);
        let body = Self {
            action: action.unwrap_or(Kind::Investigate),
            ids: fields.ids("ids", MAX_IDS).value(),
            filter: fields.nested("filter", FILTER, filter).value(),
            from: start(fields),
            model: model(fields),
            notes: fields.text("notes", 1..=MAX_NOTES_CHARS).value(),
            reason: fields.required("reason", reason),
            rate_per_second: fields.number("rate_per_second", 0.001..=1_000.0).value(),
            canary: fields.integer("canary", 1..=1_000).value(),
            max: fields.integer("max", 1..=100_000).value(),
        };
        if body.ids.is_some() == body.filter.is_some() && !fields.has_fault("ids") && !fields.has_fault("filter") {
            fields.fault("filter", "required", "either ids or a filter must be there");
        }
        if body.canary.is_some() && body.action != Kind::Redrive {
            fields.fault("canary", "unknown_value", "only a redrive has a canary");
        }
        body
    }
}

fn filter(fields: &mut Fields) -> Filter {
    let statuses: Vec<_> = LetterStatus::ALL.iter().map(|status| (status.as_str(), status.as_str())).collect();
    let filter = Filter {
        status: fields.word("status", &statuses).value().into_iter().map(str::to_owned).collect(),
        pipeline: fields.text("pipeline", 1..=MAX_WORD_CHARS).value(),
        stage: fields.text("stage", 1..=MAX_WORD_CHARS).value(),
        error: fields.text("error_code", 1..=MAX_WORD_CHARS).value().as_deref().map(ErrorPattern::parse),
        provider: fields.text("provider", 1..=MAX_WORD_CHARS).value(),
        batch_id: fields.id("batch_id").value(),
        fingerprint: fields.text("fingerprint", 1..=MAX_WORD_CHARS).value(),
        since: time(fields, "since"),
        until: time(fields, "until"),
        ..Filter::default()
    };
    check_order(&filter, |name, code, message| fields.fault(name, code, message));
    filter
}

fn time(fields: &mut Fields, name: &str) -> Option<chrono::DateTime<chrono::Utc>> {
    let text = fields.text(name, 1..=MAX_WORD_CHARS).value()?;
    let time = parse_time(&text);
    if time.is_none() {
        fields.fault(name, "not_a_time", "must be a time like 2026-11-24T10:00:00Z");
    }
    time
}

/// Does something to many dead letters: by ids, or by a filter, which is frozen now.
#[utoipa::path(post, path = "/pulse/dead-letter-queue/bulk", tag = "pulse", params(("org_id" = Option<uuid::Uuid>, Query)),
    request_body = BulkBody, responses((status = 202, body = OperationObject), (status = 404, body = ProblemBody)))]
pub(super) async fn bulk(
    State(state): State<AppState>,
    may: May<DlqManage>,
    Query(query): Query<OrgQuery>,
    body: Body<BulkBody>,
) -> Result<Response, Problem> {
    let desk = Desk::new(&may, &query)?;
    let (work, org, body) = (state.clone(), desk.org, body.content);
    let made = async move {
        let filter = body.filter.map(|filter| Filter { org_id: Some(desk.org), ..filter });
        let targets = match (&filter, &body.ids) {
            (Some(filter), _) => Targets::Letters(filter),
            (None, ids) => Targets::LetterIds(ids.as_deref().unwrap_or_default()),
        };
        let options = Options { from: body.from.unwrap_or(Start::Failed), model: body.model, notes: body.notes };
        let id = OperationId::new();
        let new = NewOperation {
            id,
            org_id: Some(desk.org),
            kind: body.action,
            targets,
            actor: &desk.actor,
            user: Some(desk.user),
            reason: Some(&body.reason),
            options: &options,
            rate_per_s: Some(body.rate_per_second.unwrap_or(DEFAULT_RATE)),
            canary: body.canary.and_then(|canary| i32::try_from(canary).ok()).unwrap_or(0),
            max: body.max.map_or(MAX_ITEMS, i64::from),
        };
        Ok(create::create(&work.db, &new).await?.map(|_| id))
    };
    let id = state.detached(made).await?.ok_or_else(|| letter_not_found().told("no dead letter is like that"))?;
    let operation = super::super::operations::read(&state, org, id).await?;
    Ok(with_header(json(StatusCode::ACCEPTED, &operation), "location", &format!("/pulse/operations/{id}")))
}
