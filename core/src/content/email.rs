//! Sales emails: a row a version, of a lineage whose id never changes.

mod generated;
mod to_company;
mod version;

pub use generated::{GeneratedEmail, write_generated};
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
