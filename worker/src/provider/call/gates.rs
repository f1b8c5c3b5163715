//! The gates of all models that a worker may call, and what is read and written for them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hellosales_core::breaker::{self, Health, Key, Policy};
use hellosales_core::limit::{self, Ask, Short};
use hellosales_core::provider_call::Shut as Seen;
use hellosales_core::{Database, DatabaseError, LeaseToken};
use tokio::time::timeout;

use super::gate::{Asker, Drawn, Gate, Permit, Shut, Stands};
use crate::provider::chain::{Chains, MOST_AT_ONCE, Target};

/// What was read longer ago is read again before a call.
const STALE: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Gates {
    gates: HashMap<(String, String), Arc<Gate>>,
    limits: Vec<limit::Limit>,
    policy: Policy,
    looked: Mutex<Option<Instant>>,
    /// One look at a time; whether the file's words stand in the rows.
    looking: tokio::sync::Mutex<bool>,
}

/// What a call that was let in holds.
#[derive(Debug)]
pub(super) struct Pass {
    pub(super) permit: Permit,
    /// It is a probe, under this fence.
    pub(super) probe: Option<LeaseToken>,
    /// What was drawn for it.
    pub(super) tokens: u32,
}

impl Gates {
    pub(super) fn new(chains: &Chains, policy: Policy) -> Self {
        let at_once = |target: &Target| {
            let bounds = chains.bounds().iter();
            let mut of = bounds.filter(|b| b.limit.provider == target.provider && b.limit.model == target.model);
            of.next().map_or(MOST_AT_ONCE, |bounds| bounds.at_once)
        };
        let gate = |target: &Target| {
            let key = Key::llm(&target.provider, &target.model);
            ((target.provider.clone(), target.model.clone()), Arc::new(Gate::new(key, at_once(target))))
        };
        Self {
            gates: chains.targets().map(gate).collect(),
            limits: chains.bounds().iter().map(|bounds| bounds.limit.clone()).collect(),
            policy,
            looked: Mutex::default(),
            looking: tokio::sync::Mutex::default(),
        }
    }

    pub(super) fn of(&self, target: &Target) -> Option<&Arc<Gate>> {
        self.gates.get(&(target.provider.clone(), target.model.clone()))
    }

    fn is_stale(&self) -> bool {
        let looked = *self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        looked.is_none_or(|looked| looked.elapsed() > STALE)
    }

    /// Reads how everything stands, and writes what was gathered for the rows.
    pub(super) async fn look(&self, db: &Database) -> Result<(), DatabaseError> {
        let mut declared = self.looking.lock().await;
        if !*declared {
            let keys: Vec<Key> = self.gates.values().map(|gate| gate.key.clone()).collect();
            breaker::declare(db, &keys).await?;
            limit::declare(db, &self.limits).await?;
            *declared = true;
        }
        let breakers = breaker::look(db).await?;
        let limits = limit::look(db).await?;
        for gate in self.gates.values() {
            let of = |provider: &str, model: &str| gate.key.provider == provider && gate.key.model == model;
            let breaker = breakers.iter().find(|seen| of(&seen.provider, &seen.model));
            gate.learn_workers(breaker.map_or(1, |seen| seen.workers));
            gate.learn_breaker(breaker.and_then(|seen| seen.open));
            let known = limits.iter().find(|known| of(&known.limit.provider, &known.limit.model));
            gate.learn_limit(known.map(|known| known.limit.clone()));
            gate.learn_pause(known.and_then(|known| known.paused));
        }
        *self.looked.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        if breakers.iter().any(|seen| seen.open.is_some()) {
            breaker::take_effect(db).await?;
        }
        for gate in self.gates.values() {
            let (unused, told) = gate.to_tell();
            if unused > 0 {
                limit::give_back(db, &gate.key.provider, &gate.key.model, unused).await?;
            }
            if let Some((requests, tokens)) = told {
                limit::told(db, &gate.key.provider, &gate.key.model, requests, tokens).await?;
            }
        }
        Ok(())
    }

