//! A job: a step with its slot, from its claim to its settlement, and on to what that settlement hands over.

use std::sync::Arc;
use std::time::Duration;

use hellosales_core::queue::claim::adopt;
use hellosales_core::queue::{ClaimedStep, End, Settlement, Shapes};
use hellosales_core::{Database, LeaseToken, metrics};
use tokio::time::{sleep, timeout};

use crate::execute::{Ring, execute, go_on};
use crate::leases::{Holding, Holdings};
use crate::settler::{Answer, Companions, Settler};
use crate::slots::Slot;

/// An adoption that takes longer is tried again.
const PATIENCE: Duration = Duration::from_secs(12);
/// Before it is.
const RETRY: Duration = Duration::from_millis(200);

/// A step with its slot.
#[derive(Debug)]
pub struct Job {
    /// The step.
    pub step: ClaimedStep,
    /// Where it runs; companions that call nothing outside the database share one.
    pub slot: Arc<Slot>,
    /// That this worker knows it.
    pub holding: Holding,
    /// The other steps of its run that the same claim brought, if there are any.
    pub companions: Option<Companions>,
}

/// Runs jobs.
#[derive(Debug)]
pub(crate) struct Runner {
    pub(crate) database: Database,
    pub(crate) shapes: Shapes,
    pub(crate) ring: Ring,
    pub(crate) holdings: Holdings,
    pub(crate) settler: Settler,
}

impl Runner {
    /// Executes and settles, as long as the settlement hands over: all under one slot.
    pub(crate) async fn run(&self, job: Job) {
        let Job { mut step, slot, mut holding, mut companions } = job;
        loop {
            let Some(settlement) = execute(&self.ring, step, holding.lost()).await else { break };
            let Some(settlement) = go_on(&self.ring, settlement, holding.lost()).await else { break };
            let Some(next) = self.settle(settlement, &holding, companions.take()).await else { break };
            // Known before the old one is forgotten: no look finds a step that nobody knows.
            holding = self.holdings.hold(&next);
            metrics::HANDED_OVER.add(1);
            step = next;
        }
        drop(slot);
    }

    /// Gives a step back that was never begun.
    pub(crate) async fn give_back(&self, job: Job) {
        let Job { step, slot, holding, companions: _ } = job;
        let _nothing_next = self.settle(Settlement::new(step, End::GiveBack), &holding, None).await;
        drop(slot);
    }

    async fn settle(
        &self,
        settlement: Settlement,
        holding: &Holding,
        companions: Option<Companions>,
    ) -> Option<ClaimedStep> {
        holding.settling();
        let answer = match companions {
            Some(companions) => self.settler.settle_with(&companions, settlement).await,
            None => self.settler.settle(settlement).await,
        };
        match answer? {
            Answer::Landed(next) => next.map(|step| *step),
            Answer::LandedBefore(token) => self.adopt(token).await,
            Answer::Fenced => None,
        }
    }

    /// Finds what a settlement handed over whose answer was lost; asks until there is an answer.
    async fn adopt(&self, token: LeaseToken) -> Option<ClaimedStep> {
        loop {
            match timeout(PATIENCE, adopt(&self.database, self.ring.worker, token, &self.shapes)).await {
                Ok(Ok(claimed)) => return claimed.steps.into_iter().next(),
                Ok(Err(error)) => {
                    tracing::warn!(worker_id = %self.ring.worker, %error, "a hand-over could not be looked for")
                }
                Err(_) => tracing::warn!(worker_id = %self.ring.worker, "a hand-over was looked for without an answer"),
            }
            sleep(RETRY).await;
        }
    }
}
