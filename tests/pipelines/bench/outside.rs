//! The outside world of a bench: what the simulator is told, and what it was asked.

use hellosales_core::RunId;
use serde_json::Value;

use super::Bench;

impl Bench<'_> {
    /// Tells the simulator how to behave.
    pub(in crate::pipelines) async fn control(&self, rule: Value) {
        let answer =
            self.http.post(format!("{}/_control", self.simulator)).json(&rule).send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
    }

    /// What the simulator was asked.
    pub(in crate::pipelines) async fn asked(&self) -> Vec<Value> {
        let log: Value = self
            .http
            .get(format!("{}/_log", self.simulator))
            .send()
            .await
            .expect("an answer")
            .json()
            .await
            .expect("a log");
        let entries = log.as_array().or_else(|| log.get("data").and_then(Value::as_array));
        entries.cloned().unwrap_or_else(|| panic!("no list: {log}"))
    }

    /// What a run's model was told: the messages in the ledger.
    pub(in crate::pipelines) async fn told(&self, run: RunId) -> Vec<(String, String)> {
        let sql = format!(
            "SELECT prompt_messages FROM provider_calls WHERE pipeline_run_id = '{run}' ORDER BY id DESC LIMIT 1"
        );
        let messages: Value = self.value(&sql).await;
        let text = |message: &Value, key: &str| message[key].as_str().unwrap_or_default().to_owned();
        let messages = messages.as_array().cloned().unwrap_or_default();
        messages.iter().map(|message| (text(message, "role"), text(message, "content"))).collect()
    }
}
