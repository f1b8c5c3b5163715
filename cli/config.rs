//! Settings from the environment that are this program's own; the api and the worker read theirs. All are in
//! `.env.example`. An empty one counts as not set.

use std::fmt::Display;
use std::net::SocketAddr;

use crate::problem::{Exit, Problem};

/// One of these in the environment, and the worker calls a real provider.
pub(crate) const PROVIDERS: &[&str] = &["LLM_BASE_URL", "LLM_API_KEY", "GROQ_API_KEY", "GOOGLE_API_KEY"];

/// A setting, if it is there and not empty.
#[expect(clippy::disallowed_methods, reason = "this is config")]
pub(crate) fn optional(name: &str) -> Option<String> {
    std::env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// A setting that can't be used, and what it should be.
pub(crate) fn wrong(name: &str, fix: &str) -> Problem {
    Problem::new(Exit::Usage, format!("{name} can't be used")).fix(format!("{name} is one of: {fix}"))
}

/// A part's setting that is missing or can't be used.
pub(crate) fn unusable(error: &impl Display) -> anyhow::Error {
    Problem::new(Exit::Usage, error.to_string())
        .fix("set it in the environment; .env.example has every setting, and 'hellosales dev' needs none")
        .into()
}

/// An address to listen on: `127.0.0.1:9091`, or `:9091` for every address of the machine.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    let whole = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.to_owned() };
    whole.parse().map_err(|_| format!("'{text}' is no address: write 127.0.0.1:9091, or :9091"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_leave_out_its_host() {
        assert_eq!(address(":9091").unwrap().to_string(), "0.0.0.0:9091");
        assert_eq!(address("[::1]:80").unwrap().to_string(), "[::1]:80");
        assert!(address("9091").is_err() && address("localhost").is_err());
    }
}
