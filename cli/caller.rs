//! Who a command speaks for, and with which api.

use std::path::PathBuf;

use hellosales_simulator::{Role, TokenRequest};

use crate::Global;
use crate::client::Api;
use crate::commands::token;
use crate::config;
use crate::data_dir::DataDir;
use crate::problem::{Exit, Problem};
use crate::seed;

/// What every command takes that is an HTTP client. The token is HELLOSALES_TOKEN, else one of the local issuer.
#[derive(Debug, clap::Args)]
pub(crate) struct Caller {
    /// The user, where no token is given
    #[arg(long, value_name = "NAME", default_value = seed::USER)]
    user: String,
    /// The folder of the `dev` that runs [default: .hellosales]
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
}

impl Caller {
    /// The organisation, where no token is given.
    pub(crate) fn org(global: &Global) -> &str {
        global.org.as_deref().unwrap_or(seed::ORGANIZATION)
    }

    /// The api and a token for it: named ones, else those of the `dev` that runs here.
    pub(crate) fn connect(&self, global: &Global) -> anyhow::Result<Api> {
        let data_dir = DataDir::resolve(self.data_dir.as_deref())?;
        let here = || data_dir.holder().and_then(|holder| holder.url);
        let url = global.api_url.clone().or_else(|| config::optional("API_URL")).or_else(here).ok_or_else(|| {
            Problem::new(Exit::Unreachable, format!("no 'hellosales dev' runs in {}", data_dir.path().display()))
                .fix("hellosales dev    in another terminal, or name an api: --api-url URL")
        })?;
        let token = match config::optional("HELLOSALES_TOKEN") {
            Some(token) => token,
            None => token::issue(&data_dir, &TokenRequest::new(Self::org(global), &self.user, Role::Admin))?,
        };
        Api::new(&url, token)
    }
}
