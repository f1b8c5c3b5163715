//! Defer: `running -> delayed` for a retry or a snooze, `running -> ready` for what is given back. The row was
//! written by the fence; this is what followers are told, of these ends and of the others.

use serde_json::Value;

use super::End;
use super::journal;
use super::settle::{Landed, LockedRun, Work};
use crate::stream::delta;

/// Adds the events of a live run's ends: `stage.completed`, `run.waiting`, and what a guard says instead of an answer.
pub(super) fn journal(work: &mut Work, run: &mut LockedRun, ends: &[Landed<'_>]) {
    let mut events: Vec<(&'static str, Value)> = Vec::new();
    for end in ends {
        let step = &end.settlement.step;
        let what = &end.settlement.end;
        if !matches!(what, End::Snooze { .. } | End::GiveBack) {
            events.push(("stage.completed", journal::stage_completed(step, what, end.row.now)));
        }
        match what {
            End::Retry { failure, .. } => {
                events.push(("run.waiting", journal::waiting("backoff", end.row.available_at, &failure.message)));
            }
            End::Snooze { reason, detail, .. } => {
                events.push(("run.waiting", journal::waiting(reason.as_str(), end.row.available_at, detail)));
            }
            End::Cancel { reply: Some(reply), .. } => {
                events.push(("output.delta", delta(None, reply, step.attempt())));
            }
            _ => {}
        }
        if matches!(what, End::GiveBack) {
            work.wakes.lane(step.lane);
        }
    }
    work.lifecycle(run, events);
}
