//! Stages that do what a test tells them, attempt by attempt, and say when.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use hellosales_core::pipeline::{ChatInput, PipelineInput};
use hellosales_core::queue::turn;
use hellosales_core::{DatabaseError, ErrorCode, Failure, OrgTx};
use hellosales_worker::registry::Stages;
use hellosales_worker::stage::{Outcome, Stage, StageContext, StageError, Values};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::queue::bench::Cut;

/// What a scripted stage does at one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    /// It is done.
    Done,
    /// It says this, if it has a stream.
    Say(&'static str),
    /// It takes back what it said, and says this.
    Replace(&'static str),
    /// It waits until the test lets it go on.
    Wait,
    /// It never ends.
    Hang,
    /// It panics.
    Panic,
    /// It fails, and may try again.
    Retry,
    /// It has nothing to do.
    Skip,
    /// It makes more than a checkpoint may have.
    Overflow,
}

/// What a scripted stage is told, and what it has done.
#[derive(Debug)]
pub(super) struct Script {
    attempts: Mutex<VecDeque<Vec<Act>>>,
    seen: Mutex<Vec<Attempt>>,
    begun: Semaphore,
    go_on: Semaphore,
    stopped: Semaphore,
}

/// What an attempt knew of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attempt {
    /// Its number.
    pub number: i16,
    /// Why the one before failed.
    pub last_error: Option<ErrorCode>,
}

impl Script {
    /// An attempt for each list; after the last, `Done`.
    pub(super) fn of(attempts: &[&[Act]]) -> Arc<Self> {
        Arc::new(Self {
            attempts: Mutex::new(attempts.iter().map(|acts| acts.to_vec()).collect()),
            seen: Mutex::default(),
            begun: Semaphore::new(0),
            go_on: Semaphore::new(0),
            stopped: Semaphore::new(0),
        })
    }

    /// Waits until an attempt has come to its `Wait` or `Hang`, or begun what it does instead.
    pub(super) async fn begun(&self) {
        self.begun.acquire().await.expect("never closed").forget();
    }

    /// Lets one `Wait` go on.
    pub(super) fn go_on(&self) {
        self.go_on.add_permits(1);
    }

    /// Waits until an attempt was stopped in the middle.
    pub(super) async fn stopped(&self) {
        self.stopped.acquire().await.expect("never closed").forget();
    }

    /// All attempts so far.
    pub(super) fn seen(&self) -> Vec<Attempt> {
        self.seen.lock().expect("no panic").clone()
    }

    async fn play<R>(&self, cx: &StageContext<R>) -> Result<Outcome<String>, StageError> {
        let last_error = cx.last_error.as_ref().map(|failure| failure.code);
        self.seen.lock().expect("no panic").push(Attempt { number: cx.attempt, last_error });
        let acts = self.attempts.lock().expect("no panic").pop_front().unwrap_or_default();
        let mut guard = Stopped { script: self, ended: false };
        let mut said = String::new();
        let mut outcome = None;
        for act in acts {
            outcome = self.act(cx, act, &mut said).await?;
        }
        guard.ended = true;
        Ok(outcome.unwrap_or(Outcome::Done(said)))
    }

    async fn act<R>(
        &self,
        cx: &StageContext<R>,
        act: Act,
        said: &mut String,
    ) -> Result<Option<Outcome<String>>, StageError> {
        match act {
            Act::Done => {}
            Act::Say(text) => {
                said.push_str(text);
                if let Some(stream) = &cx.stream {
                    stream.delta(text).await.map_err(|_| StageError::Lost)?;
                }
            }
            Act::Replace(text) => {
                text.clone_into(said);
                if let Some(stream) = &cx.stream {
                    stream.replace(text).await.map_err(|_| StageError::Lost)?;
                }
            }
            Act::Wait => {
                self.begun.add_permits(1);
                self.go_on.acquire().await.expect("never closed").forget();
            }
            Act::Hang => {
                self.begun.add_permits(1);
                std::future::pending::<()>().await;
            }
            Act::Panic => panic!("as told"),
            Act::Retry => {
                return Err(StageError::Retry(Failure::new(ErrorCode::ProviderUnavailable, "not now"), None));
            }
            Act::Skip => return Ok(Some(Outcome::Skip("as told"))),
            Act::Overflow => *said = "x".repeat(hellosales_core::step::MAX_OUTPUT_BYTES),
        }
        Ok(None)
    }
}

/// Tells when a stage's future is dropped before its end.
struct Stopped<'s> {
    script: &'s Script,
    ended: bool,
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        if !self.ended && !std::thread::panicking() {
            self.script.stopped.add_permits(1);
        }
    }
}

