//! A call whose provider is asked: its answer, piece by piece, and its end.

use futures::StreamExt;
use futures::stream::BoxStream;

use super::Answer;
use super::ledger::Entry;
use crate::provider::{Finish, LlmEvent, ProviderError, pause};
use crate::stage::StageError;

/// A call under way. Dropping it stops the provider's stream, and closes it in the ledger as abandoned.
pub struct Call {
    stream: BoxStream<'static, Result<LlmEvent, ProviderError>>,
    /// Its first piece is a first token, not the whole.
    streamed: bool,
    entry: Entry,
    finish: Option<Finish>,
    /// The first piece, until it is asked for.
    first: Option<String>,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("id", &self.entry.id()).finish_non_exhaustive()
    }
}

impl Call {
    pub(super) fn new(
        stream: BoxStream<'static, Result<LlmEvent, ProviderError>>,
        streamed: bool,
        entry: Entry,
    ) -> Self {
        Self { stream, streamed, entry, finish: None, first: None }
    }

    /// Sends the request, and waits for the first piece of its answer: from then on nobody else is asked.
    pub(super) async fn begin(&mut self) -> Result<(), ProviderError> {
        self.first = self.read().await?;
        Ok(())
    }

    /// The next piece of the answer; `None` when it is complete.
    ///
    /// # Errors
    /// What went wrong with the call: hand it to [`Call::fail`].
    pub async fn next(&mut self) -> Result<Option<String>, ProviderError> {
        match self.first.take() {
            Some(first) => Ok(Some(first)),
            None => self.read().await,
        }
    }

    async fn read(&mut self) -> Result<Option<String>, ProviderError> {
        self.entry.sent();
        while let Some(event) = self.stream.next().await {
            match event? {
                LlmEvent::Started { request_id, limits } => {
                    tracing::debug!(call_id = %self.entry.id(), provider_request_id = request_id.as_deref(), ?limits, "provider answers");
                    self.entry.report().gate.told(limits.requests_left, limits.tokens_left);
                }
                LlmEvent::Delta(text) => {
                    self.entry.received(&text, self.streamed);
                    return Ok(Some(text));
                }
                LlmEvent::Usage(usage) => self.entry.told(usage),
                LlmEvent::Finished(finish) => self.finish = Some(finish),
            }
        }
        match self.finish {
            Some(_) => Ok(None),
            None => Err(ProviderError::CutStream),
        }
    }

    /// What has come so far.
    #[must_use]
    pub fn text(&self) -> &str {
        self.entry.text()
    }

    /// Why the answer ended, once it has.
    #[must_use]
    pub const fn ended(&self) -> Option<Finish> {
        self.finish
    }

    /// The call is over, as it should be; or we have had enough of it. An answer that holds nothing but space is a fault.
    ///
    /// # Errors
    /// If the answer is empty.
    pub async fn finish(self) -> Result<Answer, StageError> {
        if self.entry.text().trim().is_empty() {
            return Err(self.fail(ProviderError::Malformed("an empty answer")).await);
        }
        let Self { stream, entry, finish, .. } = self;
        drop(stream);
        Ok(entry.succeed(finish).await)
    }

    /// The call went wrong: closes it and says what its stage reports.
    pub async fn fail(self, error: ProviderError) -> StageError {
        let reported = error.stage_error(self.entry.provider());
        self.close(&error).await;
        reported
    }

    /// Closes it, counted for its breaker.
    pub(super) async fn close(self, error: &ProviderError) {
        let Self { stream, entry, .. } = self;
        drop(stream);
        let what = (error.code(), error.to_string());
        if let ProviderError::RateLimited { retry_after } = error {
            entry.report().limited(pause(*retry_after)).await;
        }
        entry.fail(what, error.is_billed(), error.health()).await;
    }
}
