//! Which results go into which transaction.

use std::collections::BTreeMap;

use super::settle_rejected;
use crate::error::{DatabaseError, ErrorCode};
use crate::id::{OrgId, RunId, SessionId};
use crate::queue::{End, Settlement};

/// After its run's row was locked this often, a result goes alone and waits for the lock.
const SKIPS_BEFORE_WAITING: u8 = 2;

/// One result, with its place in the group.
pub(super) struct Item {
    pub(super) index: usize,
    pub(super) settlement: Settlement,
}

/// All results of one run in a group: they are settled together.
pub(super) struct Bundle {
    pub(super) run: RunId,
    pub(super) items: Vec<Item>,
}

/// The kind of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// No effects, no end of a run: any organisations.
    Plain,
    /// One run, waiting for its row.
    PlainAlone { run: RunId },
    /// Effects or ends, of one organisation, without sessions.
    Closing { org: OrgId },
    /// Likewise, one run, waiting for its row.
    ClosingAlone { org: OrgId, run: RunId },
    /// Effects or ends of one session's run: under the session's lock.
    Session { org: OrgId, session: SessionId, run: RunId },
}

impl Class {
    pub(super) const fn org(&self) -> Option<OrgId> {
        match *self {
            Self::Plain | Self::PlainAlone { .. } => None,
            Self::Closing { org } | Self::ClosingAlone { org, .. } | Self::Session { org, .. } => Some(org),
        }
    }

    /// Only a transaction of a single run may wait for a row.
    pub(super) const fn waits(&self) -> bool {
        matches!(self, Self::PlainAlone { .. } | Self::ClosingAlone { .. } | Self::Session { .. })
    }
}

impl Bundle {
    fn class(&self) -> Class {
        let patient = self.items.iter().any(|item| item.settlement.skipped >= SKIPS_BEFORE_WAITING);
        let run = self.run;
        let Some(first) = self.items.first() else { return Class::Plain };
        let context = first.settlement.step.run();
        if !self.items.iter().any(|item| item.settlement.is_closing()) {
            return if patient { Class::PlainAlone { run } } else { Class::Plain };
        }
        match context.session_id {
            Some(session) => Class::Session { org: context.org_id, session, run },
            None if patient => Class::ClosingAlone { org: context.org_id, run },
            None => Class::Closing { org: context.org_id },
        }
    }
}

/// One transaction's results.
pub(super) type Part = (Class, Vec<Bundle>);

/// Sorts a group into transactions.
pub(super) fn partition(group: Vec<Settlement>) -> Vec<Part> {
    let mut by_run: BTreeMap<RunId, Vec<Item>> = BTreeMap::new();
    for (index, settlement) in group.into_iter().enumerate() {
        by_run.entry(settlement.step.run().id).or_default().push(Item { index, settlement });
    }
    let mut by_class: BTreeMap<Class, Vec<Bundle>> = BTreeMap::new();
    for (run, mut items) in by_run {
        items.sort_by_key(|item| precedence(&item.settlement.end));
        let bundle = Bundle { run, items };
        by_class.entry(bundle.class()).or_default().push(bundle);
    }
    by_class.into_iter().collect()
}

/// Several ends of one run: ok and skip first, then retry, then fail, then a cancel.
const fn precedence(end: &End) -> u8 {
    match end {
        End::Ok(_) | End::Skip { .. } => 0,
        End::GiveBack | End::Snooze { .. } | End::Retry { .. } => 1,
        End::Fail(_) => 2,
        End::Cancel { .. } => 3,
    }
}

pub(super) fn items(bundles: Vec<Bundle>) -> impl Iterator<Item = Item> {
    bundles.into_iter().flat_map(|bundle| bundle.items)
}

/// A refused group, one by one. A single one becomes the failure of its step; one that already is that failure
/// is given back as it is.
pub(super) fn singly(bundles: Vec<Bundle>, error: &DatabaseError) -> Vec<Result<Part, Box<Item>>> {
    let alone = bundles.iter().map(|bundle| bundle.items.len()).sum::<usize>() == 1;
    items(bundles)
        .map(|mut item| {
            if alone {
                if matches!(&item.settlement.end, End::Fail(failure) if failure.code == ErrorCode::SettleRejected) {
                    return Err(Box::new(item));
                }
                // It may be what was carried that was refused: that runs as a step of its own then.
                if item.settlement.carried.is_empty() {
                    item.settlement.end = End::Fail(settle_rejected(error));
                    item.settlement.effects = None;
                }
                item.settlement.carried.clear();
            }
            let bundle = Bundle { run: item.settlement.step.run().id, items: vec![item] };
            Ok((bundle.class(), vec![bundle]))
        })
        .collect()
}