    /// Lets a call in, or says when to come back.
    pub(super) async fn admit(
        &self,
        db: &Database,
        gate: &Arc<Gate>,
        asker: Asker,
    ) -> Result<Result<Pass, Shut>, DatabaseError> {
        if self.is_stale() {
            timeout(PATIENCE, self.look(db)).await.unwrap_or(Err(DatabaseError::Interrupted))?;
        }
        let probes = match gate.stands(asker) {
            Stands::Shut(shut) => return Ok(Err(shut)),
            Stands::Open => false,
            Stands::Probe => true,
        };
        let permit = if probes {
            gate.force()
        } else {
            match gate.enter(asker.in_person) {
                Ok(permit) => permit,
                Err(shut) => return Ok(Err(shut)),
            }
        };
        if let Some(shut) = self.draw(db, gate, asker).await? {
            return Ok(Err(shut));
        }
        let probe = if probes {
            let fence = LeaseToken::random();
            if !breaker::take_probe(db, &gate.key, fence, &self.policy).await? {
                gate.learn_probe(self.policy.probe);
                // Perhaps it is closed, and nobody probes: what is read next says so.
                self.look(db).await?;
                return Ok(Err(self.again(gate, asker)));
            }
            gate.learn_probe(self.policy.probe);
            tracing::info!(provider = %gate.key.provider, model = %gate.key.model, "a call probes whether the provider answers again");
            Some(fence)
        } else {
            None
        };
        Ok(Ok(Pass { permit, probe, tokens: asker.tokens }))
    }

    /// When to come back if nothing is known to stand against a call any more.
    pub(super) fn again(&self, gate: &Gate, asker: Asker) -> Shut {
        match gate.stands(asker) {
            Stands::Shut(shut) => shut,
            Stands::Open | Stands::Probe => Shut {
                wait: Duration::from_millis(rand::random_range(200..1_000)),
                reason: hellosales_core::queue::SnoozeReason::ProviderDown,
                detail: format!("{}: coming back", gate.key.provider),
            },
        }
    }

    async fn draw(&self, db: &Database, gate: &Gate, asker: Asker) -> Result<Option<Shut>, DatabaseError> {
        if matches!(gate.take(asker), Drawn::Here) {
            return Ok(None);
        }
        let ask = Ask { requests: 1, tokens: asker.tokens, yields: !asker.in_person };
        let Key { provider, model, .. } = &gate.key;
        Ok(match limit::draw(db, provider, model, ask).await? {
            limit::Drawn::Unlimited => None,
            limit::Drawn::Block { requests, tokens } => {
                gate.put(asker, requests, tokens);
                None
            }
            limit::Drawn::Wait { wait, short } => {
                if short == Short::Paused {
                    gate.learn_pause(Some(wait));
                }
                Some(gate.over(asker, wait, short))
            }
        })
    }

    /// The ledger would not open a call: what stands against it, and when to come back.
    pub(super) fn seen(&self, gate: &Gate, seen: Seen, asker: Asker) -> Shut {
        match seen {
            Seen::Broken(open) => gate.learn_breaker(Some(open)),
            Seen::Paused(left) => gate.learn_pause(Some(left)),
        }
        self.again(gate, asker)
    }

    /// The provider said 429: nobody calls it for so long, whoever's worker it is.
    pub(super) async fn limited(&self, db: &Database, gate: &Gate, wait: Duration) {
        gate.limited(wait);
        tracing::info!(provider = %gate.key.provider, model = %gate.key.model, wait_ms = wait.as_millis(), "the provider is paused: rate limited");
        let paused = limit::pause(db, &gate.key.provider, &gate.key.model, wait);
        if let Err(error) = timeout(PATIENCE, paused).await.unwrap_or(Err(DatabaseError::Interrupted)) {
            tracing::warn!(provider = %gate.key.provider, %error, "other workers don't know that a provider is paused");
        }
    }

    /// A call that was closed says this of its provider. It is in the ledger already: what can't be judged now is judged with
    /// the next fault, and a probe's lease runs out.
    pub(super) async fn closed(&self, db: &Database, gate: &Gate, probe: Option<LeaseToken>, health: Health) {
        let done = async {
            match (probe, health) {
                (Some(fence), health) => self.probed(db, gate, fence, health).await,
                (None, Health::Fault) => self.judge(db, gate).await,
                (None, Health::Well | Health::Unseen) => Ok(()),
            }
        };
        if let Err(error) = timeout(PATIENCE, done).await.unwrap_or(Err(DatabaseError::Interrupted)) {
            tracing::warn!(provider = %gate.key.provider, %error, "a breaker could not be told of a call's end");
        }
    }

    async fn probed(&self, db: &Database, gate: &Gate, fence: LeaseToken, health: Health) -> Result<(), DatabaseError> {
        if breaker::probed(db, &gate.key, fence, health, &self.policy).await? {
            tracing::info!(provider = %gate.key.provider, model = %gate.key.model, ?health, "a probe has told");
            self.look(db).await?;
        }
        Ok(())
    }

    async fn judge(&self, db: &Database, gate: &Gate) -> Result<(), DatabaseError> {
        let _one = gate.judging.lock().await;
        if gate.is_broken() {
            return Ok(());
        }
        if breaker::judge(db, &gate.key, &self.policy).await? {
            tracing::warn!(provider = %gate.key.provider, model = %gate.key.model, "the provider's breaker is open");
            self.look(db).await?;
        }
        Ok(())
    }
}
