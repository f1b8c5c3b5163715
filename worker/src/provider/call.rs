//! The one door to a model: the ledger's row is open before anything is sent, and closed whatever becomes of the call,
//! also when its stage is aborted in mid-sentence, and what a call can take is reserved from the budgets of its batch and its
//! organisation before.
//!
//! A quality mode has a chain of models. Whose breaker is open, whose limit is reached and who doesn't begin to answer is passed
//! over; from the first piece of an answer on it is that one's. When nobody answers, a step waits for what was only shut, and
//! is tried again, counted, for what failed.

mod aimd;
mod desk;
mod gate;
mod gates;
mod ledger;
mod orphans;
mod ramp;
mod tried;
mod under_way;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hellosales_core::breaker::{Health, Policy};
use hellosales_core::pipeline::PipelineInput;
use hellosales_core::provider_call::NewCall;
use hellosales_core::queue::SnoozeReason;
use hellosales_core::queue::batch::{Changed, pause_for_budget};
use hellosales_core::run::Lane;
use hellosales_core::{Database, DatabaseError, ErrorCode, LeaseToken, ProviderCallId};
use tokio_util::task::TaskTracker;

use super::chain::{Chains, Target};
use super::price::{Prices, count_prompt, most_prompt_tokens};
use super::schema::Schema;
use super::set::Providers;
use super::{Finish, Llm, LlmRequest, Message, ProviderError, Usage};
use crate::stage::{StageContext, StageError};
use desk::Ledger;
use gate::{Asker, Gate, Shut};
use gates::Gates;
use ledger::{Asked, Entry};
use tried::Tried;
pub use under_way::Call;

/// Every answer has a limit, since what it can take of a budget is reserved before it is known.
const MOST_ANSWER_TOKENS: u32 = 4_096;
/// A call for which its batch's budget doesn't reach asks again after so long: others may have cost less than they could.
const BUDGET_PAUSE: Duration = Duration::from_secs(2);

/// Which model answers in which quality mode.
#[derive(Debug, Clone)]
pub struct Models {
    /// For `fast`.
    pub fast: String,
    /// For `balanced`.
    pub balanced: String,
    /// For `quality`.
    pub quality: String,
}

/// The door. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LlmDoor {
    providers: Providers,
    chains: Chains,
    prices: Prices,
    gates: Arc<Gates>,
    open: TaskTracker,
    /// Started with the first call: a door is made before there is a runtime.
    ledger: Arc<OnceLock<Ledger>>,
    desks: TaskTracker,
}

/// What a stage wants to be answered.
#[derive(Debug, Clone)]
pub struct Prompt {
    /// The messages.
    pub messages: Vec<Message>,
    /// Sampling temperature, 0 to 2.
    pub temperature: Option<f64>,
    /// The most tokens that the answer may have.
    pub max_tokens: Option<u32>,
    /// The shape of the JSON that the answer is to be; `None`: it is text.
    pub schema: Option<&'static Schema>,
}

/// What came of a call.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The text.
    pub text: String,
    /// The call in the ledger.
    pub call_id: ProviderCallId,
    /// Who answered.
    pub provider: String,
    /// Which model.
    pub model: String,
    /// Whether the answer stopped at its limit.
    pub finish: Option<Finish>,
    /// Tokens, as told or as counted.
    pub usage: Usage,
}

impl LlmDoor {
    /// A door to one provider.
    #[must_use]
    pub fn new(llm: Arc<dyn Llm>, models: Models, prices: Prices) -> Self {
        let chains = Chains::of_one(llm.provider(), models);
        Self::with_chains(Providers::new([llm]), chains, prices, Policy::default())
    }

    /// A door to several, whose breakers open as the policy says.
    #[must_use]
    pub fn with_chains(providers: Providers, chains: Chains, prices: Prices, policy: Policy) -> Self {
        Self {
            gates: Arc::new(Gates::new(&chains, policy)),
            providers,
            chains,
            prices,
            open: TaskTracker::new(),
            ledger: Arc::default(),
            desks: TaskTracker::new(),
        }
    }

    fn ledger(&self, db: &Database) -> Ledger {
        self.ledger.get_or_init(|| Ledger::start(db.clone(), &self.desks)).clone()
    }

