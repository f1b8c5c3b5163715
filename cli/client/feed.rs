//! A feed of events, read to its end over any number of connections, without a gap or a repeat.

use std::pin::Pin;
use std::time::Duration;

use futures::{Stream, StreamExt};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use sse_stream::SseByteStream;

use super::{Api, accepted};
use crate::problem::{Exit, Problem};

/// So many connections in a row may bring nothing.
const VAIN_TRIES: u32 = 20;
/// The api sends a comment every 15 s: longer silence is a dead connection.
const SILENCE: Duration = Duration::from_secs(40);

type Events = Pin<Box<dyn Stream<Item = Result<sse_stream::Sse, sse_stream::Error>> + Send>>;

/// The feed at a path.
pub(crate) struct Feed {
    api: Api,
    path: String,
    what: String,
    position: Option<i64>,
    events: Option<Events>,
    vain: u32,
}

impl Feed {
    /// From its beginning. It is called `what` where it can't be followed.
    pub(super) const fn new(api: Api, path: String, what: String) -> Self {
        Self { api, path, what, position: None, events: None, vain: 0 }
    }

    /// The next event's name and data; `None` after the end. Given up in mid-wait, it goes on where it was.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<(String, Value)>> {
        loop {
            let Some(events) = self.events.as_mut() else {
                match self.connect().await? {
                    Some(events) => self.events = Some(events),
                    None => return Ok(None),
                }
                continue;
            };
            if let Ok(Some(Ok(event))) = tokio::time::timeout(SILENCE, events.next()).await {
                self.vain = 0;
                if let Some(position) = event.id.as_deref().and_then(|id| id.parse().ok()) {
                    self.position = Some(position);
                }
                if let (Some(name), Some(data)) = (event.event, event.data) {
                    return Ok(Some((name, serde_json::from_str(&data)?)));
                }
            } else {
                // Closed, broken or silent: on to the next connection.
                self.events = None;
                self.retry("the connection ends again and again").await?;
            }
        }
    }

    async fn connect(&mut self) -> anyhow::Result<Option<Events>> {
        loop {
            let path = match self.position {
                Some(position) => format!("{}?after={position}", self.path),
                None => self.path.clone(),
            };
            match self.api.request(Method::GET, &path).send().await {
                Ok(answer) if answer.status() == StatusCode::NO_CONTENT => return Ok(None),
                Ok(answer) if answer.status().is_server_error() => self.retry("the api has a fault").await?,
                Ok(answer) => return Ok(Some(Box::pin(SseByteStream::new(accepted(answer).await?.bytes_stream())))),
                // An api that is started again is back soon.
                Err(_) if self.position.is_some() => self.retry("no api answers").await?,
                Err(error) => return Err(self.api.unreachable(error)),
            }
        }
    }

    async fn retry(&mut self, why: &str) -> anyhow::Result<()> {
        self.vain += 1;
        if self.vain > VAIN_TRIES {
            let problem = format!("{} can't be followed: {why}", self.what);
            return Err(Problem::new(Exit::Unreachable, problem).into());
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
        Ok(())
    }
}
