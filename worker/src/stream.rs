//! What a streaming stage writes while it works: a handle for the stage, one writer a process.

/// Where a streaming stage writes its text. Cheap to clone.
#[derive(Debug, Clone)]
pub struct StreamHandle {}

/// The step's token is gone: the stage must stop.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the stream's step is no longer this worker's")]
pub struct StreamLost;

impl StreamHandle {
    /// Adds text. Returns at once while there is room in the buffer.
    ///
    /// # Errors
    /// If the step is no longer ours.
    #[expect(clippy::unused_async, reason = "waits for room once the writer is there")]
    pub async fn delta(&self, _text: &str) -> Result<(), StreamLost> {
        Ok(())
    }

    /// Takes back all that was written in this attempt and gives readers this text instead
    /// (`output.reset {filtered}`, then one delta).
    ///
    /// # Errors
    /// If the step is no longer ours.
    #[expect(clippy::unused_async, reason = "waits for room once the writer is there")]
    pub async fn replace(&self, _text: &str) -> Result<(), StreamLost> {
        Ok(())
    }
}
