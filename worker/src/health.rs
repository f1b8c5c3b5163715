//! What a worker answers on `--listen`: `/health`, `/ready`, `/metrics`. For the machine's own network, not for
//! clients: it tells nothing of any organisation.

use std::net::SocketAddr;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use hellosales_core::{WorkerId, metrics};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::leases::Contact;
use crate::slots::Slots;

/// What there is to say.
#[derive(Debug, Clone)]
pub(crate) struct Health {
    pub(crate) worker: WorkerId,
    pub(crate) contact: Contact,
    pub(crate) draining: CancellationToken,
    pub(crate) slots: Slots,
}

impl Health {
    /// Binds the port.
    pub(crate) async fn bind(at: SocketAddr) -> std::io::Result<TcpListener> {
        TcpListener::bind(at).await
    }

    /// Answers until the process ends.
    pub(crate) async fn serve(self, listener: TcpListener) {
        let router = Router::new()
            .route("/health", get(async || Json(json!({"status": "ok"}))))
            .route("/ready", get(ready))
            .route("/metrics", get(async || ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], metrics::render())))
            .with_state(self);
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the worker's port is closed");
        }
    }

    fn is_ready(&self) -> bool {
        self.contact.is_held() && !self.draining.is_cancelled()
    }
}

async fn ready(State(health): State<Health>) -> impl IntoResponse {
    let status = if health.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({
        "ready": health.is_ready(),
        "worker_id": health.worker,
        "database": health.contact.is_held(),
        "draining": health.draining.is_cancelled(),
        "running": health.slots.taken(),
    });
    (status, Json(body))
}
