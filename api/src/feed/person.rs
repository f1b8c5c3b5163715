//! What the loop knows of one person's runs and batches.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use hellosales_core::pulse::feed::{BatchStanding, RunStanding};
use hellosales_core::pulse::runs::RunRow;
use hellosales_core::{BatchId, OrgId, RunId, UserId};
use tokio::sync::watch;

use super::page::{Page, RECENT, RunState};
use crate::watch::{self as batches, Watch};

/// A look reads so many of the newest runs: more come between two looks of nobody.
const NEWEST: i64 = 50;
/// The first look, and one that finds nothing but new runs, reads so many.
const DEEP: i64 = 1_000;
/// So many runs are remembered, the newest.
const REMEMBERED: usize = 2_000;
/// So many live runs, the newest, are read whole with each look: whether they wait is in their steps.
const LIVE_WHOLE: usize = 50;
/// So many batches of a person are followed, the newest.
const BATCHES: usize = 50;

/// One person's runs and batches.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) id: UserId,
    /// Live, failed (it may be redriven), or ended lately.
    runs: HashMap<RunId, Known>,
    batches: HashMap<BatchId, Followed>,
    page: Option<Page>,
    is_new: bool,
    is_deep: bool,
}

#[derive(Debug)]
struct Known {
    standing: RunStanding,
    /// As it was last read whole.
    read: Option<RunState>,
}

#[derive(Debug)]
struct Followed {
    standing: BatchStanding,
    /// Until its end is heard.
    seen: Option<watch::Receiver<batches::Seen>>,
}

impl Person {
    pub(super) fn new(id: UserId) -> Self {
        Self { id, runs: HashMap::new(), batches: HashMap::new(), page: None, is_new: true, is_deep: true }
    }

    /// How many of the newest runs the next look reads.
    pub(super) const fn depth(&self) -> i64 {
        if self.is_deep { DEEP } else { NEWEST }
    }

