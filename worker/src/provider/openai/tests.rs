//! The client over the wire: every fault of `docs/FAULTS.md`, from the simulator where it knows it, from a few raw bytes
//! where it doesn't.

mod faults;
mod whole;
mod wire;

use reqwest::Url;
use serde_json::json;

use super::super::http::Timeouts;
use super::super::testing::{Heard, QUICK, STREAM, World, ask, raw, request, serve, status};
use super::super::{Finish, LlmRequest, ProviderError, Usage};
use super::{JsonMode, OpenAi, OpenAiConfig};

fn client(base: &str, timeouts: Timeouts) -> OpenAi {
    let config = OpenAiConfig {
        provider: "test".into(),
        base_url: base.parse::<Url>().unwrap(),
        api_key: Some("sk-canary".to_owned().into()),
        timeouts,
        json: JsonMode::Schema,
    };
    OpenAi::new(config).unwrap()
}

impl World {
    fn client(&self) -> OpenAi {
        client(&format!("{}/v1", self.url), QUICK)
    }
}

fn delta(text: &str) -> String {
    format!("data: {}\n\n", json!({"choices": [{"delta": {"content": text}}]}))
}

fn finish(reason: &str) -> String {
    format!("data: {}\n\n", json!({"choices": [{"delta": {}, "finish_reason": reason}]}))
}
