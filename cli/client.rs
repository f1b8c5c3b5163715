//! The api, as its users see it: HTTP, and nothing else.

mod batch;
mod feed;
mod follow;

use std::time::Duration;

use hellosales_worker::provider::http::is_loopback;
use reqwest::{Body, Method, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio_util::io::ReaderStream;
use uuid::Uuid;

use crate::problem::{Exit, Problem};
use crate::upload::Upload;

pub(crate) use batch::{Batch, Item, Warning};
pub(crate) use feed::Feed;
pub(crate) use follow::{Event, Follow, Reading};

/// What a client needs of a Run.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Run {
    /// Its id.
    pub(crate) id: Uuid,
    /// queued, running, completed, failed or cancelled.
    pub(crate) status: String,
    /// Why it failed.
    pub(crate) error: Option<RunError>,
    /// What it took.
    pub(crate) usage: Usage,
    /// When things happened.
    pub(crate) timing: Timing,
}

/// Why a run failed.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct RunError {
    /// The code.
    pub(crate) code: String,
    /// For people.
    pub(crate) message: String,
}

/// What a run took.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Usage {
    /// Tokens of the answer.
    pub(crate) tokens_out: Option<i64>,
    /// Cents.
    pub(crate) cost_cents: Option<f64>,
    /// Who answered.
    pub(crate) provider: Option<String>,
    /// With which model.
    pub(crate) model: Option<String>,
}

/// When things happened in a run.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Timing {
    /// Until the first token.
    pub(crate) ttft_ms: Option<i64>,
    /// Until the end.
    pub(crate) total_ms: Option<i64>,
}

/// One thing said.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Interaction {
    /// Whose words.
    pub(crate) role: String,
    /// complete, streaming, partial, failed or blocked.
    pub(crate) status: String,
    /// The words.
    pub(crate) content: Option<String>,
}

/// An answer comes within this time.
const ANSWER: Duration = Duration::from_secs(30);
/// An api that is not ready is asked again after this.
const AGAIN: Duration = Duration::from_millis(500);
/// A file is sent and applied within this time.
const UPLOAD: Duration = Duration::from_secs(1_800);

#[derive(Debug, Deserialize)]
struct List<T> {
    data: Vec<T>,
}

#[derive(Debug, Deserialize)]
struct Identified {
    id: Uuid,
}

#[derive(Debug, Deserialize)]
struct Me {
    organization: Identified,
}

/// The body of an error.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Refusal {
    code: String,
    detail: String,
    errors: Vec<Fault>,
}

/// What was wrong with a value.
#[derive(Debug, Deserialize)]
struct Fault {
    code: String,
}

impl Refusal {
    /// It would have been about nobody.
    fn is_of_none(&self) -> bool {
        self.errors.iter().any(|fault| matches!(fault.code.as_str(), "no_match" | "all_skipped"))
    }
}

/// A client for this URL. What is on this machine is asked directly, whatever proxy the environment names.
pub(crate) fn http(url: &str) -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder();
    if is_here(url) { builder.no_proxy() } else { builder }
}

fn is_here(url: &str) -> bool {
    url.parse().is_ok_and(|url: reqwest::Url| is_loopback(&url))
}

