//! Our own server loop: `axum::serve` has no timeout for a request's head, no bound on connections, and can't hang
//! up without an answer.

mod connection;
mod unread;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use hellosales_core::notify::{Listener, Notifier};
use hellosales_core::{Database, DatabaseError};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::{Jwks, SignIns, Verifier};
use crate::config::ApiConfig;
use crate::feed::Feed;
use crate::follow::Follow;
use crate::import::Imports;
use crate::routes;
use crate::state::{AppState, Shared};
use crate::streams::Streams;
use crate::watch::Watch;

/// In place of an answer: the connection is closed without one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HangUp;

impl IntoResponse for HangUp {
    fn into_response(self) -> Response {
        let mut response = Response::default();
        response.extensions_mut().insert(self);
        response
    }
}

/// Why an api can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address can't be had.
    #[error("can't listen on {address}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The client for the issuers' keys can't be made.
    #[error("the client for the issuer's keys can't be made")]
    Http(#[from] reqwest::Error),
    /// The database's URL can't be read.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// An api that listens.
pub struct Api {
    listener: TcpListener,
    address: SocketAddr,
    state: AppState,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").field("address", &self.address).finish_non_exhaustive()
    }
}

/// After a failure to accept (no file descriptor left, say).
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

impl Api {
    /// Listens; nothing is answered until [`Api::run`]. `db` has the api's role, `fanout` the fanout's.
    ///
    /// # Errors
    /// If the address can't be had.
    pub async fn bind(config: ApiConfig, db: Database, fanout: Database) -> Result<Self, StartError> {
        let listen = |source| StartError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let ear = Listener::start(fanout.clone());
        let watch = Watch::start(db.clone());
        let shared = Shared {
            notifier: Notifier::start(db.clone()),
            follow: Follow::start(fanout, ear.clone()),
            feed: Feed::start(db.clone(), watch.clone()),
            watch,
            listener: ear,
            streams: Streams::new(config.streams_per_user, config.streams_per_org),
            imports: Imports::default(),
            jwks: Arc::new(Jwks::new(config.jwks_urls.clone())?),
            verifier: Verifier::new(&config.issuers, config.audience.as_deref()),
            sign_ins: SignIns::default(),
            draining: CancellationToken::new(),
            work: TaskTracker::new(),
            config,
            db,
        };
        Ok(Self { listener, address, state: AppState::new(shared) })
    }

    /// Where it listens.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until it is told to stop; then streams are told to go elsewhere, what is under way ends, and the
    /// connections are closed.
    pub async fn run(self, shutdown: CancellationToken) {
        let Self { listener, state, .. } = self;
        let connections = TaskTracker::new();
        let slots = Arc::new(Semaphore::new(state.config.max_connections));
        let router = routes::router(state.clone());
        loop {
            let accepted = tokio::select! {
                accepted = accept(&listener, &slots) => accepted,
                () = shutdown.cancelled() => break,
            };
            let Some((socket, slot)) = accepted else { continue };
            let (router, state) = (router.clone(), state.clone());
            connections.spawn(async move {
                connection::serve(socket, router, &state).await;
                drop(slot);
            });
        }
        drop(listener);
        state.draining.cancel();
        connections.close();
        state.work.close();
        let ended = async {
            connections.wait().await;
            state.work.wait().await;
        };
        if tokio::time::timeout(state.config.shutdown_grace, ended).await.is_err() {
            tracing::warn!(connections = connections.len(), work = state.work.len(), "stopped before all had ended");
        }
    }
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(tokio::net::TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((socket, _)) => Some((socket, slot)),
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(ACCEPT_AGAIN).await;
            None
        }
    }
}
