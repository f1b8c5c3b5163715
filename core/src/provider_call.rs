//! The ledger: every call of a provider, opened before it is made and closed once, whatever became of it. Whoever
//! closes it adds its cost to the run. Apart from the settlements, so that a call that happened is never forgotten with a
//! stage that failed; in groups, since each is little work beside waiting for the disk.
//!
//! A call of a batch or an organisation with a budget reserves there what it can cost at most, in the transaction that opens
//! it. Closing gives that back and books what it did cost. So calls at the same time can't spend more than there is.

mod again;
mod close;
mod gate;
mod open;
mod orphan;

use rust_decimal::Decimal;
use serde_json::Value;

pub use again::landed;
pub use close::{Closed, close, close_group};
pub use gate::Shut;
pub use open::{Opened, open_group};
pub use orphan::{GROUP, close_orphans, forgotten, left_by, orphans};

use crate::breaker::Health;
use crate::error::ErrorCode;
use crate::id::{BatchId, InteractionId, LeaseToken, OrgId, ProviderCallId, RunId, SessionId, UserId};

/// A call that is about to be made.
#[derive(Debug, Clone)]
pub struct NewCall {
    /// Its id, made beforehand: a call whose opening got no answer can be closed.
    pub id: ProviderCallId,
    /// Whose run.
    pub org_id: OrgId,
    /// The run that it is made for.
    pub run_id: RunId,
    /// The stage that makes it.
    pub stage: i16,
    /// The number of the stage's attempt.
    pub attempt: i16,
    /// The fence of the stage's step.
    pub token: LeaseToken,
    /// The pipeline.
    pub service: &'static str,
    /// Who is called.
    pub provider: String,
    /// Which model.
    pub model_id: String,
    /// The request that submitted the run.
    pub request_id: Option<String>,
    /// The run's session.
    pub session_id: Option<SessionId>,
    /// The user's interaction.
    pub interaction_id: Option<InteractionId>,
    /// The user.
    pub user_id: Option<UserId>,
    /// What the model is told.
    pub prompt_messages: Value,
    /// The prompt's length as we count it: what the call costs at least, should nobody come back to tell.
    pub tokens_in: i32,
    /// The batch that the run is part of.
    pub batch_id: Option<BatchId>,
    /// What the call can cost at most: reserved from its batch's budget and its organisation's, if there are such.
    pub most_cents: Decimal,
    /// The fence of an open breaker's probe, if the call is one.
    pub probe: Option<LeaseToken>,
    /// How many tokens its prompt and its answer can have at most: reserved from its organisation's budget.
    pub most_tokens: i64,
}

/// How a call ended.
#[derive(Debug, Clone)]
pub struct CallEnd {
    /// What the model said, as far as it came.
    pub output: String,
    /// From its start to its end; unknown if its worker was lost.
    pub latency_ms: Option<i32>,
    /// From its start to the first token.
    pub ttft_ms: Option<i32>,
    /// Tokens of the prompt.
    pub tokens_in: i32,
    /// Tokens of the answer.
    pub tokens_out: i32,
    /// We counted, since the provider did not say.
    pub usage_estimated: bool,
    /// What it cost.
    pub cost_cents: Decimal,
    /// Why it failed; `None`: it did not.
    pub error: Option<(ErrorCode, String)>,
    /// What it says of the provider: counted with the closing.
    pub health: Health,
}

/// A call that nobody has closed.
#[derive(Debug, Clone)]
pub struct OpenCall {
    /// Its id.
    pub id: ProviderCallId,
    /// Who was called.
    pub provider: String,
    /// Which model.
    pub model_id: String,
    /// The prompt's length as we counted it.
    pub tokens_in: i32,
    /// What the run's readers have seen of its answer.
    pub streamed: String,
}
