//! The one door to a model: the ledger's row is open before anything is sent, and closed whatever becomes of the call,
//! also when its stage is aborted in mid-sentence, and what a call can take is reserved from the budgets of its batch and its
//! organisation before.
//! Breaker, limits and fallback will stand here too.

mod desk;
mod ledger;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use hellosales_core::pipeline::PipelineInput;
use hellosales_core::provider_call::{self, NewCall};
use hellosales_core::queue::SnoozeReason;
use hellosales_core::queue::batch::{Changed, pause_for_budget};
use hellosales_core::queue::lease::Owned;
use hellosales_core::run::QualityMode;
use hellosales_core::{Database, DatabaseError, ErrorCode, ProviderCallId, WorkerId};
use tokio_util::task::TaskTracker;

use super::price::{Prices, count_prompt, count_tokens, most_prompt_tokens};
use super::schema::Schema;
use super::{Finish, Llm, LlmEvent, LlmRequest, Message, ProviderError, Usage};
use crate::stage::{StageContext, StageError};
use desk::Ledger;
use ledger::{Asked, Entry};

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

impl Models {
    fn of(&self, mode: QualityMode) -> &str {
        match mode {
            QualityMode::Fast => &self.fast,
            QualityMode::Balanced => &self.balanced,
            QualityMode::Quality => &self.quality,
        }
    }
}

/// The door. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LlmDoor {
    llm: Arc<dyn Llm>,
    models: Arc<Models>,
    prices: Prices,
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
        Self {
            llm,
            models: Arc::new(models),
            prices,
            open: TaskTracker::new(),
            ledger: Arc::default(),
            desks: TaskTracker::new(),
        }
    }

    fn ledger(&self, db: &Database) -> Ledger {
        self.ledger.get_or_init(|| Ledger::start(db.clone(), &self.desks)).clone()
    }

    /// Opens a call in the ledger and prepares it; it is sent when first read.
    ///
    /// # Errors
    /// If the step is lost, a budget doesn't reach, or the ledger can't be written: then nothing was called.
    pub async fn call<R: PipelineInput>(&self, cx: &StageContext<R>, mut prompt: Prompt) -> Result<Call, StageError> {
        if !cx.may_call() {
            return Err(StageError::Lost);
        }
        prompt.max_tokens.get_or_insert(MOST_ANSWER_TOKENS);
        let model = self.models.of(cx.run.quality_mode).to_owned();
        let most = most_usage(&prompt);
        let most_cents = self.prices.cost_cents(self.llm.provider(), &model, most);
        let call = NewCall {
            id: ProviderCallId::new(),
            org_id: cx.run.org_id,
            run_id: cx.run.id,
            stage: i16::try_from(cx.stage).unwrap_or(i16::MAX),
            attempt: cx.attempt,
            token: cx.token,
            service: R::PIPELINE.name,
            provider: self.llm.provider().to_owned(),
            model_id: model.clone(),
            request_id: cx.run.request_id.clone(),
            session_id: cx.run.session_id,
            interaction_id: cx.run.interaction_id,
            user_id: cx.run.user_id,
            prompt_messages: serde_json::to_value(&prompt.messages).unwrap_or_default(),
            tokens_in: i32::try_from(count_prompt(&prompt.messages)).unwrap_or(i32::MAX),
            batch_id: cx.run.batch.map(|(batch, _)| batch),
            most_cents,
            probe: None,
            most_tokens: i64::from(most.tokens_in) + i64::from(most.tokens_out),
        };
        let entry = match Entry::open(self, &cx.environment.database, call, cx.cancelled.clone()).await? {
            Asked::Open(entry) => *entry,
            Asked::Lost => return Err(StageError::Lost),
            Asked::OverBudget { may_come_back } => return Err(over_budget(cx, may_come_back, most_cents).await),
            Asked::OverOrgBudget(exceeded) => {
                return Err(StageError::Snooze(exceeded.wait, SnoozeReason::Budget, exceeded.to_string()));
            }
        };
        // The process may have been frozen while the row was written: dropped here, it is closed, unsent.
        if !cx.may_call() {
            return Err(StageError::Lost);
        }
        let Prompt { messages, temperature, max_tokens, schema } = prompt;
        // An answer that nobody follows comes as one: hundreds of events less to make and to read.
        let streamed = cx.stream.is_some();
        let request = LlmRequest { model, messages, temperature, max_tokens, schema, stream: streamed };
        Ok(Call { stream: self.llm.generate(request), streamed, entry, finish: None })
    }

    /// Closes the calls that a lost worker left open for a step, with what is known of their cost.
    ///
    /// # Errors
    /// If the database refuses or can't be reached; what is still open is closed by another try.
    pub async fn close_orphans(&self, db: &Database, step: Owned) -> Result<u64, DatabaseError> {
        let calls = provider_call::orphans(db, step).await?;
        provider_call::close_orphans(db, calls, |call| self.price_orphan(call)).await
    }

    /// Closes the calls that a dead worker left open; true if there may be more.
    ///
    /// # Errors
    /// If the database refuses or can't be reached; what is still open is closed by another try.
    pub async fn close_left_by(&self, db: &Database, dead: WorkerId) -> Result<bool, DatabaseError> {
        let calls = provider_call::left_by(db, dead).await?;
        let full = i64::try_from(calls.len()).is_ok_and(|n| n >= provider_call::GROUP);
        provider_call::close_orphans(db, calls, |call| self.price_orphan(call)).await?;
        Ok(full)
    }

    /// Closes the calls that nobody will close any more: the janitor's.
    ///
    /// # Errors
    /// If the database refuses or can't be reached; what is still open is closed by another try.
    pub async fn close_forgotten(&self, db: &Database) -> Result<u64, DatabaseError> {
        let calls = provider_call::forgotten(db).await?;
        provider_call::close_orphans(db, calls, |call| self.price_orphan(call)).await
    }

    fn price_orphan(&self, call: &provider_call::OpenCall) -> (i32, rust_decimal::Decimal) {
        let usage =
            Usage { tokens_in: u32::try_from(call.tokens_in).unwrap_or(0), tokens_out: count_tokens(&call.streamed) };
        let cost = self.prices.cost_cents(&call.provider, &call.model_id, usage);
        (i32::try_from(usage.tokens_out).unwrap_or(i32::MAX), cost)
    }

    /// Waits until every call that was begun is closed in the ledger: before a process ends.
    pub async fn drain(&self) {
        self.open.close();
        self.open.wait().await;
        self.open.reopen();
    }
}

