//! Which dead letters, and whose.

use chrono::{DateTime, Utc};
use hellosales_core::dead_letter::LetterStatus;
use hellosales_core::pulse::filter::{ErrorPattern, Filter};
use hellosales_core::{ErrorCode, OrgId};

use crate::auth::{Caller, Permission};
use crate::error::{Fault, Problem};
use crate::extract::{Params, ReadQuery};
use crate::page::PageQuery;

const MAX_WORD_CHARS: usize = 100;

/// The organisation that is meant: the caller's own, unless an operator names another.
///
/// # Errors
/// 422 if somebody else does.
pub(super) fn organisation(caller: &Caller, named: Option<OrgId>) -> Result<OrgId, Problem> {
    match named {
        None => Ok(caller.org()),
        Some(org) if caller.permissions.contains(&Permission::PulseOperator) => Ok(org),
        Some(_) => Err(Problem::invalid(vec![Fault::new("/org_id", "not_allowed", "is for operators only")])),
    }
}

/// Whose.
#[derive(Debug)]
pub(super) struct OrgQuery {
    pub(super) org_id: Option<OrgId>,
}

impl ReadQuery for OrgQuery {
    const KNOWN: &'static [&'static str] = &["org_id"];

    fn read(params: &mut Params) -> Self {
        Self { org_id: params.id("org_id") }
    }
}

/// Which ones of a list.
#[derive(Debug)]
pub(super) struct ListQuery {
    pub(super) page: PageQuery,
    pub(super) org_id: Option<OrgId>,
    pub(super) filter: Filter,
}

impl ReadQuery for ListQuery {
    const KNOWN: &'static [&'static str] = &[
        "limit",
        "cursor",
        "status",
        "pipeline",
        "error_code",
        "stage",
        "provider",
        "batch_id",
        "fingerprint",
        "since",
        "until",
        "org_id",
    ];

    fn read(params: &mut Params) -> Self {
        let statuses: Vec<_> = LetterStatus::ALL.iter().map(|status| (status.as_str(), status.as_str())).collect();
        let filter = Filter {
            status: params.word("status", &statuses).into_iter().map(str::to_owned).collect(),
            pipeline: word(params, "pipeline"),
            error: word(params, "error_code").as_deref().map(ErrorPattern::parse),
            stage: word(params, "stage"),
            provider: word(params, "provider"),
            batch_id: params.id("batch_id"),
            fingerprint: word(params, "fingerprint"),
            since: time(params, "since"),
            until: time(params, "until"),
            ..Filter::default()
        };
        check_order(&filter, |name, code, message| params.fault(name, code, message));
        Self { page: PageQuery::read(params), org_id: params.id("org_id"), filter }
    }
}

/// A span of time goes forward.
pub(super) fn check_order(filter: &Filter, fault: impl FnOnce(&str, &'static str, String)) {
    if filter.since.zip(filter.until).is_some_and(|(since, until)| since >= until) {
        fault("until", "out_of_range", "must be after since".to_owned());
    }
}

fn word(params: &mut Params, name: &str) -> Option<String> {
    let text = params.text(name)?;
    if text.trim().is_empty() || text.chars().count() > MAX_WORD_CHARS {
        params.fault(name, "too_long", format!("must have 1 to {MAX_WORD_CHARS} characters"));
    }
    Some(text)
}

fn time(params: &mut Params, name: &str) -> Option<DateTime<Utc>> {
    let text = params.text(name)?;
    let time = parse_time(&text);
    if time.is_none() {
        params.fault(name, "not_a_time", "must be a time like 2026-11-24T10:00:00Z");
    }
    time
}

/// RFC 3339, in years that the database has.
pub(super) fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    let time = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
    (0..=253_402_300_799).contains(&time.timestamp()).then_some(time)
}

impl ListQuery {
    /// The next page, as the header Link says it.
    pub(super) fn link(&self, limit: i64, cursor: &str) -> String {
        let filter = &self.filter;
        let given = [
            ("status", filter.status.first().cloned()),
            ("pipeline", filter.pipeline.clone()),
            ("error_code", filter.error.as_ref().map(error_words)),
            ("stage", filter.stage.clone()),
            ("provider", filter.provider.clone()),
            ("batch_id", filter.batch_id.map(|id| id.to_string())),
            ("fingerprint", filter.fingerprint.clone()),
            ("since", filter.since.map(|time| time.to_rfc3339())),
            ("until", filter.until.map(|time| time.to_rfc3339())),
            ("org_id", self.org_id.map(|id| id.to_string())),
        ];
        let pair = |(name, value): (&str, Option<String>)| value.map(|value| format!("&{name}={}", encoded(&value)));
        let rest: String = given.into_iter().filter_map(pair).collect();
        format!("</pulse/dead-letter-queue?limit={limit}&cursor={cursor}{rest}>; rel=\"next\"")
    }
}

fn encoded(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let one = |byte: u8| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(one).collect()
}

fn error_words(error: &ErrorPattern) -> String {
    match error {
        ErrorPattern::Code(code) => code.clone(),
        ErrorPattern::Prefix(prefix) => format!("{prefix}*"),
    }
}

/// What a decision that can't be carried out is answered with.
pub(super) fn invalid_state(message: impl Into<String>) -> Problem {
    Problem::new(ErrorCode::InvalidState, message)
}
