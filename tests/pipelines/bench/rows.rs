//! The rows of a bench's runs and steps: read, and moved where time or another worker would move them.

use hellosales_core::RunId;

use super::Bench;

impl Bench<'_> {
    /// Takes a running step away from its worker, as a reap does.
    pub(in crate::pipelines) async fn take_away(&self, run: RunId, stage: usize) {
        self.sql(&format!(
            "UPDATE pipeline_steps SET status = 'ready', crashes = crashes + 1, worker_id = NULL, claimed_at = NULL, must_end_by = NULL,
               lease_token = NULL WHERE run_id = '{run}' AND stage = {stage} AND status = 'running'"
        ))
        .await;
    }

    /// Makes what waits for its time ready now.
    pub(in crate::pipelines) async fn hurry(&self, run: RunId) {
        self.sql(&format!(
            "UPDATE pipeline_steps SET status = 'ready', available_at = NULL, delay_reason = NULL
             WHERE run_id = '{run}' AND status = 'delayed'"
        ))
        .await;
    }

    /// A step: status, failures, snoozes, why it waits; empty if it is gone.
    pub(in crate::pipelines) async fn step_of(&self, run: RunId, stage: usize) -> String {
        let sql = format!(
            "SELECT concat_ws(' ', status, failures, snoozes, delay_reason) FROM pipeline_steps
             WHERE run_id = '{run}' AND stage = {stage}"
        );
        self.column(&sql).await.pop().unwrap_or_default()
    }

    /// A run: status, and why.
    pub(in crate::pipelines) async fn status_of(&self, run: RunId) -> String {
        self.value(&format!("SELECT concat_ws(' ', status, status_reason) FROM pipeline_runs WHERE id = '{run}'")).await
    }
}
