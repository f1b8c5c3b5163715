//! `hellosales dev`: everything, here, until Ctrl-C.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use hellosales_simulator::{Role, TokenRequest};
use serde::Serialize;

use crate::Global;
use crate::client::Api;
use crate::commands::token;
use crate::data_dir::DataDir;
use crate::database;
use crate::duration;
use crate::output::{Output, Paint};
use crate::stack::{Model, Options, ProcessLine, Stack};
use crate::{seed, shutdown};

/// The token is for a day of work.
const TOKEN_FOR: Duration = Duration::from_secs(24 * 3_600);

/// What it takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many apis
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=16))]
    apis: u16,
    /// How many workers
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(0..=64))]
    workers: u16,
    /// The first api's port; if it is taken, the next free one; 0 takes any
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Where everything lies [default: .hellosales]
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// How long a worker may be silent before its steps go to another, e.g. 2s
    #[arg(long, value_name = "DURATION", value_parser = lease)]
    lease: Option<Duration>,
    /// A server that speaks OpenAI's wire format, in place of the simulator
    #[arg(long, value_name = "URL")]
    llm_url: Option<String>,
    /// The model's name there
    #[arg(long, value_name = "NAME")]
    llm_model: Option<String>,
    /// Print one line of JSON when all is ready, and talk no further
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Line {
    url: String,
    token: String,
    simulator_url: String,
    database_url: String,
    data_dir: String,
    processes: Vec<ProcessLine>,
}

pub(crate) async fn run(args: Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let stop = shutdown::token(false)?;
    let model = Model::choose(args.llm_url.as_deref(), args.llm_model.as_deref(), output).await?;
    let data_dir = DataDir::resolve(args.data_dir.as_deref())?;
    let options = Options {
        command: "dev",
        apis: args.apis,
        workers: args.workers,
        port: args.port,
        lease: args.lease,
        slots: None,
        model,
        database_url: database::chosen(global),
    };
    let stack = Stack::start(data_dir, options, output, &stop).await?;
    let ready = ready(&stack, args.json, output).await;
    if ready.is_ok() {
        stop.cancelled().await;
        output.say("stopping …");
    }
    stack.stop().await;
    ready?;
    output.say("stopped; nothing is left running. The data stays: the next start finds it.");
    Ok(ExitCode::SUCCESS)
}

async fn ready(stack: &Stack, json: bool, output: Output) -> anyhow::Result<()> {
    let request = TokenRequest::new(seed::ORGANIZATION, seed::USER, Role::Admin);
    let token = token::issue(&stack.data_dir, &TokenRequest { expires_in: TOKEN_FOR, ..request })?;
    stack.seed(&Api::new(&stack.url, token.clone())?, output).await?;
    if json {
        let (url, simulator_url, database_url) =
            (stack.url.clone(), stack.simulator_url.clone(), stack.database_url.clone());
        let data_dir = stack.data_dir.path().display().to_string();
        return output.json(&Line { url, token, simulator_url, database_url, data_dir, processes: stack.processes() });
    }
    let head = |text: &str| output.paint(Paint::Bold, text);
    output.data(format!("\n{}  {}", head("url  "), stack.url))?;
    output.data(format!("{}  {token}", head("token")))?;
    output.data(format!("{}   curl -sS {}/auth/me -H 'Authorization: Bearer {token}'\n", head("curl "), stack.url))?;
    output.say(format!("logs in {}; Ctrl-C stops everything.", stack.data_dir.join("logs").display()));
    Ok(())
}

/// A lease that a worker takes.
fn lease(text: &str) -> Result<Duration, String> {
    let lease = duration::parse(text)?;
    if lease < Duration::from_millis(500) {
        return Err("a lease is at least 500ms".to_owned());
    }
    Ok(lease)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_json_has_exactly_the_keys_that_programs_read() {
        let text = || String::new();
        let line = Line {
            url: text(),
            token: text(),
            simulator_url: text(),
            database_url: text(),
            data_dir: text(),
            processes: Vec::new(),
        };
        let line = serde_json::to_string(&line).unwrap();
        assert_eq!(line, r#"{"url":"","token":"","simulator_url":"","database_url":"","data_dir":"","processes":[]}"#);
    }
}