    /// Who is asked, in which quality mode.
    #[must_use]
    pub const fn chains(&self) -> &Chains {
        &self.chains
    }

    /// Reads which models may be called: a duty of the worker, so that calls don't wait for it.
    ///
    /// # Errors
    /// If the database can't be read: then all is as it was known.
    pub async fn look(&self, db: &Database) -> Result<(), DatabaseError> {
        self.gates.look(db).await
    }

    /// Asks the models of the run's quality mode, one after another, until one begins to answer.
    ///
    /// # Errors
    /// If the step is lost, a budget doesn't reach, the ledger can't be written, or nobody answers.
    pub async fn call<R: PipelineInput>(&self, cx: &StageContext<R>, mut prompt: Prompt) -> Result<Call, StageError> {
        prompt.max_tokens.get_or_insert(MOST_ANSWER_TOKENS);
        let mut tried = Tried::default();
        for target in self.chains.of(cx.run.quality_mode).iter() {
            if !tried.may_help(target) {
                continue;
            }
            match self.ask(cx, target, &prompt).await? {
                Attempt::Begun(call) => return Ok(*call),
                Attempt::Shut(shut) => tried.shut(shut),
                Attempt::Failed { error, shut } if error.helps_elsewhere() => tried.failed(target, &error, shut),
                Attempt::Failed { error, .. } => return Err(error.stage_error(&target.provider)),
            }
        }
        Err(tried.verdict())
    }

    async fn ask<R: PipelineInput>(
        &self,
        cx: &StageContext<R>,
        target: &Target,
        prompt: &Prompt,
    ) -> Result<Attempt, StageError> {
        if !cx.may_call() {
            return Err(StageError::Lost);
        }
        let (Some(llm), Some(gate)) = (self.providers.get(&target.provider), self.gates.of(target)) else {
            return Ok(Attempt::Shut(nobody(target)));
        };
        let db = &cx.environment.database;
        let most = most_usage(prompt);
        let tokens = count_prompt(&prompt.messages).saturating_add(most.tokens_out);
        let asker = Asker { in_person: R::PIPELINE.lane == Lane::Interactive, tokens };
        let pass = match self.gates.admit(db, gate, asker).await? {
            Ok(pass) => pass,
            Err(shut) => return Ok(Attempt::Shut(shut)),
        };
        let (is_probe, most_cents) =
            (pass.probe.is_some(), self.prices.cost_cents(&target.provider, &target.model, most));
        let call = self.new_call(cx, (target, prompt), (most, pass.probe));
        let entry = match Entry::open(self, (db, gate), (call, pass), cx.cancelled.clone()).await? {
            Asked::Open(entry) => *entry,
            Asked::Lost => return Err(StageError::Lost),
            Asked::Shut(seen) => return Ok(Attempt::Shut(self.gates.seen(gate, seen, asker))),
            Asked::OverBudget { may_come_back } => return Err(over_budget(cx, may_come_back, most_cents).await),
            Asked::OverOrgBudget(exceeded) => {
                return Err(StageError::Snooze(exceeded.wait, SnoozeReason::Budget, exceeded.to_string()));
            }
        };
        // The process may have been frozen while the row was written: dropped here, it is closed, unsent.
        if !cx.may_call() {
            return Err(StageError::Lost);
        }
        // An answer that nobody follows comes as one: hundreds of events less to make and to read.
        let streamed = cx.stream.is_some();
        let mut call = Call::new(llm.generate(prompt.request(target, streamed)), streamed, entry);
        let begun = tokio::select! {
            biased;
            () = cx.cancelled.cancelled() => return Err(StageError::Lost),
            begun = call.begin() => begun,
        };
        let Err(error) = begun else { return Ok(Attempt::Begun(Box::new(call))) };
        call.close(&error).await;
        Ok(Attempt::Failed { shut: self.shut_by(gate, &error, asker, is_probe), error })
    }

    /// What waits for the provider, and not for another attempt: a 429; and a probe that failed, which was the breaker's, comes
    /// back behind the first who wait, should its own prompt be to blame.
    fn shut_by(&self, gate: &Gate, error: &ProviderError, asker: Asker, is_probe: bool) -> Option<Shut> {
        match error {
            ProviderError::RateLimited { .. } => Some(self.gates.again(gate, asker)),
            _ if is_probe && error.health() == Health::Fault => {
                let shut = self.gates.again(gate, asker);
                Some(Shut { wait: shut.wait + Duration::from_millis(rand::random_range(1_000..3_000)), ..shut })
            }
            _ => None,
        }
    }

