//! Sales emails: a row a version, of a lineage whose id never changes.

mod change;
mod generated;
mod lineage;
mod list;
mod read;
mod to_company;
mod version;

pub use change::{EmailChange, NewEmail, change, create};
pub use generated::{GeneratedEmail, write_generated};
pub use lineage::lock;
pub use list::{count, list};
pub use read::{Email, count_versions, get, of_ids, of_runs, version, versions};
pub use to_company::{EmailToCompany, latest_to_company};
pub use version::{EmailText, version_text};

use crate::run::text_enum;

text_enum! {
    /// What kind of email.
    EmailType {
        /// The first one to somebody who doesn't know us.
        ColdOutreach = "cold_outreach",
        /// After a talk, or after no answer.
        FollowUp = "follow_up",
        /// Sets out an offer.
        Proposal = "proposal",
        /// Asks for the decision.
        Closing = "closing",
        /// Any other.
        General = "general",
    }
}
