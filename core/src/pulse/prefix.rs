//! Ids by their beginning, as people type them; organisations also by their names. For operators.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::database::Database;
use crate::error::DatabaseError;
use crate::id::OrgId;

/// The fewest characters of an id that are taken for one.
pub const SHORTEST: usize = 8;
/// So many candidates are looked for; what more begin so is only known to be more.
pub const CANDIDATES: i64 = 11;

/// What kind of thing an id is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noun {
    /// A run.
    Run,
    /// A dead letter.
    DeadLetter,
    /// An operation on many things.
    Operation,
    /// A worker.
    Worker,
    /// A batch.
    Batch,
    /// A session.
    Session,
    /// A user.
    User,
}

/// All ids between two, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The lowest.
    pub low: Uuid,
    /// The highest.
    pub high: Uuid,
}

impl Range {
    /// Reads a whole id, or at least its first 8 characters; hyphens may be left out.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits: String = text.trim().chars().filter(|c| *c != '-').collect();
        let is_id = (SHORTEST..=32).contains(&digits.len()) && digits.chars().all(|c| c.is_ascii_hexdigit());
        let bound = |fill: char| {
            let whole: String = digits.chars().chain(std::iter::repeat(fill)).take(32).collect();
            Uuid::try_parse(&whole).ok()
        };
        if is_id { Some(Self { low: bound('0')?, high: bound('f')? }) } else { None }
    }

    /// The id, if it is whole.
    #[must_use]
    pub fn whole(self) -> Option<Uuid> {
        (self.low == self.high).then_some(self.low)
    }
}

macro_rules! ids {
    ($db:expr, $range:expr, $org:expr, $sql:literal) => {
        sqlx::query_scalar!($sql, $range.low, $range.high, $org, CANDIDATES).fetch_all($db.fast()).await?
    };
}

/// The ids of a kind within a range, of one organisation or of all, the lowest first: at most [`CANDIDATES`].
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn find(db: &Database, noun: Noun, range: Range, org: Option<OrgId>) -> Result<Vec<Uuid>, DatabaseError> {
    let org = org.map(OrgId::uuid);
    Ok(match noun {
        Noun::Run => ids!(
            db,
            range,
            org,
            "SELECT id FROM pipeline_runs WHERE id BETWEEN $1 AND $2 AND ($3::uuid IS NULL OR org_id = $3) ORDER BY id LIMIT $4"
        ),
        Noun::DeadLetter => ids!(
            db,
            range,
            org,
            "SELECT id FROM dead_letter_queue WHERE id BETWEEN $1 AND $2 AND ($3::uuid IS NULL OR org_id = $3) ORDER BY id LIMIT $4"
        ),
        Noun::Operation => ids!(
            db,
            range,
            org,
            "SELECT id FROM ops WHERE id BETWEEN $1 AND $2 AND ($3::uuid IS NULL OR org_id = $3) ORDER BY id LIMIT $4"
        ),
        Noun::Worker => ids!(
            db,
            range,
            org,
            "SELECT id FROM workers WHERE id BETWEEN $1 AND $2 AND ($3::uuid IS NULL OR true) ORDER BY id LIMIT $4"
        ),
        Noun::Batch => ids!(
            db,
            range,
            org,
            "SELECT id FROM email_batches WHERE id BETWEEN $1 AND $2 AND ($3::uuid IS NULL OR org_id = $3) ORDER BY id LIMIT $4"
        ),
        Noun::Session => ids!(
            db,
            range,
            org,
            "SELECT id FROM sessions WHERE id BETWEEN $1 AND $2 AND ($3::uuid IS NULL OR org_id = $3) ORDER BY id LIMIT $4"
        ),
        Noun::User => ids!(
            db,
            range,
            org,
            "SELECT id FROM users u WHERE id BETWEEN $1 AND $2 AND ($3::uuid IS NULL OR EXISTS
               (SELECT 1 FROM organization_memberships m WHERE m.user_id = u.id AND m.org_id = $3)) ORDER BY id LIMIT $4"
        ),
    })
}

/// An organisation, by which it can be told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// Its id.
    pub id: OrgId,
    /// Its name.
    pub name: String,
    /// Its id at the issuer of tokens.
    pub external_id: String,
}

/// The organisations that are called so: by slug, by their id at the issuer, by name in whatever case, or by their id's
/// beginning. At most [`CANDIDATES`].
///
/// # Errors
/// If the database refuses or can't be reached.
pub async fn organizations(db: &Database, text: &str) -> Result<Vec<Organization>, DatabaseError> {
    let range = Range::parse(text);
    let mut tx = db.begin().await?;
    Ok(sqlx::query_as!(
        Organization,
        r#"SELECT id AS "id: OrgId", name, external_id FROM organizations
           WHERE slug = $1 OR external_id = $1 OR lower(name) = lower($1) OR id BETWEEN $2 AND $3
           ORDER BY id LIMIT $4"#,
        text.trim(),
        range.map(|range| range.low),
        range.map(|range| range.high),
        CANDIDATES,
    )
    .fetch_all(tx.connection())
    .await?)
}

/// The database's time: the one by which `--since 1h` is an hour ago.
///
/// # Errors
/// If the database can't be reached.
pub async fn now(db: &Database) -> Result<DateTime<Utc>, DatabaseError> {
    Ok(sqlx::query_scalar!(r#"SELECT now() AS "now!""#).fetch_one(db.fast()).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_characters_are_a_range_and_a_whole_id_is_itself() {
        let range = Range::parse("0199F2AB").unwrap();
        assert_eq!(range.low.to_string(), "0199f2ab-0000-0000-0000-000000000000");
        assert_eq!(range.high.to_string(), "0199f2ab-ffff-ffff-ffff-ffffffffffff");
        assert_eq!(range.whole(), None);
        let id = "0199f2ab-1234-7000-8000-000000000001";
        assert_eq!(Range::parse(id).and_then(Range::whole).map(|id| id.to_string()).as_deref(), Some(id));
        assert_eq!(Range::parse("0199f2ab-12").unwrap().low.to_string(), "0199f2ab-1200-0000-0000-000000000000");
    }

    #[test]
    fn what_is_too_short_too_long_or_no_number_is_no_id() {
        for text in ["", "0199f2a", "0199f2ag", "0199f2ab-1234-7000-8000-0000000000011", "ünïcode8", "%%%%%%%%"] {
            assert_eq!(Range::parse(text), None, "{text}");
        }
    }
}