/// A call under way. Dropping it stops the provider's stream, and closes it in the ledger as abandoned.
pub struct Call {
    stream: BoxStream<'static, Result<LlmEvent, ProviderError>>,
    /// Its first piece is a first token, not the whole.
    streamed: bool,
    entry: Entry,
    finish: Option<Finish>,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("id", &self.entry.id()).finish_non_exhaustive()
    }
}

impl Call {
    /// The next piece of the answer; `None` when it is complete.
    ///
    /// # Errors
    /// What went wrong with the call: hand it to [`Call::fail`].
    pub async fn next(&mut self) -> Result<Option<String>, ProviderError> {
        self.entry.sent();
        while let Some(event) = self.stream.next().await {
            match event? {
                LlmEvent::Started { request_id, limits } => {
                    tracing::debug!(call_id = %self.entry.id(), provider_request_id = request_id.as_deref(), ?limits, "provider answers");
                }
                LlmEvent::Delta(text) => {
                    self.entry.received(&text, self.streamed);
                    return Ok(Some(text));
                }
                LlmEvent::Usage(usage) => self.entry.told(usage),
                LlmEvent::Finished(finish) => self.finish = Some(finish),
            }
        }
        match self.finish {
            Some(_) => Ok(None),
            None => Err(ProviderError::CutStream),
        }
    }

    /// What has come so far.
    #[must_use]
    pub fn text(&self) -> &str {
        self.entry.text()
    }

    /// Why the answer ended, once it has.
    #[must_use]
    pub const fn ended(&self) -> Option<Finish> {
        self.finish
    }

    /// The call is over, as it should be; or we have had enough of it. An answer that holds nothing but space is a fault.
    ///
    /// # Errors
    /// If the answer is empty.
    pub async fn finish(self) -> Result<Answer, StageError> {
        if self.entry.text().trim().is_empty() {
            return Err(self.fail(ProviderError::Malformed("an empty answer")).await);
        }
        let Self { stream, entry, finish, .. } = self;
        drop(stream);
        Ok(entry.succeed(finish).await)
    }

    /// The call went wrong: closes it and says what its stage reports.
    pub async fn fail(self, error: ProviderError) -> StageError {
        let Self { stream, entry, .. } = self;
        drop(stream);
        let reported = error.stage_error(entry.provider());
        let (code, message) = (error.code(), error.to_string());
        entry.fail(code, message, error.is_billed()).await;
        reported
    }
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
