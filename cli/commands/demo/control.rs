//! What the simulator is told to do: the play's model holds its breath on request.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tokio::time::sleep;

/// It does what it is told within this time.
const PATIENCE: Duration = Duration::from_secs(60);

/// The simulator's control.
#[derive(Debug, Clone)]
pub(super) struct Control {
    http: reqwest::Client,
    url: String,
}

impl Control {
    pub(super) fn new(simulator_url: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
        Ok(Self { http, url: format!("{simulator_url}/_control") })
    }

    /// Answers as this says.
    pub(super) async fn set(&self, rule: &Value) -> anyhow::Result<()> {
        let request = self.http.post(&self.url).json(rule);
        request.send().await?.error_for_status().context("the simulator takes no instruction")?;
        Ok(())
    }

    /// The next answers stop in mid-sentence, or all do.
    pub(super) async fn hold(&self, after_tokens: u32, answers: Option<u32>) -> anyhow::Result<()> {
        self.set(&json!({"hold_after_tokens": after_tokens, "requests": answers})).await
    }

    /// Answers as it always does, and lets go what it held.
    pub(super) async fn release(&self) -> anyhow::Result<()> {
        let request = self.http.delete(&self.url);
        request.send().await?.error_for_status().context("the simulator does not go back to normal")?;
        Ok(())
    }

    /// Waits until so many answers are held.
    pub(super) async fn await_held(&self, answers: u64) -> anyhow::Result<()> {
        let url = format!("{}?held={answers}&wait_ms=30000", self.url);
        let held: Value = self.http.get(url).send().await?.error_for_status()?.json().await?;
        ensure!(
            held.get("held").and_then(Value::as_u64) >= Some(answers),
            "the model never came to the middle of its sentence"
        );
        sleep(Duration::from_millis(50)).await;
        Ok(())
    }
}