    fn new_call<R: PipelineInput>(
        &self,
        cx: &StageContext<R>,
        (target, prompt): (&Target, &Prompt),
        (most, probe): (Usage, Option<LeaseToken>),
    ) -> NewCall {
        NewCall {
            id: ProviderCallId::new(),
            org_id: cx.run.org_id,
            run_id: cx.run.id,
            stage: i16::try_from(cx.stage).unwrap_or(i16::MAX),
            attempt: cx.attempt,
            token: cx.token,
            service: R::PIPELINE.name,
            provider: target.provider.clone(),
            model_id: target.model.clone(),
            request_id: cx.run.request_id.clone(),
            session_id: cx.run.session_id,
            interaction_id: cx.run.interaction_id,
            user_id: cx.run.user_id,
            prompt_messages: serde_json::to_value(&prompt.messages).unwrap_or_default(),
            tokens_in: i32::try_from(count_prompt(&prompt.messages)).unwrap_or(i32::MAX),
            batch_id: cx.run.batch.map(|(batch, _)| batch),
            most_cents: self.prices.cost_cents(&target.provider, &target.model, most),
            most_tokens: i64::from(most.tokens_in) + i64::from(most.tokens_out),
            probe,
        }
    }

    /// Waits until every call that was begun is closed in the ledger: before a process ends.
    pub async fn drain(&self) {
        self.open.close();
        self.open.wait().await;
        self.open.reopen();
    }
}

/// What came of asking one model.
enum Attempt {
    /// It answers.
    Begun(Box<Call>),
    /// It can't be asked now.
    Shut(Shut),
    /// It did not begin to answer; and when it may be asked again, where that is known.
    Failed { error: ProviderError, shut: Option<Shut> },
}

impl Prompt {
    fn request(&self, target: &Target, stream: bool) -> LlmRequest {
        LlmRequest {
            model: target.model.clone(),
            messages: self.messages.clone(),
            temperature: self.temperature,
            max_tokens: self.max_tokens,
            schema: self.schema,
            stream,
        }
    }
}

/// A target whose client is not configured: no chain has one.
fn nobody(target: &Target) -> Shut {
    let detail = format!("{}: not configured", target.provider);
    Shut { wait: Duration::from_secs(60), reason: SnoozeReason::ProviderDown, detail }
}

/// What a call can take at most.
fn most_usage(prompt: &Prompt) -> Usage {
    // The schema is part of what a model is told.
    let schema = prompt.schema.map_or(0, |schema| serde_json::to_string(&schema.shape).map_or(0, |text| text.len()));
    Usage {
        tokens_in: most_prompt_tokens(&prompt.messages, schema),
        tokens_out: prompt.max_tokens.unwrap_or(MOST_ANSWER_TOKENS),
    }
}

/// What a stage reports that may not call. Where nothing is reserved, nothing comes back: the batch stands still until
/// somebody decides.
async fn over_budget<R>(cx: &StageContext<R>, may_come_back: bool, needs: rust_decimal::Decimal) -> StageError {
    if may_come_back {
        return snoozed("the rest of the batch's budget is reserved");
    }
    if let Some((batch, _)) = cx.run.batch {
        match pause_for_budget(&cx.environment.database, cx.run.org_id, batch, needs).await {
            Ok((Changed::Now, _)) => tracing::info!(batch_id = %batch, "the batch's budget is spent"),
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(batch_id = %batch, %error, "a batch whose budget is spent could not be paused")
            }
        }
    }
    snoozed("the batch's budget is spent")
}

fn snoozed(detail: &str) -> StageError {
    StageError::Snooze(BUDGET_PAUSE, SnoozeReason::Budget, detail.to_owned())
}

/// Why a call that nobody finished ended.
fn abandoned(cancelled: bool) -> (ErrorCode, &'static str) {
    if cancelled {
        (ErrorCode::PipelineCancelled, "the run was cancelled or its lease lost")
    } else if std::thread::panicking() {
        (ErrorCode::StagePanicked, "the stage panicked")
    } else {
        (ErrorCode::StageTimeout, "the stage ended before the call did")
    }
}
