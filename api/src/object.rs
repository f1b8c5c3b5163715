//! The objects of the contract: what leaves, and nothing else does. One object has one shape, wherever it appears.

mod batch;
mod batch_item;
mod client;
pub(crate) mod client_import;
mod company_profile;
mod dead_letter;
mod email;
mod generated;
mod interaction;
mod operation;
mod product;
mod run;
mod script;
mod session;

pub(crate) use batch::{BatchObject, Skipped, etag as batch_etag};
pub(crate) use batch_item::ItemObject;
pub(crate) use client::ClientObject;
pub(crate) use company_profile::CompanyProfileObject;
pub(crate) use dead_letter::DeadLetterObject;
pub(crate) use email::EmailObject;
pub(crate) use interaction::InteractionObject;
pub(crate) use operation::OperationObject;
pub(crate) use product::ProductObject;
pub(crate) use run::RunObject;
pub(crate) use script::ScriptObject;
pub(crate) use session::SessionObject;

use hellosales_core::error::DatabaseError;
use rust_decimal::Decimal;
use serde::Serializer;
use sha2::{Digest, Sha256};

/// Money: a JSON number of cents with up to six decimals.
pub(crate) fn cents<S: Serializer>(cents: &Decimal, serializer: S) -> Result<S::Ok, S::Error> {
    let number: f64 = cents.normalize().to_string().parse().map_err(serde::ser::Error::custom)?;
    serializer.serialize_f64(number)
}

/// Money that may not be there.
pub(crate) fn some_cents<S: Serializer>(some: &Option<Decimal>, serializer: S) -> Result<S::Ok, S::Error> {
    match some {
        Some(amount) => cents(amount, serializer),
        None => serializer.serialize_none(),
    }
}

/// A short digest of what can be edited, in hexadecimal.
fn digest(edited: &serde_json::Value) -> String {
    Sha256::digest(edited.to_string()).iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}

/// A failure as it was stored.
pub(crate) fn failure(stored: serde_json::Value) -> Result<hellosales_core::Failure, DatabaseError> {
    Ok(serde_json::from_value(stored)?)
}
