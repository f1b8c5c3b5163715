//! One worker at a time: what operators do to many things at once is carried out, item by item, at its rate. And what the
//! janitor redrives by itself.

use hellosales_core::operation::OperationStatus;
use hellosales_core::operation::execute::{self, Advanced, Means};
use hellosales_core::queue::{lease, redrive};
use hellosales_core::{DatabaseError, OperationId};
use tokio::time::{Duration, Instant, sleep, timeout};

use super::admitter::in_time;
use super::{Maintenance, PATIENCE};

/// The duty is held this long, and renewed with each round.
const HOLD_MS: i64 = 2_000;
/// A round ends after so long, so that the duty is renewed.
const ROUND: Duration = Duration::from_millis(500);
/// Between two looks, at most and at least.
const IDLE: Duration = Duration::from_millis(500);
const BUSY: Duration = Duration::from_millis(10);

impl Maintenance {
    /// Carries out, as long as nobody else does.
    pub(crate) async fn operate(self) {
        loop {
            let rest = if self.is_operating().await { self.operate_round().await } else { IDLE };
            sleep(rest).await;
        }
    }

    async fn is_operating(&self) -> bool {
        let held = lease::hold_duty(self.database.fast(), "operations", self.worker, HOLD_MS);
        matches!(timeout(PATIENCE, held).await, Ok(Ok(true)))
    }

    /// Item after item, as long as one is due. Returns how long to rest.
    async fn operate_round(&self) -> Duration {
        let began = Instant::now();
        let pipelines = &self.pipelines[..];
        let means = Means { stage_timeout_ms: self.environment.config.stage_timeout_ms, pipelines };
        while began.elapsed() < ROUND {
            match in_time(execute::advance(&self.database, &means)).await {
                Ok((advanced, wakes)) => {
                    self.notifier.send(wakes);
                    match advanced {
                        Advanced::Idle(rest) => return rest.map_or(IDLE, |rest| rest.clamp(BUSY, IDLE)),
                        Advanced::Moved(_) => {}
                        Advanced::Ended(operation, status) => self.say_ended(operation, status),
                    }
                }
                Err(error) => {
                    tracing::warn!(worker_id = %self.worker, %error, "an operation could not be carried on");
                    return IDLE;
                }
            }
        }
        Duration::ZERO
    }

    fn say_ended(&self, operation: OperationId, status: OperationStatus) {
        match status {
            OperationStatus::Failed => {
                tracing::warn!(worker_id = %self.worker, operation_id = %operation, "an operation stopped after its canary");
            }
            _ => tracing::info!(worker_id = %self.worker, operation_id = %operation, %status, "an operation has ended"),
        }
    }

    /// Starts what is redriven by itself, of which the time has come.
    pub(super) async fn redrive_due(&self) -> Result<(), DatabaseError> {
        let (redriven, wakes) = redrive::due(&self.database, self.environment.config.stage_timeout_ms).await?;
        self.notifier.send(wakes);
        if redriven > 0 {
            tracing::info!(worker_id = %self.worker, runs = redriven, "failed runs were redriven by themselves");
        }
        Ok(())
    }
}
