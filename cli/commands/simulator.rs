//! `hellosales simulator`: the provider, in the formats of OpenAI, Groq and Gemini, and the issuer of development tokens.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use hellosales_simulator::{Issuer, Simulator, SimulatorConfig};

use crate::data_dir::DataDir;
use crate::output::Output;
use crate::problem::{Exit, Problem};
use crate::shutdown;

/// What it takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where it listens
    #[arg(long, default_value = "127.0.0.1:8090", value_name = "ADDR")]
    listen: SocketAddr,
    /// The folder with the issuer's key [default: .hellosales]
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    #[arg(long, hide = true)]
    exit_with_parent: bool,
}

pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<ExitCode> {
    let stop = shutdown::token(args.exit_with_parent)?;
    let data_dir = DataDir::resolve(args.data_dir.as_deref())?;
    data_dir.create()?;
    let issuer = Issuer::load_or_create(&data_dir.issuer_key()).context("the issuer has no key")?;
    let config = SimulatorConfig { issuer: Some(issuer), ..SimulatorConfig::default() };
    let simulator = Simulator::bind(args.listen, config).await.map_err(|error| {
        Problem::new(Exit::Failed, format!("the simulator can't listen on {}: {error}", args.listen))
            .fix("name another address, e.g. --listen 127.0.0.1:18090")
    })?;
    let url = simulator.url();
    output.say(format!(
        "simulator  {url}/v1 (OpenAI), {url}/openai/v1 (Groq), {url} (Gemini), {url}/.well-known/jwks.json"
    ));
    simulator.run(stop).await?;
    Ok(ExitCode::SUCCESS)
}