macro_rules! stages {
    ($($name:ident = $text:literal of $run:ty, needs $needs:ty;)+) => { $(
        struct $name(Arc<Script>);

        impl Stage for $name {
            const NAME: &'static str = $text;
            type Run = $run;
            type Needs = $needs;
            type Output = String;

            async fn execute(&self, cx: &StageContext<$run>, _: Values<Self>) -> Result<Outcome<String>, StageError> {
                self.0.play(cx).await
            }
        }
    )+ };
}

stages! {
    A = "a" of Cut, needs ();
    B = "b" of Cut, needs (A,);
    C = "c" of Cut, needs (A,);
    InputGuard = "input_guard" of ChatInput, needs ();
    ProfileEnrich = "profile_enrich" of ChatInput, needs ();
    SummaryEnrich = "summary_enrich" of ChatInput, needs ();
    Llm = "llm" of ChatInput, needs (InputGuard, Option<ProfileEnrich>, Option<SummaryEnrich>);
}

/// It lets through what the model said.
struct OutputGuard;

impl Stage for OutputGuard {
    const NAME: &'static str = "output_guard";
    type Run = ChatInput;
    type Needs = (Llm,);
    type Output = String;

    async fn execute(&self, _: &StageContext<ChatInput>, (said,): Values<Self>) -> Result<Outcome<String>, StageError> {
        Ok(Outcome::Done(said))
    }
}

/// The meeting of the branches: it makes a product.
struct D;

impl Stage for D {
    const NAME: &'static str = "d";
    type Run = Cut;
    type Needs = (B, Option<C>);
    type Output = String;

    async fn execute(&self, _: &StageContext<Cut>, (b, _): Values<Self>) -> Result<Outcome<String>, StageError> {
        Ok(Outcome::Done(b))
    }

    async fn effects(
        &self,
        tx: &mut OrgTx<'_>,
        cx: &StageContext<Cut>,
        _: &Outcome<String>,
    ) -> Result<(), DatabaseError> {
        let _run = cx.run.id;
        hellosales_core::queue::Effects::apply(&crate::queue::ends::Product, tx).await
    }
}

/// The end of a turn: it writes the answer.
struct Persist;

#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    text: String,
}

impl Stage for Persist {
    const NAME: &'static str = "persist";
    type Run = ChatInput;
    type Needs = (OutputGuard,);
    type Output = Stored;

    async fn execute(&self, _: &StageContext<ChatInput>, (text,): Values<Self>) -> Result<Outcome<Stored>, StageError> {
        Ok(Outcome::Done(Stored { text }))
    }

    async fn effects(
        &self,
        tx: &mut OrgTx<'_>,
        cx: &StageContext<ChatInput>,
        end: &Outcome<Stored>,
    ) -> Result<(), DatabaseError> {
        let Outcome::Done(Stored { text }) = end else { return Ok(()) };
        let org = tx.org();
        sqlx::query(
            "INSERT INTO interactions (id, org_id, session_id, run_id, role, content, sequence_number)
             VALUES ($1, $2, $3, $4, 'assistant', $6, $5)",
        )
        .bind(turn::answer_id(cx.run.id).uuid())
        .bind(org.uuid())
        .bind(cx.run.session_id.expect("a turn").uuid())
        .bind(cx.run.id.uuid())
        .bind(cx.run.user_sequence.unwrap_or(0) + 1)
        .bind(text)
        .execute(tx.connection())
        .await?;
        sqlx::query("UPDATE sessions SET interaction_count = interaction_count + 1 WHERE id = $1")
            .bind(cx.run.session_id.expect("a turn").uuid())
            .execute(tx.connection())
            .await?;
        Ok(())
    }
}

/// A diamond whose `b` does what it is told, and whose `c` does too, if it is told something.
pub(super) fn diamond(b: &Arc<Script>, c: &Arc<Script>) -> Stages {
    Stages::new().with(A(Script::of(&[]))).with(B(Arc::clone(b))).with(C(Arc::clone(c))).with(D)
}

/// A turn whose model says what it is told.
pub(super) fn chat(llm: &Arc<Script>) -> Stages {
    assert_eq!(<ChatInput as PipelineInput>::PIPELINE.stages.len(), 6);
    Stages::new()
        .with(InputGuard(Script::of(&[])))
        .with(ProfileEnrich(Script::of(&[&[Act::Skip]])))
        .with(SummaryEnrich(Script::of(&[])))
        .with(Llm(Arc::clone(llm)))
        .with(OutputGuard)
        .with(Persist)
}
