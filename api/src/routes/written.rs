//! What the routes of scripts and emails have in common.

use chrono::{DateTime, Utc};
use hellosales_core::content::listing::Sort;
use hellosales_core::content::search::Search;
use hellosales_core::content::written::{LabelChange, Labels, Origin, WrittenError, WrittenFilter};
use hellosales_core::database::OrgTx;
use hellosales_core::idempotency::{self, ClaimError, Claimed, KeyedRequest};
use hellosales_core::run::QualityMode;
use hellosales_core::{ClientId, ProductId, SessionId};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::Caller;
use crate::error::Problem;
use crate::extract::{Fields, Given, Params, ReadBody, ReadQuery};
use crate::generation::{client_not_found, product_not_found};
use crate::page::{self, PageQuery, Scope};
use crate::submit::{in_flight, key_reused};

/// The most characters of what a user asks for.
pub(super) const MAX_INSTRUCTIONS_CHARS: usize = 10_000;
const MAX_NAME_CHARS: usize = 255;
const MAX_DESCRIPTION_CHARS: usize = 5_000;
const MAX_WARNING_CHARS: usize = 50;

/// Which scripts or emails, in which order.
#[derive(Debug)]
pub(super) struct WrittenQuery {
    pub(super) page: PageQuery,
    pub(super) sort: Sort,
    pub(super) filter: WrittenFilter,
}

impl WrittenQuery {
    /// Takes what both lists know; `kinds` are the words of `type`.
    pub(super) fn read(params: &mut Params, kinds: &[(&str, &'static str)]) -> Self {
        let origins: Vec<(&str, &'static str)> = Origin::ALL.iter().map(|one| (one.as_str(), one.as_str())).collect();
        let warning = params.text("warning");
        if warning.as_ref().is_some_and(|code| code.trim().is_empty() || code.chars().count() > MAX_WARNING_CHARS) {
            params.fault("warning", "out_of_range", format!("must be a code of 1 to {MAX_WARNING_CHARS} characters"));
        }
        Self {
            page: PageQuery::read(params),
            sort: page::sort(params),
            filter: WrittenFilter {
                search: page::search(params),
                kind: params.word("type", kinds),
                product_id: params.id("product_id"),
                client_id: params.id("client_id"),
                batch_id: params.id("batch_id"),
                origin: params.word("origin", &origins),
                is_stale: params.flag("stale"),
                has_warnings: params.flag("has_warnings"),
                warning,
                created_after: time(params, "created_after"),
                is_active: page::is_active(params),
            },
        }
    }

    /// The list that its cursors belong to.
    pub(super) fn scope(&self, list: &str, caller: &Caller) -> Scope {
        let f = &self.filter;
        let words = f.search.as_ref().map(Search::as_str);
        let labels = (words, f.kind, f.product_id, f.client_id, f.batch_id, f.created_after, f.is_active);
        let filters = (labels, f.origin, f.is_stale, f.has_warnings, &f.warning);
        Scope::new(list, caller.org(), caller.user(), &filters)
    }
}

/// A time in RFC 3339.
fn time(params: &mut Params, name: &str) -> Option<DateTime<Utc>> {
    let text = params.text(name)?;
    let time = DateTime::parse_from_rfc3339(&text).ok().map(|time| time.to_utc());
    if time.is_none() {
        params.fault(name, "wrong_format", "must be a time such as 2026-01-31T12:00:00Z");
    }
    time
}

/// Which part of a list of versions.
#[derive(Debug)]
pub(super) struct VersionsQuery {
    pub(super) page: PageQuery,
}

impl ReadQuery for VersionsQuery {
    const KNOWN: &'static [&'static str] = &["limit", "cursor"];

    fn read(params: &mut Params) -> Self {
        Self { page: PageQuery::read(params) }
    }
}

/// Which version to compare with.
#[derive(Debug)]
pub(super) struct SinceQuery {
    pub(super) since: Option<i32>,
}

impl ReadQuery for SinceQuery {
    const KNOWN: &'static [&'static str] = &["since"];

    fn read(params: &mut Params) -> Self {
        let since = params.integer("since", 1..=i64::from(i32::MAX));
        Self { since: since.and_then(|since| i32::try_from(since).ok()) }
    }
}

/// A field whose value differs.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct FieldChange {
    pub field: String,
    pub before: Option<Value>,
    pub after: Option<Value>,
}

/// What differs between the words of two versions.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct VersionChanges {
    #[schema(example = "version_changes")]
    pub object: &'static str,
    /// Of the script or the email.
    pub id: Uuid,
    pub from_version: i32,
    pub to_version: i32,
    /// In the order of the object's fields; empty if the words are the same.
    pub changes: Vec<FieldChange>,
}

