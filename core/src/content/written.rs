//! What scripts and emails have in common: where a text came from, what a lineage is labelled with, how it is found,
//! and why it can't be written.

mod labels;
mod sources;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json as literal};

use super::generated::Warning;
use super::listing::Sort;
use super::search::Search;
use crate::error::DatabaseError;
use crate::id::{BatchId, ClientId, ProductId};
use crate::run::text_enum;

pub use labels::{LabelChange, Labels};
pub use sources::{Standing, is_being_written, standing};

text_enum! {
    /// Where a version's text came from.
    Origin {
        /// A run wrote it.
        Generated = "generated",
        /// A person changed what a run wrote.
        Edited = "edited",
        /// A person wrote it.
        Manual = "manual",
    }
}

/// Which scripts or emails: the latest versions of which this is true.
#[derive(Debug, Clone, Default)]
pub struct WrittenFilter {
    /// With these words.
    pub search: Option<Search>,
    /// Of this type.
    pub kind: Option<&'static str>,
    /// About this product.
    pub product_id: Option<ProductId>,
    /// For this client.
    pub client_id: Option<ClientId>,
    /// Of this batch.
    pub batch_id: Option<BatchId>,
    /// Of this origin.
    pub origin: Option<&'static str>,
    /// Whether what they were written from has changed since. What a person wrote is never stale.
    pub is_stale: Option<bool>,
    /// Whether there is a warning.
    pub has_warnings: Option<bool>,
    /// With a warning of this code.
    pub warning: Option<String>,
    /// Made after this.
    pub created_after: Option<DateTime<Utc>>,
    /// Whether they are active.
    pub is_active: Option<bool>,
}

impl WrittenFilter {
    pub(crate) fn words(&self) -> Option<&str> {
        self.search.as_ref().map(Search::as_str)
    }

    /// As a list of warnings holds it.
    pub(crate) fn warning_of_code(&self) -> Option<Value> {
        self.warning.as_ref().map(|code| literal!([{"code": code}]))
    }
}

/// Which index leads to what a filter lets through, the narrowest first. A plan is made without the values, so each has a
/// statement of its own. Words lead nowhere: under row-level security they are looked at row by row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lead {
    /// The organisation's list, in its order.
    Order,
    /// A client's.
    Client,
    /// A batch's.
    Batch,
}

impl Lead {
    pub(crate) const fn of(filter: &WrittenFilter) -> Self {
        if filter.client_id.is_some() {
            Self::Client
        } else if filter.batch_id.is_some() {
            Self::Batch
        } else {
            Self::Order
        }
    }
}

/// An order's word in the statements that put in order what they found, as it is in a query of the api.
pub(crate) const fn order_word(sort: Sort) -> &'static str {
    match sort {
        Sort::Newest => "-created_at",
        Sort::Oldest => "created_at",
        Sort::Name => "name",
        Sort::NameBackwards => "-name",
    }
}

/// Why a script or an email could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WrittenError {
    /// The organisation has no such product.
    #[error("there is no such product")]
    ProductNotFound,
    /// The organisation has no such client.
    #[error("there is no such client")]
    ClientNotFound,
    /// The database failed.
    #[error(transparent)]
    Database(DatabaseError),
}

impl From<DatabaseError> for WrittenError {
    fn from(error: DatabaseError) -> Self {
        match error.constraint() {
            Some("sales_scripts_org_id_product_id_fkey" | "sales_emails_org_id_product_id_fkey") => {
                Self::ProductNotFound
            }
            Some("sales_scripts_org_id_client_id_fkey" | "sales_emails_org_id_client_id_fkey") => Self::ClientNotFound,
            _ => Self::Database(error),
        }
    }
}

impl From<sqlx::Error> for WrittenError {
    fn from(error: sqlx::Error) -> Self {
        DatabaseError::from(error).into()
    }
}

/// A value as a column of JSON takes it.
pub(crate) fn json(value: &impl Serialize) -> Result<Value, WrittenError> {
    serde_json::to_value(value).map_err(|error| WrittenError::Database(error.into()))
}

/// The warnings that an edit leaves standing: one whose words were in the text, and no longer are, was heeded.
pub(crate) fn still_true(warnings: &[Warning], before: &str, after: &str) -> Vec<Warning> {
    let is_heeded = |warning: &Warning| before.contains(&warning.text) && !after.contains(&warning.text);
    warnings.iter().filter(|warning| !is_heeded(warning)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_goes_with_its_words_and_one_about_the_whole_stays() {
        let warning = |code: &str, text: &str| Warning { code: code.to_owned(), text: text.to_owned() };
        let number = warning("UNSUPPORTED_NUMBER", "37 %");
        let twin = warning("NEAR_TWIN", "the email to Ben Ruiz");
        let all = [number.clone(), twin.clone()];
        assert_eq!(still_true(&all, "save 37 %", "save 37 % now"), all);
        assert_eq!(still_true(&all, "save 37 %", "save much"), [twin]);
    }
}
