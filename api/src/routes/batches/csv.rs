//! `GET /email-batches/{id}/results.csv`: the same as a file (RFC 4180), written as it is read: never held in memory.
//!
//! It begins with a byte order mark, without which Excel takes UTF-8 for something else. A cell that a spreadsheet would
//! take for a formula begins with `'`.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hellosales_core::batch::{self, Item, ItemFilter};
use hellosales_core::content::generated::Warning;
use hellosales_core::{BatchId, DatabaseError, OrgId};
use serde_json::Value;
use tokio::sync::mpsc;

use super::{read, results};
use crate::auth::{BatchRead, May};
use crate::error::{Problem, ProblemBody};
use crate::extract::{Id, Params, Query, ReadQuery};
use crate::state::AppState;

/// So many items are read at a time.
const PAGE: i64 = 500;
/// So many pages may wait for the client.
const PAGES: usize = 2;
const HEAD: &str = "\u{feff}n,status,client_id,client_name,client_company,client_email,subject,body,call_to_action,warnings,email_id,\
                    run_id,error_code,error_message,cost_cents\r\n";

/// Which results.
#[derive(Debug)]
pub(super) struct CsvQuery {
    filter: ItemFilter,
}

impl ReadQuery for CsvQuery {
    const KNOWN: &'static [&'static str] = &["status", "has_warnings"];

    fn read(params: &mut Params) -> Self {
        Self { filter: ItemFilter { status: results::status(params), has_warnings: params.flag("has_warnings") } }
    }
}

/// A batch's items with their emails as CSV, in the order of its list; also while it runs. A cell that would be a formula
/// begins with an apostrophe.
#[utoipa::path(get, path = "/email-batches/{id}/results.csv", tag = "batches",
    params(("id" = uuid::Uuid, Path),
           ("status" = Option<String>, Query, pattern = "^(queued|running|completed|failed|cancelled)$"),
           ("has_warnings" = Option<bool>, Query)),
    responses((status = 200, content_type = "text/csv", body = String), (status = 404, body = ProblemBody)))]
pub(super) async fn csv(
    State(state): State<AppState>,
    may: May<BatchRead>,
    Id(id): Id<BatchId>,
    Query(query): Query<CsvQuery>,
) -> Result<Response, Problem> {
    let org = may.caller.org();
    read(&state, &may.caller, id).await?;
    let (sender, receiver) = mpsc::channel::<Result<Bytes, DatabaseError>>(PAGES);
    let work = state.clone();
    // Ends with the client: every send looks at the channel.
    drop(state.work.spawn(async move {
        if let Err(error) = write(&work, org, id, query.filter, &sender).await {
            tracing::warn!(batch_id = %id, org_id = %org, %error, "a file of results was cut");
            // The body breaks off, so that nobody takes a part for the whole.
            drop(sender.send(Err(error)).await);
        }
    }));
    let name = format!("attachment; filename=\"batch-{id}.csv\"");
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8; header=present")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_str(&name).unwrap_or(HeaderValue::from_static("attachment"))),
    ];
    let pages = tokio_stream::wrappers::ReceiverStream::new(receiver);
    Ok((StatusCode::OK, headers, Body::from_stream(pages)).into_response())
}

async fn write(
    state: &AppState,
    org: OrgId,
    id: BatchId,
    filter: ItemFilter,
    out: &mpsc::Sender<Result<Bytes, DatabaseError>>,
) -> Result<(), DatabaseError> {
    let (mut text, mut after) = (HEAD.to_owned(), None);
    loop {
        let items = page(state, org, id, filter, after).await?;
        for item in &items {
            row(&mut text, item);
        }
        let is_last = items.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
        after = items.last().map(|item| item.n).or(after);
        if out.send(Ok(std::mem::take(&mut text).into())).await.is_err() || is_last {
            return Ok(());
        }
    }
}

async fn page(
    state: &AppState,
    org: OrgId,
    id: BatchId,
    filter: ItemFilter,
    after: Option<i32>,
) -> Result<Vec<Item>, DatabaseError> {
    let mut tx = state.db.begin().await?;
    let mut org = tx.enter(org).await?;
    batch::items(&mut org, id, filter, after, PAGE).await
}

fn row(text: &mut String, item: &Item) {
    let email = item.email.as_ref();
    let failure = |name: &str| item.failure.as_ref().and_then(|failure| failure.get(name)).and_then(Value::as_str);
    let cells = [
        item.n.to_string(),
        item.status.clone(),
        item.client_id.to_string(),
        item.client_name.clone().unwrap_or_default(),
        item.client_company.clone().unwrap_or_default(),
        item.client_email.clone().unwrap_or_default(),
        email.map(|email| email.subject.clone()).unwrap_or_default(),
        email.map(|email| email.body.clone()).unwrap_or_default(),
        email.and_then(|email| email.call_to_action.clone()).unwrap_or_default(),
        email.map(|email| warnings(&email.warnings.0)).unwrap_or_default(),
        email.map(|email| email.id.to_string()).unwrap_or_default(),
        item.run_id.map(|id| id.to_string()).unwrap_or_default(),
        failure("code").unwrap_or_default().to_owned(),
        failure("message").unwrap_or_default().to_owned(),
        item.cost_cents.normalize().to_string(),
    ];
    for (n, cell) in cells.iter().enumerate() {
        if n > 0 {
            text.push(',');
        }
        write_cell(text, cell);
    }
    text.push_str("\r\n");
}

/// `UNSUPPORTED_NUMBER: 37 %; EMPTY_FIELD: first_name`
fn warnings(warnings: &[Warning]) -> String {
    let one = |warning: &Warning| format!("{}: {}", warning.code, warning.text);
    warnings.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// A spreadsheet may trim before it looks; in East Asian ones the wide signs begin a formula, too.
fn is_formula(cell: &str) -> bool {
    let is_sign = |text: &str| text.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    cell.starts_with(['\t', '\r', '\n']) || is_sign(cell.trim_start())
}

fn write_cell(text: &mut String, cell: &str) {
    let is_formula = is_formula(cell);
    let must_quote =
        is_formula || cell.contains(['"', ',', '\r', '\n']) || cell.starts_with(' ') || cell.ends_with(' ');
    if !must_quote {
        text.push_str(cell);
        return;
    }
    text.push('"');
    if is_formula {
        text.push('\'');
    }
    text.push_str(&cell.replace('"', "\"\""));
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_quoted_where_it_must_be_and_never_a_formula() {
        for (cell, written) in [
            ("plain", "plain"),
            ("", ""),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("two\r\nlines", "\"two\r\nlines\""),
            ("=HYPERLINK(\"http://x\")", "\"'=HYPERLINK(\"\"http://x\"\")\""),
            ("+49 30", "\"'+49 30\""),
            ("-1", "\"'-1\""),
            ("@SUM(1)", "\"'@SUM(1)\""),
            ("\t=1", "\"'\t=1\""),
            ("\r=1", "\"'\r=1\""),
            ("\n=1", "\"'\n=1\""),
            (" padded ", "\" padded \""),
            (" =1+1", "\"' =1+1\""),
            ("\u{a0}@SUM(1)", "\"'\u{a0}@SUM(1)\""),
            ("＝1+1", "\"'＝1+1\""),
            ("＠SUM(1)", "\"'＠SUM(1)\""),
            ("a = b", "a = b"),
            ("שלום, \u{202e}x😀", "\"שלום, \u{202e}x😀\""),
        ] {
            let mut text = String::new();
            write_cell(&mut text, cell);
            assert_eq!(text, written, "{cell:?}");
        }
    }
}
