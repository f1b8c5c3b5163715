//! Lists: the envelope, and cursors. A cursor is opaque, and good only for the list that gave it: it carries a
//! digest of its position, the route, its filters and who asked.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hellosales_core::content::Total;
use hellosales_core::content::listing::{Place, Slice, Sort};
use hellosales_core::content::search::Search;
use hellosales_core::{OrgId, UserId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::error::Problem;
use crate::extract::Params;

/// A page of objects.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct List<T> {
    object: &'static str,
    data: Vec<T>,
    has_more: bool,
    next_cursor: Option<String>,
    total: i64,
    total_is_exact: bool,
}

impl<T> List<T> {
    /// The objects alone, for the routes whose lists are plain.
    pub(crate) fn data(&self) -> &[T] {
        &self.data
    }

    /// Where the next page begins, if there is one.
    pub(crate) fn next_cursor(&self) -> Option<&str> {
        self.next_cursor.as_deref()
    }
}

/// What every list takes.
#[derive(Debug, Clone)]
pub(crate) struct PageQuery {
    /// At most so many.
    pub limit: i64,
    /// Where the page before ended.
    pub cursor: Option<String>,
}

const DEFAULT_LIMIT: i64 = 50;
const MAX_LIMIT: i64 = 100;

impl PageQuery {
    /// Takes `limit` and `cursor`.
    pub(crate) fn read(params: &mut Params) -> Self {
        Self { limit: params.integer("limit", 1..=MAX_LIMIT).unwrap_or(DEFAULT_LIMIT), cursor: params.text("cursor") }
    }
}

/// Takes `sort`: the newest first, if nothing is said.
pub(crate) fn sort(params: &mut Params) -> Sort {
    let known = [
        ("-created_at", Sort::Newest),
        ("created_at", Sort::Oldest),
        ("name", Sort::Name),
        ("-name", Sort::NameBackwards),
    ];
    params.word("sort", &known).unwrap_or_default()
}

/// Takes `is_active`: `true`, `false` or `all` (`None`). What was put away is left out, if nothing is said.
pub(crate) fn is_active(params: &mut Params) -> Option<bool> {
    params.word("is_active", &[("true", Some(true)), ("false", Some(false)), ("all", None)]).unwrap_or(Some(true))
}

const MAX_SEARCH_CHARS: usize = 500;

/// Takes `q`: what to look for. A box that was cleared asks for nothing; signs alone are looked for, and found nowhere.
pub(crate) fn search(params: &mut Params) -> Option<Search> {
    let text = params.text("q").filter(|text| !text.trim().is_empty())?;
    if text.chars().count() > MAX_SEARCH_CHARS {
        params.fault("q", "too_long", format!("must have at most {MAX_SEARCH_CHARS} characters"));
    }
    Some(Search::new(&text))
}

/// Which list a cursor belongs to.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    digest: Sha256,
}

const DOMAIN: &[u8] = b"hellosales cursor 1";
const TAG_BYTES: usize = 12;

impl Scope {
    /// Of a list: its name, whom it is for, and its filters. The page's size is no part of it.
    pub(crate) fn new(list: &str, org: OrgId, user: UserId, filters: &impl Serialize) -> Self {
        let filters = serde_json::to_string(filters).unwrap_or_default();
        let mut digest = Sha256::new();
        for part in [DOMAIN, list.as_bytes(), org.uuid().as_bytes(), user.uuid().as_bytes(), filters.as_bytes()] {
            digest.update(part.len().to_be_bytes());
            digest.update(part);
        }
        Self { digest }
    }

    fn tag(&self, position: &[u8]) -> Vec<u8> {
        self.digest.clone().chain_update(position).finalize().iter().copied().take(TAG_BYTES).collect()
    }

    fn write(&self, position: &impl Serialize) -> Option<String> {
        let position = serde_json::to_vec(position).ok()?;
        Some(URL_SAFE_NO_PAD.encode([self.tag(&position), position].concat()))
    }

    /// Reads a cursor of this list.
    ///
    /// # Errors
    /// 400 if it is another list's, or was tampered with.
    pub(crate) fn read<P: DeserializeOwned>(&self, cursor: Option<&str>) -> Result<Option<P>, Problem> {
        let Some(cursor) = cursor else { return Ok(None) };
        let position = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| {
            let (tag, position) = bytes.split_at_checked(TAG_BYTES)?;
            (tag == self.tag(position)).then(|| serde_json::from_slice(position).ok()).flatten()
        });
        position.map(Some).ok_or_else(|| Problem::malformed("the cursor is not one of this list"))
    }

    /// What to read for a page of a list that can be sorted: one row more than the page has. The order is part of
    /// what the cursor belongs to.
    ///
    /// # Errors
    /// 400 if the cursor is another list's, another order's, or was tampered with.
    pub(crate) fn slice(&mut self, query: &PageQuery, sort: Sort) -> Result<Slice, Problem> {
        self.digest.update(format!("sort {sort:?}"));
        let after = self.read::<Place>(query.cursor.as_deref())?;
        Ok(Slice { sort, after, limit: query.limit + 1 })
    }

    /// Makes a page of what was read with one row more than the limit.
    pub(crate) fn page<R, T, P: Serialize>(
        &self,
        mut rows: Vec<R>,
        limit: i64,
        total: Total,
        position: impl Fn(&R) -> P,
    ) -> List<T>
    where
        T: From<R>,
    {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = rows.last().filter(|_| has_more).and_then(|last| self.write(&position(last)));
        List {
            object: "list",
            data: rows.into_iter().map(T::from).collect(),
            has_more,
            next_cursor,
            total: total.count,
            total_is_exact: total.is_exact,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(org: OrgId, user: UserId, filter: &str) -> Scope {
        Scope::new("runs", org, user, &filter)
    }

    #[test]
    fn a_cursor_is_good_for_its_own_list_only() {
        let (org, user) = (OrgId::new(), UserId::new());
        let mine = scope(org, user, "a");
        let list: List<u32> = mine.page(vec![1_u32, 2, 3], 2, Total { count: 3, is_exact: true }, |n| *n);
        let cursor = list.next_cursor.unwrap();
        assert_eq!(mine.read::<u32>(Some(&cursor)).unwrap(), Some(2));
        for other in [scope(OrgId::new(), user, "a"), scope(org, UserId::new(), "a"), scope(org, user, "b")] {
            assert!(other.read::<u32>(Some(&cursor)).is_err());
        }
    }

    #[test]
    fn a_tampered_cursor_is_refused() {
        let mine = scope(OrgId::new(), UserId::new(), "a");
        let cursor = mine.write(&7).unwrap();
        for at in 0..cursor.len() {
            let mut bytes = cursor.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            assert!(mine.read::<u32>(Some(&String::from_utf8(bytes).unwrap())).is_err(), "at {at}");
        }
        for junk in ["", "x", "!!!", "AAAAAAAAAAAAAAAAAAAAAAAA"] {
            assert!(mine.read::<u32>(Some(junk)).is_err());
        }
    }

    #[test]
    fn the_last_page_has_no_cursor() {
        let list: List<u32> =
            scope(OrgId::new(), UserId::new(), "").page(vec![1_u32, 2], 2, Total { count: 2, is_exact: true }, |n| *n);
        assert!(!list.has_more && list.next_cursor.is_none() && list.data == [1, 2]);
    }
}
