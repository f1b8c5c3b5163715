//! `providers test`: one tiny call, by the worker's own client and settings.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use futures::StreamExt;
use hellosales_core::run::QualityMode;
use hellosales_worker::config::{ProviderConfig, Settings};
use hellosales_worker::provider::{Llm, LlmEvent, LlmRequest, Message, ProviderError, Speaker, Usage};
use serde_json::json;

use crate::Global;
use crate::config;
use crate::output::{Format, Output};
use crate::problem::{Exit, Problem};

/// What it takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The provider, as the ledger calls it: groq
    #[arg(value_name = "NAME")]
    name: String,
    /// This model, whether it is in a chain or not
    #[arg(long, value_name = "M")]
    model: Option<String>,
}

/// What came.
#[derive(Debug, Default)]
struct Came {
    text: String,
    first_token: Option<Duration>,
    usage: Option<Usage>,
    request_id: Option<String>,
}

/// The whole call has this long.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn run(args: &Args, _global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let settings = Settings::of_process();
    let provider = ProviderConfig::read(&settings).map_err(|error| config::unusable(&error))?;
    let clients = provider.providers().map_err(|error| config::unusable(&error))?;
    let Some(client) = clients.get(&args.name) else {
        let names: Vec<&str> = clients.names().collect();
        let what = format!("the settings here name no provider '{}', only {}", args.name, names.join(", "));
        return Err(Problem::new(Exit::NothingMatched, what)
            .fix("set what the workers have in their environment: GROQ_API_KEY, GOOGLE_API_KEY, or LLM_BASE_URL")
            .into());
    };
    let model = match &args.model {
        Some(model) => model.clone(),
        None => usual_model(provider, &args.name)?,
    };
    let began = Instant::now();
    let asked = tokio::time::timeout(PATIENCE, ask(client.as_ref(), &model)).await;
    let asked = asked.unwrap_or(Err(ProviderError::TimeoutAfterFirstToken(PATIENCE)));
    show(args, &model, &asked, began.elapsed(), output)?;
    Ok(if asked.is_ok() { ExitCode::SUCCESS } else { Exit::Failed.into() })
}

/// The model that a chain asks this provider for.
fn usual_model(provider: ProviderConfig, name: &str) -> anyhow::Result<String> {
    let door = provider.door().map_err(|error| config::unusable(&error))?;
    let modes = [QualityMode::Balanced, QualityMode::Fast, QualityMode::Quality];
    let mut targets = modes.into_iter().flat_map(|mode| door.chains().of(mode).iter());
    let found = targets.find(|target| target.provider == name).map(|target| target.model.clone());
    found.ok_or_else(|| Problem::new(Exit::Usage, format!("no chain asks {name}")).fix("--model M").into())
}

async fn ask(client: &dyn Llm, model: &str) -> Result<Came, ProviderError> {
    let request = LlmRequest {
        model: model.to_owned(),
        messages: vec![Message { role: Speaker::User, content: "Answer with the one word: ready".to_owned() }],
        temperature: Some(0.0),
        max_tokens: Some(64),
        schema: None,
        stream: true,
    };
    let (mut came, began) = (Came::default(), Instant::now());
    let mut events = client.generate(request);
    while let Some(event) = events.next().await {
        match event? {
            LlmEvent::Started { request_id, .. } => came.request_id = request_id,
            LlmEvent::Delta(text) => {
                came.first_token.get_or_insert_with(|| began.elapsed());
                came.text.push_str(&text);
            }
            LlmEvent::Usage(usage) => came.usage = Some(usage),
            LlmEvent::Finished(_) => {}
        }
    }
    Ok(came)
}

fn show(
    args: &Args,
    model: &str,
    asked: &Result<Came, ProviderError>,
    took: Duration,
    output: Output,
) -> anyhow::Result<()> {
    let (error, came) = (asked.as_ref().err(), asked.as_ref().ok());
    if matches!(output.format, Format::Json | Format::Jsonl) {
        return output.json(&json!({
            "provider": args.name, "model": model, "ok": error.is_none(), "total_ms": ms(took),
            "ttft_ms": came.and_then(|came| came.first_token).map(ms),
            "tokens_in": came.and_then(|came| came.usage).map(|usage| usage.tokens_in),
            "tokens_out": came.and_then(|came| came.usage).map(|usage| usage.tokens_out),
            "request_id": came.and_then(|came| came.request_id.as_ref()),
            "text": came.map(|came| &came.text),
            "code": error.map(|error| error.code().as_str()), "error": error.map(ToString::to_string),
        }));
    }
    let name = format!("{}/{model}", args.name);
    let line = match asked {
        Ok(came) => {
            let first = came.first_token.map_or_else(|| "nothing".to_owned(), |first| format!("{} ms", ms(first)));
            let text = crate::table::plain(came.text.trim());
            format!("{name} answers: first token after {first}, all after {} ms: {text}", ms(took))
        }
        Err(error) => format!("{name} does not answer: {error} ({}), after {} ms", error.code().as_str(), ms(took)),
    };
    Ok(output.data(line)?)
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
