//! Logs: a JSON object a line on stderr, with the ids that belong together (request_id, org_id, run_id, …).

use tracing_subscriber::EnvFilter;

/// Writes logs from now on. `level` is a level or a filter as in `info,hellosales_worker=debug`.
pub(crate) fn start(level: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(level.to_lowercase())
        .map_err(|error| anyhow::anyhow!("LOG_LEVEL={level} is no filter: {error}"))?;
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .with_env_filter(filter)
        .try_init()
        .map_err(|error| anyhow::anyhow!("logs can't be written: {error}"))
}
