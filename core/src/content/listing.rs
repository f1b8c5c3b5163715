//! Lists of content: their orders, and where a page of one begins.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// In which order. Ties are ordered by id, the same way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub enum Sort {
    /// The newest first.
    #[default]
    Newest,
    /// The oldest first.
    Oldest,
    /// By name.
    Name,
    /// By name, backwards.
    NameBackwards,
}

impl Sort {
    /// The place of a row in this order.
    #[must_use]
    pub fn place(self, created_at: DateTime<Utc>, name: &str, id: Uuid) -> Place {
        match self {
            Self::Newest | Self::Oldest => Place { created_at: Some(created_at), name: None, id },
            Self::Name | Self::NameBackwards => Place { created_at: None, name: Some(name.to_owned()), id },
        }
    }
}

/// A row's place in an order: its key and its id. A page begins after it, whether or not the row is still there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// When it was made, in an order by time.
    pub created_at: Option<DateTime<Utc>>,
    /// What it is called, in an order by name.
    pub name: Option<String>,
    /// Its id.
    pub id: Uuid,
}

/// Later than any row: the year 9999.
const END_OF_TIME: DateTime<Utc> = match DateTime::from_timestamp(253_402_300_799, 0) {
    Some(end) => end,
    None => DateTime::<Utc>::MAX_UTC,
};

/// Which part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// In which order.
    pub sort: Sort,
    /// After which place; from the beginning if none.
    pub after: Option<Place>,
    /// At most so many rows.
    pub limit: i64,
}

/// The bounds are whole values, never NULL to be replaced in SQL: `coalesce` counts as leaky, and under row-level security a
/// comparison with it is no condition of an index.
impl Slice {
    /// The time that the slice begins after; in an order by time.
    pub(crate) fn time_bound(&self) -> DateTime<Utc> {
        let beginning = if self.sort == Sort::Oldest { DateTime::UNIX_EPOCH } else { END_OF_TIME };
        self.after_time().unwrap_or(beginning)
    }

    /// The name that the slice begins after; in the order by name.
    pub(crate) fn name_bound(&self) -> &str {
        self.after_name().unwrap_or_default()
    }

    /// The id that the slice begins after.
    pub(crate) fn id_bound(&self) -> Uuid {
        let beginning = match self.sort {
            Sort::Oldest | Sort::Name => Uuid::nil(),
            Sort::Newest | Sort::NameBackwards => Uuid::max(),
        };
        self.after_id().unwrap_or(beginning)
    }

    /// The time that the slice begins after.
    pub(crate) fn after_time(&self) -> Option<DateTime<Utc>> {
        self.after.as_ref().and_then(|place| place.created_at)
    }

    /// The name that the slice begins after.
    pub(crate) fn after_name(&self) -> Option<&str> {
        self.after.as_ref().and_then(|place| place.name.as_deref())
    }

    /// The id that the slice begins after.
    pub(crate) fn after_id(&self) -> Option<Uuid> {
        self.after.as_ref().map(|place| place.id)
    }
}
