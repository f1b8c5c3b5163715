//! What a handler leaves of a request's body. A refusal often comes before the body was read, and hyper then closes
//! the connection without a word: the client's next request on it fails. So what is left is read and thrown away,
//! if it is little and comes soon; else the answer says that the connection closes.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};

/// What is left must come within this time.
const PATIENCE: Duration = Duration::from_millis(500);

/// A request's body, lent to the handler.
pub(super) struct Lent(Arc<Mutex<Incoming>>);

impl Lent {
    fn with<T>(&self, look: impl FnOnce(&mut Incoming) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Body for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.with(|body| Pin::new(body).poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.with(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.with(|body| body.size_hint())
    }
}

/// What the handler may leave.
pub(super) struct Unread {
    body: Lent,
    /// The client waits for a word before it sends the body: it need not send it at all.
    waits: bool,
}

/// Lends a request's body to a handler.
pub(super) fn lend(request: hyper::Request<Incoming>) -> (hyper::Request<Lent>, Unread) {
    let waits = request.headers().contains_key(header::EXPECT);
    let (head, body) = request.into_parts();
    let body = Arc::new(Mutex::new(body));
    let unread = Unread { body: Lent(Arc::clone(&body)), waits };
    (hyper::Request::from_parts(head, Lent(body)), unread)
}

impl Unread {
    /// Reads at most so many bytes of what is left. If more is left, the answer says that the connection closes,
    /// and `lingers` that the other side may still be sending.
    pub(super) async fn settle(self, limit: usize, response: &mut Response, lingers: &AtomicBool) {
        if self.body.is_end_stream() {
            return;
        }
        let closes = response.headers().contains_key(header::CONNECTION);
        if closes || self.waits || !self.read(limit).await {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            lingers.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the body came to its end.
    async fn read(mut self, limit: usize) -> bool {
        let rest = async {
            let mut bytes = 0;
            while let Some(frame) = self.body.frame().await {
                bytes += frame.ok()?.data_ref().map_or(0, Bytes::len);
                if bytes > limit {
                    return None;
                }
            }
            Some(())
        };
        matches!(tokio::time::timeout(PATIENCE, rest).await, Ok(Some(())))
    }
}