/// A user of the api.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Api {
    /// A user with this token.
    pub(crate) fn new(url: &str, token: String) -> anyhow::Result<Self> {
        let http = http(url).connect_timeout(Duration::from_secs(5)).build()?;
        Ok(Self { http, url: url.trim_end_matches('/').to_owned(), token })
    }

    /// The caller's organisation. A token's first sight makes it.
    pub(crate) async fn organization(&self) -> anyhow::Result<Uuid> {
        Ok(self.json::<Me>(self.request(Method::GET, "/auth/me")).await?.organization.id)
    }

    /// Starts a conversation.
    pub(crate) async fn create_session(&self, body: &Value) -> anyhow::Result<Uuid> {
        Ok(self.json::<Identified>(self.request(Method::POST, "/chat/sessions").json(body)).await?.id)
    }

    /// Whether there is such a session of the caller's.
    pub(crate) async fn session(&self, session: Uuid) -> anyhow::Result<()> {
        let found: Identified = self.json(self.request(Method::GET, &format!("/chat/sessions/{session}"))).await?;
        anyhow::ensure!(found.id == session, "the api gives another session");
        Ok(())
    }

    /// Says something. The answer comes as a run.
    pub(crate) async fn say(&self, session: Uuid, message: &str) -> anyhow::Result<Run> {
        let path = format!("/chat/sessions/{session}/messages");
        // An id of the message's own: sent twice, it is still said once.
        let body = json!({"message": message, "message_id": Uuid::now_v7()});
        self.json(self.request(Method::POST, &path).json(&body)).await
    }

    /// Stops a run.
    pub(crate) async fn cancel(&self, run: Uuid) -> anyhow::Result<Run> {
        self.json(self.request(Method::POST, &format!("/runs/{run}/cancel"))).await
    }

    /// What was said in a session, oldest first: the first hundred.
    pub(crate) async fn history(&self, session: Uuid) -> anyhow::Result<Vec<Interaction>> {
        let path = format!("/chat/sessions/{session}/history?limit=100");
        Ok(self.json::<List<Interaction>>(self.request(Method::GET, &path)).await?.data)
    }

    /// Follows a run from its beginning.
    pub(crate) fn follow(&self, run: Uuid) -> Follow {
        Follow::new(self.clone(), run)
    }

    /// Sends a file, as it is read.
    pub(crate) async fn upload<T: DeserializeOwned>(&self, path: &str, kind: &str, file: Upload) -> anyhow::Result<T> {
        let mut request = self.request(Method::POST, path).header("content-type", kind).timeout(UPLOAD);
        if let Some(length) = file.length() {
            request = request.header("content-length", length);
        }
        let body = Body::wrap_stream(ReaderStream::with_capacity(file, 64 * 1024));
        let answer = request.body(body).send().await.map_err(|error| self.unreachable(error))?;
        Ok(accepted(answer).await?.json().await?)
    }

    /// Reads something.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.json(self.request(Method::GET, path)).await
    }

    /// Reads a list's first page.
    pub(crate) async fn list<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<Vec<T>> {
        Ok(self.get::<List<T>>(path).await?.data)
    }

    /// Makes or does something, once.
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> anyhow::Result<T> {
        let key = Uuid::now_v7().to_string();
        self.json(self.request(Method::POST, path).header("Idempotency-Key", key).json(body)).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.token)
    }

    async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> anyhow::Result<T> {
        let answer = request.timeout(ANSWER).send().await.map_err(|error| self.unreachable(error))?;
        Ok(accepted(answer).await?.json().await?)
    }

    fn unreachable(&self, error: reqwest::Error) -> anyhow::Error {
        let problem = Problem::new(Exit::Unreachable, format!("no api answers at {}", self.url))
            .fix("hellosales dev    in another terminal, or name another api: --api-url URL");
        anyhow::Error::from(error.without_url()).context(problem)
    }
}

/// The answer, or why there is none.
async fn accepted(answer: Response) -> anyhow::Result<Response> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let refusal: Refusal = answer.json().await.unwrap_or_default();
    let exit = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Exit::NotAllowed,
        StatusCode::NOT_FOUND => Exit::NothingMatched,
        StatusCode::UNPROCESSABLE_ENTITY if refusal.is_of_none() => Exit::NothingMatched,
        StatusCode::CONFLICT => Exit::WrongState,
        StatusCode::SERVICE_UNAVAILABLE => Exit::Unreachable,
        _ => Exit::Failed,
    };
    let Refusal { code, detail, .. } = refusal;
    let problem = Problem::new(exit, format!("the api answers {}: {code}: {detail}", status.as_u16()));
    Err(match exit {
        Exit::NotAllowed => problem
            .fix("take a token of this installation's issuer: hellosales token --org Demo --user Dana --role admin"),
        _ => problem,
    }
    .into())
}
