//! The queue against core's own functions: no worker, so that each test decides what happens when.

pub(crate) mod bench;
mod budget;
mod cancel;
mod carry;
mod companions;
mod concurrent;
pub(crate) mod ends;
mod fail;
mod fairness;
mod fan_in;
mod fence;
mod letters;
mod lost_answers;
mod operations;
mod org_budget;
mod pause;
mod plans;
mod prune;
mod reap;
mod retention;
mod rows;
mod turns;
mod wakes;
mod worker;
