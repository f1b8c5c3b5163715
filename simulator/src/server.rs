//! The server: what it holds, its routes, its start and its end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use tokio::net::{TcpListener, ToSocketAddrs};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::fault::Faults;
use crate::hold::Holds;
use crate::issuer::Issuer;
use crate::log::Log;
use crate::playback::Pace;
use crate::{chat, control, google};

/// How a simulator behaves when no rule says otherwise.
#[derive(Clone, Debug)]
pub struct SimulatorConfig {
    /// From the request to the first token.
    pub first_token_ms: u64,
    /// From each token to the next.
    pub token_delay_ms: u64,
    /// The models that `GET /models` names; others are answered as well.
    pub models: Vec<String>,
    /// The same of Gemini's.
    pub google_models: Vec<String>,
    /// Longer prompts are refused with `context_length_exceeded`.
    pub context_tokens: usize,
    /// Larger request bodies are refused.
    pub most_body_bytes: usize,
    /// More answers at once are refused with 503.
    pub most_requests: usize,
    /// The log forgets its oldest entries beyond so many …
    pub most_log_entries: usize,
    /// … or beyond so many bytes of messages.
    pub most_log_bytes: usize,
    /// The token issuer; without one a key is made that lives as long as the simulator.
    pub issuer: Option<Issuer>,
}

impl Default for SimulatorConfig {
    fn default() -> Self {
        Self {
            first_token_ms: 120,
            token_delay_ms: 15,
            models: ["gpt-4o-mini", "gpt-4o", "llama-3.1-8b-instant", "llama-3.3-70b-versatile"]
                .map(str::to_owned)
                .to_vec(),
            google_models: ["gemini-2.5-flash", "gemini-2.5-flash-lite", "gemini-2.5-pro", "gemini-3.5-flash"]
                .map(str::to_owned)
                .to_vec(),
            context_tokens: 128_000,
            most_body_bytes: 8 * 1024 * 1024,
            most_requests: 10_000,
            most_log_entries: 100_000,
            most_log_bytes: 256 * 1024 * 1024,
            issuer: None,
        }
    }
}

impl SimulatorConfig {
    /// Answers at once: for tests that don't measure time.
    pub fn instant() -> Self {
        Self { first_token_ms: 0, token_delay_ms: 0, ..Self::default() }
    }

    pub(crate) fn pace(&self) -> Pace {
        Pace {
            first_token: Duration::from_millis(self.first_token_ms),
            token_delay: Duration::from_millis(self.token_delay_ms),
        }
    }
}

/// All that the routes share.
pub(crate) struct World {
    pub(crate) config: SimulatorConfig,
    pub(crate) faults: Faults,
    pub(crate) holds: Arc<Holds>,
    pub(crate) log: Log,
    pub(crate) issuer: Issuer,
    pub(crate) room: Arc<Semaphore>,
    pub(crate) stopped: CancellationToken,
}

/// A simulator that listens; [`Simulator::run`] lets it answer.
pub struct Simulator {
    listener: TcpListener,
    local_addr: SocketAddr,
    world: Arc<World>,
}

impl std::fmt::Debug for Simulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulator").field("local_addr", &self.local_addr).finish_non_exhaustive()
    }
}

/// After the shutdown's signal, slow readers have so long to take what they were sent.
const GRACE: Duration = Duration::from_secs(2);

impl Simulator {
    /// Takes the port; from now on clients can connect, and are answered once it runs.
    ///
    /// # Errors
    /// When the address can't be bound, or the configuration has no issuer and no key can be made.
    pub async fn bind(addr: impl ToSocketAddrs, config: SimulatorConfig) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let local_addr = listener.local_addr()?;
        let issuer = match &config.issuer {
            Some(issuer) => issuer.clone(),
            None => Issuer::ephemeral().map_err(io::Error::other)?,
        };
        let world = World {
            faults: Faults::default(),
            holds: Arc::new(Holds::new()),
            log: Log::new(config.most_log_entries, config.most_log_bytes),
            issuer,
            room: Arc::new(Semaphore::new(config.most_requests.min(Semaphore::MAX_PERMITS))),
            stopped: CancellationToken::new(),
            config,
        };
        Ok(Self { listener, local_addr, world: Arc::new(world) })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// `http://host:port`, without a path: `{url}/v1` is OpenAI's base, `{url}/openai/v1` Groq's, and `{url}` itself Gemini's.
    pub fn url(&self) -> String {
        format!("http://{}", self.local_addr)
    }

    /// Signs tokens that this simulator's JWKS verifies.
    pub fn issuer(&self) -> &Issuer {
        &self.world.issuer
    }

    /// Answers until the shutdown; then cuts what still runs and returns.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn run(self, shutdown: CancellationToken) -> io::Result<()> {
        let stopped = self.world.stopped.clone();
        let signal = {
            let (shutdown, stopped) = (shutdown.clone(), stopped.clone());
            async move {
                shutdown.cancelled().await;
                stopped.cancel();
            }
        };
        // A run that is dropped instead of shut down leaves no answer behind either.
        let _stop = stopped.drop_guard();
        let served = axum::serve(self.listener, routes(self.world)).with_graceful_shutdown(signal);
        tokio::select! {
            served = served.into_future() => served,
            () = async {
                shutdown.cancelled().await;
                tokio::time::sleep(GRACE).await;
            } => Ok(()),
        }
    }
}

fn routes(world: Arc<World>) -> Router {
    let limit = DefaultBodyLimit::max(world.config.most_body_bytes);
    Router::new()
        .route("/v1/chat/completions", post(chat::completions))
        .route("/openai/v1/chat/completions", post(chat::completions))
        .route("/v1/models", get(chat::list_models))
        .route("/openai/v1/models", get(chat::list_models))
        .route("/v1beta/models", get(google::list_models))
        .route("/v1alpha/models", get(google::list_models))
        .route("/v1beta/models/{call}", post(google::call).get(google::show_model))
        .route("/v1alpha/models/{call}", post(google::call).get(google::show_model))
        .route("/v1/models/{call}", post(google::call).get(google::show_model))
        .route("/_control", post(control::add_rule).get(control::show).delete(control::back_to_normal))
        .route("/_log", get(control::show_log).delete(control::clear_log))
        .route("/.well-known/jwks.json", get(control::jwks))
        .route("/sso/jwks/{client_id}", get(control::jwks))
        .route("/_token", post(control::token))
        .route("/health", get(control::health))
        .fallback(control::no_such_route)
        .method_not_allowed_fallback(control::wrong_method)
        .layer(limit)
        .with_state(world)
}
