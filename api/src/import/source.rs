//! The bytes of a file, as its sender gives them: not too many, and not too slowly.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header;
use bytes::Bytes;
use hellosales_core::ErrorCode;
use http_body_util::BodyExt;
use tokio::time::Instant;

use crate::error::Problem;
use crate::state::AppState;

/// A file may have this many bytes.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// The whole of it may take as long as so many bodies of other requests.
const BODIES: u32 = 20;

/// The body of a request.
pub(super) struct Source {
    body: Body,
    bytes: u64,
    ends: Instant,
    patience: Duration,
}

impl Source {
    /// Of a request.
    ///
    /// # Errors
    /// If it says that it has too many.
    pub(super) fn new(request: Request, state: &AppState) -> Result<Self, Problem> {
        let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        if length.is_some_and(|length: u64| length > MAX_BYTES) {
            return Err(too_large());
        }
        let patience = state.config.body_timeout;
        Ok(Self { body: request.into_body(), bytes: 0, ends: Instant::now() + patience * BODIES, patience })
    }

    /// The next of them; `None` at the end.
    ///
    /// # Errors
    /// If there are too many, or they don't come in time, or the api is told to stop.
    pub(super) async fn next(&mut self, state: &AppState) -> Result<Option<Bytes>, Problem> {
        loop {
            let deadline = self.ends.min(Instant::now() + self.patience);
            let frame = tokio::select! {
                frame = tokio::time::timeout_at(deadline, self.body.frame()) => frame,
                () = state.draining.cancelled() => return Err(super::stopping().closing()),
            };
            let data = match frame {
                Ok(None) => return Ok(None),
                Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
                Ok(Some(Err(_))) => return Err(Problem::malformed("the file broke off").closing()),
                Err(_) => return Err(Problem::malformed("the file did not arrive in time").closing()),
            };
            self.bytes += data.len() as u64;
            if self.bytes > MAX_BYTES {
                return Err(too_large());
            }
            if !data.is_empty() {
                return Ok(Some(data));
            }
        }
    }
}

fn too_large() -> Problem {
    Problem::new(ErrorCode::PayloadTooLarge, format!("the file has more than {MAX_BYTES} bytes")).closing()
}
