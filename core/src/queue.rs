//! The queue: every statement that changes a run's or a step's status, one file a transition.
//!
//! A run is `queued -> running -> completed | failed | cancelled`; a redrive takes `failed -> queued`.
//! A step is `ready -> running -> completed | skipped | dead`, with `running -> delayed -> ready` for a retry
//! or a snooze, and `held` while it waits for something that isn't time.
//!
//! # What holds
//! 1. A settlement writes only where `lease_token` still matches a `running` step; no match, nothing is written.
//! 2. A step's output, effects, events, successors and its run's progress commit in one transaction.
//! 3. Only the database's clock decides: `now()` in predicates, `clock_timestamp()` in values.
//! 4. Claims never touch a run; fan-in reads the locked row, never a snapshot older than the lock.
//!
//! # Lock order
//! idempotency key < session < batch < run (by id) < batch's budget (by id) < organisation's budget
//! (by id) < step < dead letter < org_lanes. Nobody goes back.
//! Opening a provider call locks budgets and nothing else; closing locks its run, then the budgets, then the item of a run that
//! has ended. Whoever holds a budget waits for nothing but a higher one, so a group may wait there.
//! Nobody waits for a row in a group: claim, group settlement, reap and promote use SKIP LOCKED. Only single
//! transactions wait (accept, closing with a session, cancel, redrive, ledger, a stream's opening), in that order.

pub mod backoff;
pub mod batch;
pub mod cancel;
mod carry;
pub mod claim;
mod claimed;
pub mod companions;
mod complete;
mod defer;
pub mod drain;
mod fail;
pub mod finish;
mod gate;
pub mod janitor;
mod journal;
pub mod lease;
pub mod letter;
pub mod pause;
pub mod promote;
pub mod rank;
pub mod reap;
pub mod redrive;
pub mod release;
pub mod settle;
mod settlement;
mod shapes;
pub mod submit;
pub mod turn;
mod wakes;

pub use claimed::{ClaimedStep, RunContext};
pub use pause::Pauses;
pub use settlement::{Effects, End, Settlement, SnoozeReason, StreamTail};
pub use shapes::Shapes;
pub use wakes::Wakes;
