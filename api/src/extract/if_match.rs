//! `If-Match`, and the `ETag` that it is held against: a change is made to what its editor has seen, or not at all.

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use axum::response::Response;
use hellosales_core::ErrorCode;

use crate::error::Problem;
use crate::routes::with_header;
use crate::state::AppState;

/// Which state of an object an answer shows. Strong: the same tag, the same bytes of what can be edited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ETag(String);

impl ETag {
    /// Of a row's version or revision: `"7"`.
    #[must_use]
    pub(crate) fn version(version: i32) -> Self {
        Self(format!("\"{version}\""))
    }

    /// Of a digest, in hexadecimal.
    #[must_use]
    pub(crate) fn digest(digest: &str) -> Self {
        Self(format!("\"{digest}\""))
    }

    /// An answer with this tag.
    #[must_use]
    pub(crate) fn on(&self, response: Response) -> Response {
        with_header(response, "etag", &self.0)
    }
}

/// What the client has seen. A route that takes this leaves the header to the client; one that demands it takes
/// [`RequiredIfMatch`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum IfMatch {
    /// No such header: whatever is there may be changed.
    Absent,
    /// `*`: whatever is there, as long as it is there.
    Any,
    /// One of these. Weak tags were dropped: they never match.
    Tags(Vec<ETag>),
}

impl IfMatch {
    /// Holds what is there now, under its lock, against what the client has seen.
    ///
    /// # Errors
    /// 412 if it was changed since.
    pub(crate) fn check(&self, current: &ETag) -> Result<(), Problem> {
        match self {
            Self::Tags(tags) if !tags.contains(current) => {
                let message = "it was changed since it was read: read it again, and send its ETag in If-Match";
                Err(Problem::new(ErrorCode::VersionConflict, message))
            }
            Self::Absent | Self::Any | Self::Tags(_) => Ok(()),
        }
    }

    /// Reads the values of all headers of this name, which are one list.
    fn parse<'v>(values: impl Iterator<Item = &'v [u8]>) -> Result<Self, Problem> {
        let list = values.collect::<Vec<_>>().join(&b","[..]);
        let mut rest = list.trim_ascii();
        if rest == b"*" {
            return Ok(Self::Any);
        }
        let (mut tags, mut is_empty) = (Vec::new(), true);
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix(b",") {
                rest = after.trim_ascii_start();
                continue;
            }
            let (tag, after) = take(rest).ok_or_else(malformed)?;
            tags.extend(tag);
            is_empty = false;
            rest = after.trim_ascii_start();
            if !rest.is_empty() && !rest.starts_with(b",") {
                return Err(malformed());
            }
        }
        if is_empty { Err(malformed()) } else { Ok(Self::Tags(tags)) }
    }
}

/// The tag at the beginning, `None` if it is weak; and what comes after it.
fn take(list: &[u8]) -> Option<(Option<ETag>, &[u8])> {
    let weak = list.strip_prefix(b"W/");
    let opaque = weak.unwrap_or(list).strip_prefix(b"\"")?;
    let end = opaque.iter().position(|byte| *byte == b'"')?;
    let (tag, after) = opaque.split_at_checked(end)?;
    if !tag.iter().all(|byte| matches!(byte, 0x21 | 0x23..=0x7e | 0x80..)) {
        return None;
    }
    // Ours are ASCII: what isn't text matches none of them.
    let tag = std::str::from_utf8(tag).ok().filter(|_| weak.is_none()).map(|tag| ETag(format!("\"{tag}\"")));
    Some((tag, after.strip_prefix(b"\"")?))
}

fn malformed() -> Problem {
    Problem::malformed("If-Match must be * or a list of tags in double quotes, as an ETag has them")
}

impl FromRequestParts<AppState> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Problem> {
        let mut values = parts.headers.get_all(header::IF_MATCH).iter().map(|value| value.as_bytes()).peekable();
        if values.peek().is_none() { Ok(Self::Absent) } else { Self::parse(values) }
    }
}

/// `If-Match` of a route that changes nothing without it: never [`IfMatch::Absent`].
#[derive(Debug, Clone)]
pub(crate) struct RequiredIfMatch(pub IfMatch);

impl FromRequestParts<AppState> for RequiredIfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        match IfMatch::from_request_parts(parts, state).await? {
            IfMatch::Absent => {
                let message = "this changes only what you have seen: send its ETag in If-Match, or * for any";
                Err(Problem::new(ErrorCode::PreconditionRequired, message))
            }
            given => Ok(Self(given)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(values: &[&str]) -> Result<IfMatch, ErrorCode> {
        IfMatch::parse(values.iter().map(|value| value.as_bytes())).map_err(|problem| problem.code())
    }

    #[test]
    fn a_strong_tag_matches_itself_and_a_weak_one_nothing() {
        let two = ETag::version(2);
        for (values, matches) in [
            (&["\"2\""][..], true),
            (&["*"], true),
            (&[" \"1\" , \"2\" "], true),
            (&["\"1\"", "\"2\""], true),
            (&["W/\"x\",\"2\""], true),
            (&[",\"2\",,"], true),
            (&["\"1,2\""], false),
            (&["\"1\""], false),
            (&["W/\"2\""], false),
            (&["\"\""], false),
            (&["\"é\""], false),
        ] {
            let found = parse(values).unwrap().check(&two);
            assert_eq!(found.is_ok(), matches, "{values:?}");
            assert!(found.err().is_none_or(|problem| problem.code() == ErrorCode::VersionConflict));
        }
        assert!(IfMatch::Absent.check(&two).is_ok());
    }

    #[test]
    fn what_is_no_list_of_tags_is_malformed() {
        for values in [
            &["2"][..],
            &[""],
            &["\"2"],
            &["\"1\" \"2\""],
            &["w/\"2\""],
            &["*,\"2\""],
            &["\"2\"", "*"],
            &[","],
            &["\"a b\""],
        ] {
            assert_eq!(parse(values), Err(ErrorCode::MalformedRequest), "{values:?}");
        }
    }
}