/// Compares two objects by these fields.
pub(super) fn changes(before: &impl Serialize, after: &impl Serialize, fields: &[&str]) -> Vec<FieldChange> {
    let members = |object: Value| match object {
        Value::Object(members) => members,
        _ => serde_json::Map::new(),
    };
    let mut before = members(serde_json::to_value(before).unwrap_or_default());
    let mut after = members(serde_json::to_value(after).unwrap_or_default());
    let pairs = fields.iter().map(|field| (*field, before.remove(*field), after.remove(*field)));
    let differing = pairs.filter(|(_, before, after)| before != after);
    differing.map(|(field, before, after)| FieldChange { field: field.to_owned(), before, after }).collect()
}

/// The labels of what is to be.
pub(super) fn new_labels(fields: &mut Fields) -> Labels {
    let name = fields.text("name", 1..=MAX_NAME_CHARS);
    let is_active = fields.flag("is_active");
    Labels {
        name: fields.required("name", name),
        description: fields.text("description", 1..=MAX_DESCRIPTION_CHARS).value(),
        product_id: fields.id("product_id").value(),
        client_id: fields.id("client_id").value(),
        is_active: fields.not_null("is_active", is_active).value().unwrap_or(true),
    }
}

/// The labels that are to change.
pub(super) fn label_change(fields: &mut Fields) -> LabelChange {
    let name = fields.text("name", 1..=MAX_NAME_CHARS);
    let is_active = fields.flag("is_active");
    LabelChange {
        name: fields.not_null("name", name).value(),
        description: fields.text("description", 1..=MAX_DESCRIPTION_CHARS).change(),
        product_id: fields.id("product_id").change(),
        client_id: fields.id("client_id").change(),
        is_active: fields.not_null("is_active", is_active).value(),
    }
}

/// What is asked for when something is to be written.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) product_id: Option<ProductId>,
    pub(super) client_id: Option<ClientId>,
    pub(super) session_id: Option<SessionId>,
    pub(super) instructions: Option<String>,
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) quality_mode: Option<QualityMode>,
}

impl Order {
    /// Takes what scripts and emails are asked for with.
    pub(super) fn read(fields: &mut Fields) -> Self {
        Self {
            product_id: fields.id("product_id").value(),
            client_id: fields.id("client_id").value(),
            session_id: fields.id("session_id").value(),
            instructions: fields.text("instructions", 1..=MAX_INSTRUCTIONS_CHARS).value(),
            name: fields.text("name", 1..=MAX_NAME_CHARS).value(),
            description: fields.text("description", 1..=MAX_DESCRIPTION_CHARS).value(),
            quality_mode: fields.quality_mode(),
        }
    }
}

/// What is to be different when something is written anew.
#[derive(Debug, ToSchema)]
#[schema(as = Regeneration)]
pub(super) struct AnewBody {
    #[schema(min_length = 1, max_length = 10_000, pattern = r"\S")]
    pub(super) instructions: Option<String>,
    /// `fast`, `balanced` or `quality`.
    #[schema(value_type = Option<String>, pattern = "^(fast|balanced|quality)$")]
    pub(super) quality_mode: Option<QualityMode>,
}

impl ReadBody for AnewBody {
    const KNOWN: &'static [&'static str] = &["instructions", "quality_mode"];
    const OPTIONAL: bool = true;

    fn read(fields: &mut Fields) -> Self {
        Self {
            instructions: fields.text("instructions", 1..=MAX_INSTRUCTIONS_CHARS).value(),
            quality_mode: fields.quality_mode(),
        }
    }
}

/// A word of a type that can't be cleared.
pub(super) fn kind<T: Copy>(fields: &mut Fields, name: &str, words: &[(&str, T)]) -> Given<T> {
    let given = fields.word(name, words);
    fields.not_null(name, given)
}

/// Claims a key, if there is one, for an object that is made in the same transaction; `Some`: it was made before.
pub(super) async fn claim(
    org: &mut OrgTx<'_>,
    key: Option<&KeyedRequest>,
    object: &str,
    id: Uuid,
) -> Result<Option<Uuid>, Problem> {
    let Some(key) = key else { return Ok(None) };
    match idempotency::claim(org, key, object, id).await {
        Ok(Claimed::New) => Ok(None),
        Ok(Claimed::Replay(id)) => Ok(Some(id)),
        Ok(Claimed::Reused) => Err(key_reused()),
        Err(ClaimError::InFlight) => Err(in_flight()),
        Err(ClaimError::Database(error)) => Err(error.into()),
    }
}

/// Why a script or an email can't be written, for its client.
pub(super) fn refused(error: WrittenError) -> Problem {
    match error {
        WrittenError::ProductNotFound => product_not_found(),
        WrittenError::ClientNotFound => client_not_found(),
        WrittenError::Database(error) => error.into(),
    }
}
