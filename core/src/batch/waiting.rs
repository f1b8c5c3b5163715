//! Why a batch doesn't move.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{Batch, BatchStatus};
use crate::pulse::why::{Stands, WaitReason, Waiting};

impl Batch {
    /// What keeps it from moving: what was written down when it was stopped, else its approval or a pause, else what all its
    /// live runs wait for. `None` when it moves, or has ended.
    #[must_use]
    pub fn waiting(&self) -> Option<Waiting> {
        match BatchStatus::parse(&self.status).ok()? {
            BatchStatus::Paused => {
                self.waiting.as_ref().and_then(stored).or_else(|| Some(Waiting::paused(self.pause.as_ref())))
            }
            BatchStatus::AwaitingApproval => Some(Waiting::new(
                WaitReason::AwaitingApproval,
                "its sample is written: approve it, write it again, or cancel",
            )),
            BatchStatus::Running | BatchStatus::Cancelling if !self.has_worker => {
                Some(Waiting::new(WaitReason::NoWorker, "no worker is alive"))
            }
            BatchStatus::Running => match (&self.pause, &self.delay) {
                (Some(pause), _) => Some(Waiting::paused(Some(pause))),
                (None, Some(delay)) => Waiting::of(&Stands {
                    status: "delayed",
                    delay_reason: delay.reason.as_deref(),
                    delay_detail: delay.detail.as_deref(),
                    until: Some(delay.until),
                    ..Stands::default()
                }),
                (None, None) => None,
            },
            BatchStatus::Cancelling | BatchStatus::Completed | BatchStatus::Cancelled => None,
        }
    }
}

fn stored(waiting: &Value) -> Option<Waiting> {
    let text = |name: &str| waiting.get(name).and_then(Value::as_str);
    Some(Waiting {
        reason: WaitReason::parse(text("reason")?).ok()?,
        until: text("until").and_then(|until| until.parse::<DateTime<Utc>>().ok()),
        detail: text("detail").map(str::to_owned),
    })
}
