//! How long a turn's first words take beyond the model's own time.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::times::Times;
use crate::client::{Api, Event};

/// Takes turns until it has so many, or is stopped: then it ends its turn first.
pub(super) async fn take_turns(
    api: &Api,
    call: Duration,
    most: usize,
    stop: &CancellationToken,
) -> anyhow::Result<Times> {
    let session = api.create_session(&json!({"title": "Bench"})).await?;
    let mut times = Times::default();
    while times.count() < most && !stop.is_cancelled() {
        times.add(turn(api, session).await?.saturating_sub(call));
    }
    Ok(times)
}

/// From the request to the first words.
async fn turn(api: &Api, session: Uuid) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let run = api.say(session, "Which deals should I call about this week?").await?;
    let mut events = api.follow(run.id);
    let mut first = None;
    while let Some(event) = events.next().await? {
        match event {
            Event::Delta { .. } => first = first.or(Some(began.elapsed())),
            Event::Snapshot(texts) if texts.iter().any(|(_, text)| !text.is_empty()) => {
                first = first.or(Some(began.elapsed()));
            }
            _ => {}
        }
    }
    first.ok_or_else(|| anyhow::anyhow!("a turn ended without a word"))
}
