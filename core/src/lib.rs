//! The database of HelloSales, typed: the queue, its content, its records. The only crate with sqlx;
//! it knows no HTTP, no clock that decides anything, and no prompt.
#![forbid(unsafe_code)]

pub mod audit;
pub mod batch;
pub mod bench;
pub mod breaker;
pub mod budget;
pub mod content;
pub mod database;
pub mod dead_letter;
pub mod error;
pub mod id;
pub mod idempotency;
pub mod identity;
pub mod invariant;
pub mod limit;
pub mod metrics;
pub mod notify;
pub mod operation;
pub mod pipeline;
pub mod provider_call;
pub mod pulse;
pub mod queue;
pub mod retention;
pub mod run;
pub mod step;
pub mod stream;
pub mod timeline;

pub use database::{Database, DatabaseConfig, OrgTx, Role, Tx};
pub use error::{DatabaseError, ErrorCode, Failure};
pub use id::{
    BatchId, ClientId, DeadLetterId, EmailId, EmailVersionId, ImportId, InteractionId, LeaseToken, OperationId, OrgId,
    ProductId, ProviderCallId, RunId, ScriptId, ScriptVersionId, SessionId, SummaryId, UserId, WorkerId,
};
