//! Sales scripts: a row a version, of a lineage whose id never changes.

mod change;
mod generated;
mod lineage;
mod list;
mod read;
mod version;

pub use change::{NewScript, ScriptChange, change, create};
pub use generated::{GeneratedScript, write_generated};
pub use lineage::lock;
pub use list::{count, list};
pub use read::{Script, count_versions, get, of_runs, version, versions};
pub use version::{ScriptText, version_text};

use crate::run::text_enum;

text_enum! {
    /// What kind of script.
    ScriptType {
        /// A first call to somebody who doesn't know us.
        ColdCall = "cold_call",
        /// A call after a talk, or after no answer.
        FollowUp = "follow_up",
        /// Shows the product.
        Demo = "demo",
        /// Asks for the decision.
        Closing = "closing",
        /// Any other.
        General = "general",
    }
}
