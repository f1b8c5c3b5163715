//! Batches, as far as commands show them.

use reqwest::{Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Api, Feed, accepted};
use crate::problem::{Exit, Problem};

/// An id may be cut to this many characters.
const PREFIX_CHARS: usize = 8;
/// So many pages of batches are looked through for one that begins like this.
const PAGES: usize = 10;
/// A submit whose answer is lost is repeated this often, with its key.
const TRIES: u32 = 4;

/// A batch.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Batch {
    pub(crate) id: Uuid,
    pub(crate) name: Option<String>,
    pub(crate) status: String,
    pub(crate) outcome: Option<String>,
    pub(crate) round: i64,
    pub(crate) counts: Counts,
    pub(crate) skipped: Skipped,
    pub(crate) cost_cents: f64,
    pub(crate) estimated_cost_cents: f64,
    pub(crate) max_cost_cents: Option<f64>,
    pub(crate) rate_per_minute: i64,
    pub(crate) eta: Option<String>,
    pub(crate) input: Input,
    pub(crate) waiting: Option<Waiting>,
    pub(crate) created_at: String,
    pub(crate) completed_at: Option<String>,
}

/// Its items, by how they stand.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Counts {
    pub(crate) total: u64,
    pub(crate) queued: u64,
    pub(crate) running: u64,
    pub(crate) completed: u64,
    pub(crate) failed: u64,
    pub(crate) cancelled: u64,
    #[serde(default)]
    pub(crate) warnings: u64,
}

impl Counts {
    /// Those that have ended.
    pub(crate) const fn done(&self) -> u64 {
        self.completed + self.failed + self.cancelled
    }
}

/// Clients who were listed and get no email of their own.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Skipped {
    pub(crate) duplicates: u64,
    pub(crate) inactive: u64,
}

/// What was asked for.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Input {
    pub(crate) email_type: String,
    pub(crate) instructions: Option<String>,
    pub(crate) quality_mode: String,
    pub(crate) sample: Option<u64>,
}

/// Why it doesn't move.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Waiting {
    pub(crate) reason: String,
    pub(crate) detail: Option<String>,
}

/// A client's place in a batch.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Item {
    pub(crate) n: u64,
    pub(crate) status: String,
    pub(crate) client: Recipient,
    pub(crate) run_id: Option<Uuid>,
    pub(crate) email: Option<Email>,
    pub(crate) error: Option<ItemError>,
    pub(crate) warnings: Vec<Warning>,
}

/// Whom an email is for.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Recipient {
    pub(crate) name: Option<String>,
    pub(crate) company: Option<String>,
}

/// An email.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Email {
    pub(crate) subject: String,
    pub(crate) body: String,
}

/// What somebody should look at before it is sent.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Warning {
    pub(crate) code: String,
    pub(crate) text: String,
}

/// Why there is none.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ItemError {
    pub(crate) code: String,
    pub(crate) message: String,
}

#[derive(Debug, Deserialize)]
struct Page {
    data: Vec<Value>,
    next_cursor: Option<String>,
}

impl Api {
    /// The id of a batch that is named whole, or by its beginning.
    pub(crate) async fn batch_id(&self, text: &str) -> anyhow::Result<Uuid> {
        if let Ok(id) = Uuid::try_parse(text) {
            return Ok(id);
        }
        let is_prefix = text.len() >= PREFIX_CHARS && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        if !is_prefix {
            let problem = Problem::new(Exit::Usage, format!("'{text}' is no id of a batch"));
            return Err(problem.fix(format!("write it whole, or its first {PREFIX_CHARS} characters or more")).into());
        }
        let (mut found, mut cursor) = (Vec::new(), None);
        for _ in 0..PAGES {
            let page = self.page("/email-batches?limit=100", cursor.as_deref()).await?;
            let ids = page.data.iter().filter_map(|batch| batch.get("id")?.as_str());
            found.extend(ids.filter(|id| id.starts_with(&text.to_ascii_lowercase())).map(str::to_owned));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        match found.as_slice() {
            [one] => Ok(Uuid::try_parse(one)?),
            [] => Err(Problem::new(Exit::NothingMatched, format!("no batch begins with {text}")).into()),
            many => {
                let problem = Problem::new(Exit::Usage, format!("{} batches begin with {text}", many.len()));
                Err(problem.fix(format!("write more of it: {}", many.join(", "))).into())
            }
        }
    }

    async fn page(&self, path: &str, cursor: Option<&str>) -> anyhow::Result<Page> {
        let cursor = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        self.get(&format!("{path}{cursor}")).await
    }

    /// A page of something that is listed, and where the next one is.
    pub(crate) async fn rows(&self, path: &str, cursor: Option<&str>) -> anyhow::Result<(Vec<Value>, Option<String>)> {
        let page = self.page(path, cursor).await?;
        Ok((page.data, page.next_cursor))
    }

    /// Submits a batch. The same key is the same batch, so what got no answer is sent again. Gives the batch, and whether it
    /// was there before.
    pub(crate) async fn submit_batch(&self, order: &Value, key: &str) -> anyhow::Result<(Value, bool)> {
        let mut tries = 0;
        loop {
            tries += 1;
            let request = self.request(Method::POST, "/email-batches").header("Idempotency-Key", key).json(order);
            let again = tries < TRIES;
            let answer: Response = match request.timeout(super::ANSWER).send().await {
                Ok(answer) if again && answer.status() == StatusCode::SERVICE_UNAVAILABLE => {
                    tokio::time::sleep(super::AGAIN).await;
                    continue;
                }
                Ok(answer) => answer,
                Err(error) if again && !error.is_connect() => continue,
                Err(error) => return Err(self.unreachable(error)),
            };
            let replayed = answer.headers().contains_key("idempotent-replayed");
            return Ok((accepted(answer).await?.json().await?, replayed));
        }
    }

    /// Tells a batch something: approve, pause, …
    pub(crate) async fn steer_batch(&self, id: Uuid, verb: &str) -> anyhow::Result<Value> {
        self.json(self.request(Method::POST, &format!("/email-batches/{id}/{verb}")).json(&json!({}))).await
    }

    /// Changes what a batch is asked for, or may cost.
    pub(crate) async fn change_batch(&self, id: Uuid, change: &Value) -> anyhow::Result<Value> {
        self.json(self.request(Method::PATCH, &format!("/email-batches/{id}")).json(change)).await
    }

    /// Follows a batch.
    pub(crate) fn follow_batch(&self, id: Uuid) -> Feed {
        Feed::new(self.clone(), format!("/email-batches/{id}/events"), format!("batch {id}"))
    }

    /// An answer as it comes, whatever is in it.
    pub(crate) async fn download(&self, path: &str) -> anyhow::Result<Response> {
        let answer = self.request(Method::GET, path).send().await.map_err(|error| self.unreachable(error))?;
        accepted(answer).await
    }
}
