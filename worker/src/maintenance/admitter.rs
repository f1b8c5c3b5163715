//! One worker at a time: a batch's items become runs as there is room, what is live of a cancelled one is cancelled, and a
//! round that is over is ended.

use std::collections::HashSet;

use hellosales_core::notify::Wake;
use hellosales_core::queue::batch::{self, Changed, Looked};
use hellosales_core::queue::lease;
use hellosales_core::{BatchId, DatabaseError, OrgId};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Duration, Instant, sleep, timeout};

use super::{Maintenance, PATIENCE};

/// The duty is held this long, and renewed with each round.
const HOLD_MS: i64 = 2_000;
/// A round ends after so long, so that the duty is renewed.
const ROUND: Duration = Duration::from_millis(500);
/// Between two rounds while a batch runs, and while none does.
const BUSY: Duration = Duration::from_millis(100);
const IDLE: Duration = Duration::from_secs(1);

impl Maintenance {
    /// Admits, as long as nobody else does.
    pub(crate) async fn admit(self, mut wakes: Receiver<Wake>) {
        loop {
            // Who drains makes no new runs either: they would be of the versions that its program knows.
            let admits = !self.draining.is_cancelled() && self.is_admitter().await;
            let rest = if admits { self.admit_round().await } else { IDLE };
            tokio::select! {
                () = sleep(rest) => {}
                () = a_batch(&mut wakes) => {}
            }
        }
    }

    async fn is_admitter(&self) -> bool {
        let held = lease::hold_duty(self.database.fast(), "admitter", self.worker, HOLD_MS);
        matches!(timeout(PATIENCE, held).await, Ok(Ok(true)))
    }

    /// Looks at batch after batch until none of them moves. Returns how long to rest.
    async fn admit_round(&self) -> Duration {
        let began = Instant::now();
        let mut still: HashSet<BatchId> = HashSet::new();
        while began.elapsed() < ROUND {
            match self.admit_once().await {
                Ok(Some((_, true))) => {}
                Ok(Some((batch, false))) if still.insert(batch) => {}
                Ok(Some(_)) => return BUSY,
                Ok(None) => return if still.is_empty() { IDLE } else { BUSY },
                Err(error) => {
                    tracing::warn!(worker_id = %self.worker, %error, "a batch could not be looked at");
                    return BUSY;
                }
            }
        }
        Duration::ZERO
    }

    /// The batch that was looked at, and whether it should be again at once.
    async fn admit_once(&self) -> Result<Option<(BatchId, bool)>, Trouble> {
        let (looked, wakes) = in_time(batch::admit(&self.database, self.environment.config.stage_timeout_ms)).await?;
        self.notifier.send(wakes);
        match looked {
            Looked::Idle => Ok(None),
            Looked::At { batch, more, .. } => Ok(Some((batch, more))),
            Looked::Ending { batch, org, round } => self.end_round(batch, org, round).await.map(Some),
        }
    }

    /// The emails are held against each other first, as long as nobody can say yes to them or send them. That takes as many
    /// steps as there are pages of them: each has its time, not all together.
    async fn end_round(&self, batch: BatchId, org: OrgId, round: i32) -> Result<(BatchId, bool), Trouble> {
        let twins = self.warn_twins(batch, org).await?;
        if twins > 0 {
            tracing::info!(batch_id = %batch, org_id = %org, round, twins, "near twins are warned of");
        }
        let (changed, wakes) = in_time(batch::end(&self.database, org, batch, round)).await?;
        self.notifier.send(wakes);
        if changed == Changed::Now {
            tracing::info!(batch_id = %batch, org_id = %org, round, "a batch's round is over");
        }
        Ok((batch, false))
    }
}

/// Why a batch was not looked at to the end. It is looked at again.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// The database refused.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// It said nothing.
    #[error("the database gave no answer in time")]
    NoAnswer,
}

/// One step of a look, in its time.
pub(super) async fn in_time<T>(step: impl Future<Output = Result<T, DatabaseError>>) -> Result<T, Trouble> {
    Ok(timeout(PATIENCE, step).await.map_err(|_| Trouble::NoAnswer)??)
}

/// Waits until a batch is new or stands elsewhere, or something may have been missed.
async fn a_batch(wakes: &mut Receiver<Wake>) {
    loop {
        match wakes.recv().await {
            Ok(Wake::Batch | Wake::Reconnected) | Err(RecvError::Lagged(_)) => return,
            Ok(_) => {}
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}
