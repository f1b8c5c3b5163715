//! One connection.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};
use tower::ServiceExt;

use super::{HangUp, unread};
use crate::state::AppState;

/// What reads a request's head gives up at this size, with a bare 431; the routes do so before, with a body.
const HEAD_BUFFER: usize = 64 * 1024;
const MAX_HEADERS: usize = 200;
/// A client that was refused may go on sending for so long.
const LINGER: Duration = Duration::from_secs(2);

/// There is no answer: hyper closes the connection.
#[derive(Debug, thiserror::Error)]
#[error("hung up")]
struct HungUp;

/// Serves a connection to its end, or until the process stops and its request is answered.
pub(super) async fn serve(socket: TcpStream, router: Router, state: &AppState) {
    // Tokens are small and must leave at once.
    let _without = socket.set_nodelay(true);
    let lingers = Arc::new(AtomicBool::new(false));
    let io = TokioIo::new(Patient::new(socket, state.config.write_timeout, Arc::clone(&lingers)));
    let limit = state.config.body_limit;
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (router, lingers) = (router.clone(), Arc::clone(&lingers));
        async move {
            let (request, unread) = unread::lend(request);
            let Ok(mut response) = router.oneshot(request.map(axum::body::Body::new) as Request).await;
            if response.extensions().get::<HangUp>().is_some() {
                return Err(HungUp);
            }
            unread.settle(limit, &mut response, &lingers).await;
            Ok(response)
        }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(state.config.header_timeout)
        .max_buf_size(HEAD_BUFFER)
        .max_headers(MAX_HEADERS);
    let connection = builder.serve_connection(io, service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = state.draining.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}

/// A socket whose writes give up when the other side takes nothing for a while.
struct Patient {
    socket: TcpStream,
    patience: Duration,
    gives_up: Pin<Box<Sleep>>,
    waits: bool,
    /// The other side may still be sending what nobody reads.
    lingers: Arc<AtomicBool>,
    /// Until when that is thrown away. A time of its own: hyper flushes whenever more comes, which is progress to `waits`.
    lingers_until: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    fn new(socket: TcpStream, patience: Duration, lingers: Arc<AtomicBool>) -> Self {
        Self {
            socket,
            patience,
            gives_up: Box::pin(tokio::time::sleep(patience)),
            waits: false,
            lingers,
            lingers_until: None,
        }
    }

    fn watch<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.waits = false;
            return polled;
        }
        if !self.waits {
            self.waits = true;
            self.gives_up.as_mut().reset(Instant::now() + self.patience);
        }
        ready!(self.gives_up.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Throws away what still comes: a socket closed over bytes that nobody read resets the connection, and takes
    /// the answer from a client that was still sending.
    fn linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let until = self.lingers_until.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        let mut thrown_away = [0; 8 * 1024];
        loop {
            if until.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let mut buffer = ReadBuf::new(&mut thrown_away);
            match ready!(Pin::new(&mut self.socket).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                _ => return Poll::Ready(()),
            }
        }
    }
}

impl AsyncRead for Patient {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.watch(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.socket).poll_write_vectored(cx, slices);
        self.watch(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.socket).poll_flush(cx);
        self.watch(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.socket).poll_shutdown(cx))?;
        if self.lingers.load(Ordering::Relaxed) { self.linger(cx).map(Ok) } else { Poll::Ready(Ok(())) }
    }
}
