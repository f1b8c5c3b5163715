//! The outside world of a bench: what the simulator is told, and what it was asked.

use std::sync::Arc;
use std::time::Duration;

use hellosales_core::RunId;
use hellosales_core::breaker::Policy;
use hellosales_worker::environment::Environment;
use hellosales_worker::provider::Llm;
use hellosales_worker::provider::call::LlmDoor;
use hellosales_worker::provider::chain::Chains;
use hellosales_worker::provider::http::Timeouts;
use hellosales_worker::provider::openai::{JsonMode, OpenAi, OpenAiConfig};
use hellosales_worker::provider::price::Prices;
use hellosales_worker::provider::set::Providers;
use serde_json::Value;

use super::Bench;

impl Bench<'_> {
    /// Tells the simulator how to behave.
    pub(in crate::pipelines) async fn control(&self, rule: Value) {
        let answer =
            self.http.post(format!("{}/_control", self.simulator)).json(&rule).send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
    }

    /// The simulator is itself again; what it held goes on.
    pub(in crate::pipelines) async fn back_to_normal(&self) {
        let answer = self.http.delete(format!("{}/_control", self.simulator)).send().await.expect("an answer");
        assert!(answer.status().is_success());
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

/// A door's two providers, both of them the simulator: `simulator` with the model `m1` is asked first, `local` with `m2` then.
const CHAINS: &str = "
[[chain]]
quality_mode = 'fast'
targets = [{ provider = 'simulator', model = 'm1' }]
[[chain]]
quality_mode = 'balanced'
targets = [{ provider = 'simulator', model = 'm1' }, { provider = 'local', model = 'm2' }]
[[chain]]
quality_mode = 'quality'
targets = [{ provider = 'local', model = 'm2' }]
";

impl Bench<'_> {
    /// The environment of a worker whose door has a chain of two; `limits` is more of its file.
    pub(in crate::pipelines) fn beside(&self, limits: &str) -> Environment {
        self.behind(CHAINS, limits, &self.simulator)
    }

    /// The same with a chain of `simulator` alone.
    pub(in crate::pipelines) fn alone(&self, limits: &str) -> Environment {
        let chains = CHAINS.replace(", { provider = 'local', model = 'm2' }]", "]");
        self.behind(&chains, limits, &self.simulator)
    }

    /// The chain of two, of which the first one is at another address.
    pub(in crate::pipelines) fn first_at(&self, address: &str) -> Environment {
        self.behind(CHAINS, "", address)
    }

    fn behind(&self, chains: &str, limits: &str, first: &str) -> Environment {
        let client = |provider: &str, base: &str| -> Arc<dyn Llm> {
            let config = OpenAiConfig {
                provider: provider.to_owned(),
                base_url: format!("{base}/v1").parse().expect("a URL"),
                api_key: Some("any".to_owned().into()),
                timeouts: Timeouts { first_token: Duration::from_millis(1_500), ..Timeouts::default() },
                json: JsonMode::Schema,
            };
            Arc::new(OpenAi::new(config).expect("a client"))
        };
        let providers = Providers::new([client("simulator", first), client("local", &self.simulator)]);
        let prices = Prices::embedded().expect("prices");
        let chains = Chains::parse(&format!("{chains}\n{limits}"), &providers, &prices).expect("chains");
        let llm = LlmDoor::with_chains(providers, chains, prices, Policy::default());
        Environment { llm, ..self.environment.clone() }
    }
}
