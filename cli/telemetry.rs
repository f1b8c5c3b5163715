//! Logs: a JSON object a line on stderr, with the ids that belong together (request_id, org_id, run_id, …).

use tracing_subscriber::EnvFilter;

use crate::config;

/// Writes logs from now on, from `LOG_LEVEL` up: a level, or a filter as in `info,hellosales_worker=debug`.
pub(crate) fn start() -> anyhow::Result<()> {
    let level = config::optional("LOG_LEVEL").unwrap_or_else(|| "info".to_owned());
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .with_env_filter(filter(&level)?)
        .try_init()
        .map_err(|error| anyhow::anyhow!("logs can't be written: {error}"))
}

/// In any case, also that of others: `INFO`, `Warning`.
fn filter(level: &str) -> anyhow::Result<EnvFilter> {
    let level = level.to_lowercase();
    let known = match level.as_str() {
        "warning" => "warn",
        "critical" | "fatal" => "error",
        other => other,
    };
    EnvFilter::try_new(known).map_err(|error| {
        let fix = "off, error, warn, info, debug, trace, or a filter as in info,hellosales_worker=debug";
        anyhow::Error::from(error).context(config::wrong("LOG_LEVEL", fix))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_as_others_write_them_and_nonsense_is_refused() {
        for (level, read) in
            [("INFO", "info"), ("Warning", "warn"), ("info,hellosales_worker=debug", "hellosales_worker=debug,info")]
        {
            assert_eq!(filter(level).unwrap().to_string(), read);
        }
        assert!(filter("info,x=loud").is_err());
    }
}