    /// The runs that the next look reads, however old they are.
    pub(super) fn known(&self) -> impl Iterator<Item = RunId> + '_ {
        self.runs.iter().filter(|(_, known)| may_change(&known.standing)).map(|(id, _)| *id)
    }

    /// Takes in what a look found.
    pub(super) fn stand(&mut self, at: DateTime<Utc>, runs: Vec<RunStanding>, batches: Vec<BatchStanding>) {
        self.is_deep = !self.is_deep
            && i64::try_from(runs.len()).is_ok_and(|found| found >= NEWEST)
            && runs.iter().all(|run| !self.runs.contains_key(&run.id));
        let is_first = self.page.is_none();
        let page = self.page.get_or_insert_with(|| Page { at, runs: Default::default(), batches: Default::default() });
        page.at = at;
        for standing in runs {
            let is_recent = standing.completed_at.is_none_or(|ended| ended > at - RECENT);
            match self.runs.get_mut(&standing.id) {
                Some(known) => known.standing = standing,
                None if is_recent || standing.status == "failed" => {
                    self.runs.insert(standing.id, Known { standing, read: None });
                }
                None => {}
            }
        }
        let is_old = |ended: Option<DateTime<Utc>>| ended.is_some_and(|ended| ended <= at - RECENT);
        self.runs.retain(|_, known| may_change(&known.standing) || !is_old(known.standing.completed_at));
        forget(&mut self.runs, REMEMBERED);
        let before = page.runs.len() + page.batches.len();
        page.runs.retain(|id, run| self.runs.contains_key(id) && !is_old(run.completed_at));
        page.batches.retain(|_, batch| !is_old(batch.completed_at));
        self.is_new |= is_first || before != page.runs.len() + page.batches.len();
        self.follow(batches);
    }

    fn follow(&mut self, standings: Vec<BatchStanding>) {
        let (mut standings, batches) = (standings, &mut self.batches);
        standings.sort_by_key(|standing| std::cmp::Reverse(standing.id));
        standings.truncate(BATCHES);
        batches.retain(|id, followed| followed.seen.is_some() || standings.iter().any(|standing| standing.id == *id));
        for standing in standings {
            let is_same = batches.get(&standing.id).is_some_and(|followed| followed.standing == standing);
            if !is_same {
                let seen = batches.remove(&standing.id).and_then(|followed| followed.seen);
                batches.insert(standing.id, Followed { standing, seen });
            }
        }
    }

    /// The runs to be read whole: what stands elsewhere than it was read, then what is live.
    pub(super) fn to_read(&self, most: usize) -> Vec<RunId> {
        let has_moved = |known: &Known| {
            let (status, generation) = (&known.standing.status, known.standing.generation);
            // What failed long ago is known, but not shown.
            let is_shown = known.standing.completed_at.is_none() || known.read.is_some() || self.is_recent(known);
            is_shown && !known.read.as_ref().is_some_and(|read| read.stands(status, generation))
        };
        let (moved, rest): (Vec<_>, Vec<_>) = self.runs.iter().partition(|(_, known)| has_moved(known));
        let mut moved: Vec<RunId> = moved.into_iter().map(|(id, _)| *id).collect();
        moved.sort();
        let live = rest.into_iter().filter(|(_, known)| known.standing.completed_at.is_none());
        let mut live: Vec<RunId> = live.map(|(id, _)| *id).collect();
        live.sort_by_key(|id| std::cmp::Reverse(*id));
        live.truncate(LIVE_WHOLE);
        moved.into_iter().chain(live).take(most).collect()
    }

    fn is_recent(&self, known: &Known) -> bool {
        let at = self.page.as_ref().map(|page| page.at);
        known.standing.completed_at.zip(at).is_some_and(|(ended, at)| ended > at - RECENT)
    }

    /// Takes in runs that were read whole.
    pub(super) fn have_read(&mut self, rows: Vec<RunRow>) {
        let Some(page) = &mut self.page else { return };
        for row in rows {
            let (Some(known), state) = (self.runs.get_mut(&row.id), RunState::of(&row)) else { continue };
            if known.read.as_ref() != Some(&state) || !page.runs.contains_key(&row.id) {
                known.read = Some(state);
                page.runs.insert(row.id, Arc::new(row));
                self.is_new = true;
            }
        }
    }

    /// Takes in what has been seen of the batches meanwhile, each by the loop that looks at batches.
    pub(super) fn hear_of_batches(&mut self, org: OrgId, watch: &Watch) {
        let Some(page) = &mut self.page else { return };
        for (id, followed) in &mut self.batches {
            let shown = page.batches.get(id);
            let has_ended = followed.standing.completed_at.is_some();
            let stands = |batch: &Arc<_>| stands(batch, &followed.standing);
            if followed.seen.is_none() && !(has_ended && shown.is_some_and(stands)) {
                followed.seen = Some(watch.subscribe(org, *id, false).batch);
            }
            let Some(seen) = followed.seen.as_mut().and_then(|seen| seen.borrow_and_update().clone()) else { continue };
            // Or its end was seen so long ago that it is no longer listed.
            let is_old = seen.completed_at.is_some_and(|ended| ended <= page.at - RECENT);
            if has_ended && stands(&seen) || is_old {
                followed.seen = None;
            }
            if !shown.is_some_and(|shown| batches::is_same(shown, &seen)) {
                page.batches.insert(*id, seen);
                self.is_new = true;
            }
        }
    }

    /// The page, if it isn't as it was.
    pub(super) fn page(&mut self) -> Option<Page> {
        std::mem::take(&mut self.is_new).then(|| self.page.clone()).flatten()
    }
}

/// A run that is live, or was failed and may be redriven.
fn may_change(standing: &RunStanding) -> bool {
    standing.completed_at.is_none() || standing.status == "failed"
}

fn stands(batch: &hellosales_core::batch::Batch, standing: &BatchStanding) -> bool {
    (batch.status.as_str(), batch.round) == (standing.status.as_str(), standing.round)
}

/// The oldest are forgotten: a page shows a bounded number.
fn forget(runs: &mut HashMap<RunId, Known>, most: usize) {
    if runs.len() > most {
        let mut ids: Vec<RunId> = runs.keys().copied().collect();
        ids.sort();
        for id in ids.iter().take(runs.len() - most) {
            runs.remove(id);
        }
    }
}
