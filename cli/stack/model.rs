//! Who answers: the simulator, or a real model.

use std::time::Duration;

use hellosales_worker::config::{ProviderConfig, Settings};

use crate::client::http;
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
                // Said here at once; else each worker would say it in its log.
                ProviderConfig::read(&Settings::of_process()).map_err(|error| config::unusable(&error))?;
                output.say("model      the provider whose key is in the environment");
                Ok(Self::Environment)
            }
            (None, None) => Ok(Self::Simulator),
        }
    }
}

/// The key that the workers will send to this server.
fn key(url: &str) -> Option<String> {
    let groq = || config::optional("GROQ_API_KEY").filter(|_| url.starts_with("https://api.groq.com/"));
    config::optional("LLM_API_KEY").or_else(groq)
}

fn not_allowed(url: &str) -> Problem {
    let what = match key(url) {
        Some(_) => format!("the server at {url} refuses the key in LLM_API_KEY"),
        None => format!("the server at {url} wants a key"),
    };
    Problem::new(Exit::NotAllowed, what)
        .fix("LLM_API_KEY=… in front of this command; another dev's simulator takes any")
}

/// The base under which the server names its models: as given, or with `/v1`.
async fn base(url: &str) -> anyhow::Result<String> {
    let client = http(url).timeout(Duration::from_secs(10)).build()?;
    let mut last = String::new();
    for base in [url.to_owned(), format!("{url}/v1")] {
        let mut request = client.get(format!("{base}/models"));
        if let Some(key) = key(url) {
            request = request.bearer_auth(key);
        }
        match request.send().await {
            Ok(answer) if answer.status().is_success() => return Ok(base),
            Ok(answer) if matches!(answer.status().as_u16(), 401 | 403) => return Err(not_allowed(url).into()),
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
