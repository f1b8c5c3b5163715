//! `hellosales token`: a token of the local issuer, for any organisation and user.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use hellosales_simulator::{Issuer, Role, TokenRequest};
use serde_json::json;

use crate::Global;
use crate::data_dir::DataDir;
use crate::duration;
use crate::output::{Format, Output};
use crate::problem::{Exit, Problem};

/// What it takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The user
    #[arg(long, value_name = "NAME")]
    user: String,
    /// member, manager, admin or operator
    #[arg(long, value_name = "ROLE", value_parser = |text: &str| text.parse::<Role>().map_err(|error| error.to_string()))]
    role: Role,
    /// How long it is good for
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration::parse)]
    expires: Duration,
    /// The folder with the issuer's key [default: .hellosales]
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let org = global.org.as_deref().unwrap_or_default();
    if org.trim().is_empty() || args.user.trim().is_empty() {
        return Err(Problem::new(Exit::Usage, "--org and --user need a name").into());
    }
    let data_dir = DataDir::resolve(args.data_dir.as_deref())?;
    data_dir.create()?;
    let request = TokenRequest { expires_in: args.expires, ..TokenRequest::new(org, &args.user, args.role) };
    let token = issue(&data_dir, &request)?;
    match output.format {
        Format::Table | Format::Wide | Format::Csv => output.data(token)?,
        Format::Json | Format::Jsonl => output.json(&json!({
            "token": token, "org_id": request.org_id(), "sub": request.sub(), "role": request.role.as_str(),
            "expires_in_s": args.expires.as_secs(),
        }))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Signs with the folder's key, which is made if it isn't there.
pub(crate) fn issue(data_dir: &DataDir, request: &TokenRequest) -> anyhow::Result<String> {
    let issuer = Issuer::load_or_create(&data_dir.issuer_key()).context("the issuer has no key")?;
    Ok(issuer.token(request))
}
