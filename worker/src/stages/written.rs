//! The stages of the pipelines that write something to keep: a script, an email. They differ in what is written, and in
//! nothing else.

mod client_enrich;
mod company_enrich;
mod input_guard;
mod llm;
mod name;
mod output_guard;
mod persist;
mod product_enrich;
mod prompt;
mod readers;
mod sources;
mod worth;

use std::fmt;
use std::future::Future;

use hellosales_core::content::generated::Generation;
use hellosales_core::pipeline::PipelineInput;
use hellosales_core::{ClientId, DatabaseError, ErrorCode, OrgTx, ProductId, SessionId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use client_enrich::{ClientEnrich, KnownClient};
pub use company_enrich::{CompanyEnrich, KnownCompany};
pub use input_guard::{InputGuard, Passed};
pub use llm::{Generated, Llm};
pub use output_guard::OutputGuard;
pub use persist::{Persist, Persisted};
pub use product_enrich::{KnownProduct, ProductEnrich};
pub use sources::SourceReads;

use crate::prompt::Template;
use crate::provider::schema::Schema;
use crate::registry::Stages;

/// The field that lists merge fields.
pub const MERGE_FIELDS: &str = "personalization_fields";

/// A thing that runs write.
pub trait Written: fmt::Debug + Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The input of its pipeline.
    type Input: PipelineInput;
    /// How a model is asked for it.
    const TEMPLATE: Template;
    /// The shape of the model's answer.
    const SCHEMA: &'static Schema;
    /// An answer has at most so many tokens: twice what the template asks for in the wordiest of languages. Budgets reserve it.
    const MAX_TOKENS: u32;
    /// What it means that a version of it isn't there.
    const NOT_FOUND: ErrorCode;

    /// What was asked for.
    fn asked(input: &Self::Input) -> Asked<'_>;

    /// What an answer says that fits the schema.
    ///
    /// # Errors
    /// If it doesn't.
    fn of_answer(answer: Value) -> Result<Self, serde_json::Error>;

    /// Its texts with the names of their fields, in the schema's order; a list's items have its name each, merge fields
    /// [`MERGE_FIELDS`].
    fn texts(&self) -> Vec<(&'static str, &str)>;

    /// The merge fields that it lists; `None`: such a thing has no list of them.
    fn merge_fields(&self) -> Option<&[String]> {
        None
    }

    /// Subject and text, if it is sent to somebody who may compare it with what a colleague got.
    fn sent(&self) -> Option<(&str, &str)> {
        None
    }

    /// The version that is to be written anew; `None`: it isn't there.
    fn previous(
        tx: &mut OrgTx<'_>,
        input: &Self::Input,
    ) -> impl Future<Output = Result<Option<Self>, DatabaseError>> + Send;

    /// Writes it: once, however often it is called.
    ///
    /// # Errors
    /// If the database refuses.
    fn write(
        &self,
        tx: &mut OrgTx<'_>,
        input: &Self::Input,
        making: Making,
    ) -> impl Future<Output = Result<(), DatabaseError>> + Send;
}

/// What was asked for, whatever is to be written.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Its type: `cold_outreach`, `demo`.
    pub kind: &'static str,
    /// What things of this type are called, in a name of our making.
    pub title: &'static str,
    /// What it sells.
    pub product_id: Option<ProductId>,
    /// Whom it is for.
    pub client_id: Option<ClientId>,
    /// The conversation that asked for it.
    pub session_id: Option<SessionId>,
    /// What the user asks for, in their own words.
    pub instructions: Option<&'a str>,
    /// What it is to be called.
    pub name: Option<&'a str>,
    /// What it is for.
    pub description: Option<&'a str>,
    /// A version is to be written anew.
    pub is_anew: bool,
}

/// What is known of a thing when it is written, beside its words.
#[derive(Debug, Clone)]
pub struct Making {
    /// What it is called, if it is new.
    pub name: String,
    /// Its place in a batch.
    pub batch: Option<(hellosales_core::BatchId, i32)>,
    /// How it came about.
    pub generation: Generation,
}

/// The stages of a pipeline that writes such things.
#[must_use]
pub fn stages<W: Written>() -> Stages {
    Stages::new()
        .with(InputGuard::<W>::new())
        .with(ProductEnrich::<W>::new())
        .with(ClientEnrich::<W>::new())
        .with(CompanyEnrich::<W>::new())
        .with(Llm::<W>::new())
        .with(OutputGuard::<W>::new())
        .with(Persist::<W>::new())
}

/// A stage of a pipeline that writes things of a kind.
macro_rules! stage_of {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name<W>(std::marker::PhantomData<fn() -> W>);

        impl<W> $name<W> {
            pub(super) const fn new() -> Self {
                Self(std::marker::PhantomData)
            }
        }
    };
}
use stage_of;
