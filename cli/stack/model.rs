//! Who answers: the simulator, or a real model.

use std::time::Duration;

use crate::config;
use crate::output::Output;
use crate::problem::{Exit, Problem};

/// Who answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Model {
    /// The simulator.
    Simulator,
    /// The provider whose key is in the environment.
    Environment,
    /// A server that speaks OpenAI's wire format.
    Server {
        /// Its base URL.
        url: String,
        /// The model's name there.
        model: String,
    },
}

impl Model {
    /// As asked on the command line, else by the environment, else the simulator.
    pub(crate) async fn choose(url: Option<&str>, model: Option<&str>, output: Output) -> anyhow::Result<Self> {
        match (url, model) {
            (Some(url), Some(model)) => {
                let url = base(url.trim_end_matches('/')).await?;
                output.say(format!("model      {model} at {url}"));
                Ok(Self::Server { url, model: model.to_owned() })
            }
            (Some(_), None) => {
                Err(Problem::new(Exit::Usage, "--llm-url needs --llm-model").fix("--llm-model NAME").into())
            }
            (None, Some(_)) => {
                Err(Problem::new(Exit::Usage, "--llm-model needs --llm-url").fix("--llm-url URL").into())
            }
            (None, None) if config::PROVIDERS.iter().any(|key| config::optional(key).is_some()) => {
                output.say("model      the provider whose key is in the environment");
                Ok(Self::Environment)
            }
            (None, None) => Ok(Self::Simulator),
        }
    }
}

/// The base under which the server names its models: as given, or with `/v1`.
async fn base(url: &str) -> anyhow::Result<String> {
    let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).build()?;
    let mut last = String::new();
    for base in [url.to_owned(), format!("{url}/v1")] {
        match http.get(format!("{base}/models")).send().await {
            // A server that wants a key is there.
            Ok(answer) if answer.status().is_success() || matches!(answer.status().as_u16(), 401 | 403) => {
                return Ok(base);
            }
            Ok(answer) => last = format!("GET {base}/models answers {}", answer.status().as_u16()),
            Err(error) => {
                let problem = Problem::new(Exit::Unreachable, format!("nobody answers at {url}"))
                    .fix("start the model's server; scripts/local-model sets a small one up and prints its URL");
                return Err(anyhow::Error::from(error).context(problem));
            }
        }
    }
    Err(Problem::new(Exit::Unreachable, format!("no OpenAI-compatible server at {url}: {last}"))
        .fix("name the base that has /chat/completions below it, e.g. http://127.0.0.1:8080/v1")
        .into())
}
