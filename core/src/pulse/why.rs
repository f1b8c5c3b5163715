//! Why isn't it moving? One answer, for the api, its streams, batches and the terminal.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::id::RunId;
use crate::run::text_enum;

text_enum! {
    /// What keeps a run or a batch from moving: the contract's words.
    WaitReason {
        /// An attempt failed; the next one has its time.
        Backoff = "backoff",
        /// A provider's limit, or ours.
        RateLimited = "rate_limited",
        /// A breaker is open.
        ProviderDown = "provider_down",
        /// A budget is spent.
        Budget = "budget",
        /// An earlier turn of its session goes first.
        SessionBusy = "session_busy",
        /// Its batch is paused.
        BatchPaused = "batch_paused",
        /// Its lane, pipeline or organisation is paused.
        QueuePaused = "queue_paused",
        /// No living worker knows its pipeline's version.
        NoWorker = "no_worker",
        /// Of a batch: its sample is written.
        AwaitingApproval = "awaiting_approval",
    }
}

/// What keeps a run or a batch from moving.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// One of the contract's reasons.
    pub reason: WaitReason,
    /// When it will be looked at again, if that is known.
    pub until: Option<DateTime<Utc>>,
    /// Why, for people.
    pub detail: Option<String>,
}

/// A pause that holds a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PauseSeen {
    /// `lane`, `pipeline`, `org` or `batch`.
    pub scope: String,
    /// Which one.
    pub key: String,
    /// Why.
    pub reason: String,
    /// Until when, if it ends by itself.
    pub until: Option<DateTime<Utc>>,
}

/// The turn that a waiting turn's session works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Ahead {
    /// The run that is on.
    pub run: RunId,
    /// How many turns come first, that one included.
    pub count: i64,
}

/// How the step stands that says most about its run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stands<'a> {
    /// Its status.
    pub status: &'a str,
    /// What holds it.
    pub held_by: Option<&'a str>,
    /// Why it is delayed.
    pub delay_reason: Option<&'a str>,
    /// The same, for people.
    pub delay_detail: Option<&'a str>,
    /// Until when it is.
    pub until: Option<DateTime<Utc>>,
    /// The step's kind.
    pub kind: &'a str,
    /// A living worker knows that kind.
    pub has_worker: bool,
    /// What stands still that it is of.
    pub pause: Option<&'a PauseSeen>,
    /// Whose turn it is.
    pub ahead: Option<&'a Ahead>,
}

impl Waiting {
    /// For this reason, without a time.
    #[must_use]
    pub fn new(reason: WaitReason, detail: impl Into<String>) -> Self {
        Self { reason, until: None, detail: Some(detail.into()) }
    }

    /// What keeps a step from moving; `None` when it moves, or simply waits for its place in the queue.
    #[must_use]
    pub fn of(step: &Stands<'_>) -> Option<Self> {
        match (step.status, step.held_by) {
            ("delayed", _) => Some(Self {
                reason: step.delay_reason.and_then(|word| WaitReason::parse(word).ok()).unwrap_or(WaitReason::Backoff),
                until: step.until,
                detail: step.delay_detail.map(str::to_owned),
            }),
            ("held", Some("turn")) => Some(Self::new(WaitReason::SessionBusy, turn(step.ahead))),
            ("held", Some("pause")) => Some(Self::paused(step.pause)),
            ("ready", _) if step.pause.is_some() => Some(Self::paused(step.pause)),
            ("ready", _) if !step.has_worker => {
                Some(Self::new(WaitReason::NoWorker, format!("no living worker knows {}", step.kind)))
            }
            _ => None,
        }
    }

    /// By a pause; one that can't be seen any more is about to let go.
    #[must_use]
    pub fn paused(pause: Option<&PauseSeen>) -> Self {
        let Some(pause) = pause else {
            return Self::new(WaitReason::QueuePaused, "it was paused, and goes on in a moment");
        };
        let (reason, what) = match pause.scope.as_str() {
            "batch" => (WaitReason::BatchPaused, "its batch is paused".to_owned()),
            "org" => (WaitReason::QueuePaused, "the organisation is paused".to_owned()),
            scope => (WaitReason::QueuePaused, format!("the {scope} {} is paused", pause.key)),
        };
        Self { reason, until: pause.until, detail: Some(format!("{what}: {}", pause.reason)) }
    }
}

fn turn(ahead: Option<&Ahead>) -> String {
    match ahead {
        None => "an earlier turn of the session goes first".to_owned(),
        Some(Ahead { run, count: ..=1 }) => format!("the session works on run {run}, which goes first"),
        Some(Ahead { run, count }) => format!("the session works on run {run}; {count} turns go first"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(step: &Stands<'_>) -> Option<(WaitReason, Option<String>)> {
        Waiting::of(step).map(|waiting| (waiting.reason, waiting.detail))
    }

    #[test]
    fn what_moves_or_has_its_place_in_the_queue_waits_for_nothing() {
        let ready = Stands { status: "ready", has_worker: true, ..Stands::default() };
        assert_eq!(reason(&ready), None);
        assert_eq!(reason(&Stands { status: "running", ..ready }), None);
        assert_eq!(reason(&Stands { status: "held", held_by: Some("failed"), ..ready }), None);
        let nobody = Stands { has_worker: false, kind: "chat@9/llm", ..ready };
        assert_eq!(reason(&nobody), Some((WaitReason::NoWorker, Some("no living worker knows chat@9/llm".to_owned()))));
    }

    #[test]
    fn a_delay_says_why_and_until_when_also_for_a_reason_of_a_newer_program() {
        let until = DateTime::UNIX_EPOCH;
        let delayed = Stands {
            status: "delayed",
            delay_reason: Some("budget"),
            delay_detail: Some("spent"),
            until: Some(until),
            ..Stands::default()
        };
        let expected = Waiting { reason: WaitReason::Budget, until: Some(until), detail: Some("spent".to_owned()) };
        assert_eq!(Waiting::of(&delayed), Some(expected));
        let newer = Stands { delay_reason: Some("moonlight"), ..delayed };
        assert_eq!(reason(&newer).unwrap().0, WaitReason::Backoff);
    }

    #[test]
    fn a_pause_names_what_is_paused_and_the_reason_that_was_given() {
        let pause = |scope: &str, key: &str| PauseSeen {
            scope: scope.to_owned(),
            key: key.to_owned(),
            reason: "INC-81".to_owned(),
            until: None,
        };
        let lane = pause("lane", "bulk");
        let held = Stands { status: "held", held_by: Some("pause"), pause: Some(&lane), ..Stands::default() };
        let expected = (WaitReason::QueuePaused, Some("the lane bulk is paused: INC-81".to_owned()));
        assert_eq!(reason(&held), Some(expected.clone()));
        assert_eq!(reason(&Stands { status: "ready", held_by: None, ..held }), Some(expected), "before a claim met it");
        let batch = pause("batch", "0199");
        assert_eq!(reason(&Stands { pause: Some(&batch), ..held }).unwrap().0, WaitReason::BatchPaused);
        assert_eq!(reason(&Stands { pause: None, ..held }).unwrap().0, WaitReason::QueuePaused);
    }

    #[test]
    fn a_waiting_turn_names_the_run_that_is_on() {
        let run = RunId::new();
        let held = Stands { status: "held", held_by: Some("turn"), ..Stands::default() };
        let says = |count| reason(&Stands { ahead: Some(&Ahead { run, count }), ..held }).unwrap().1.unwrap();
        assert_eq!(says(1), format!("the session works on run {run}, which goes first"));
        assert_eq!(says(3), format!("the session works on run {run}; 3 turns go first"));
    }
}
