//! An operator at the terminal: in the database with the operator's role, so that it works when the api is down.

use std::os::unix::fs::MetadataExt;

use chrono::{DateTime, Utc};
use hellosales_core::id::OrgId;
use hellosales_core::notify;
use hellosales_core::pulse::prefix::{self, CANDIDATES, Noun, Range};
use hellosales_core::queue::Wakes;
use hellosales_core::{Database, DatabaseError, Role};
use uuid::Uuid;

use crate::Global;
use crate::problem::{Exit, Problem};
use crate::{config, database};

/// What the database says of a statement that it gave up.
const TOO_LONG: &str = "57014";
const MAX_ACTOR_CHARS: usize = 100;

/// Who does something, where, and in which organisation.
#[derive(Debug, Clone)]
pub(crate) struct Operator {
    /// The database, with the operator's role.
    pub(crate) db: Database,
    /// Who it is, as the audit log has it: `operator:<name>`.
    pub(crate) actor: String,
    /// Whose things are looked at; `None`: those of all organisations.
    pub(crate) org: Option<OrgId>,
    url: String,
}

impl Operator {
    /// Opens the database, and finds the organisation that `--org` names.
    pub(crate) async fn open(global: &Global) -> anyhow::Result<Self> {
        let actor = actor(global)?;
        let url = database::url(global)?;
        let db = database::open(&url, Role::Operator, "hellosales operator")?;
        let mut operator = Self { db, actor, org: None, url };
        if let Some(org) = &global.org {
            operator.org = Some(operator.organization(org).await?);
        }
        Ok(operator)
    }

    /// A database's error, as this program tells it: with what to do, and with its exit code.
    pub(crate) fn fault(&self, error: DatabaseError) -> anyhow::Error {
        if error.sqlstate().as_deref() == Some(TOO_LONG) {
            return Problem::new(Exit::Failed, "the database takes longer for it than 10s")
                .fix("narrow it: a shorter --since, one --org")
                .into();
        }
        database::unreachable(error, &self.url)
    }

    /// The URL of the database.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The database's time.
    pub(crate) async fn now(&self) -> anyhow::Result<DateTime<Utc>> {
        prefix::now(&self.db).await.map_err(|error| self.fault(error))
    }

    /// Wakes whom a commit concerns. That nobody heard is no fault: the polls find it.
    pub(crate) async fn wake(&self, wakes: Wakes) {
        if let Err(error) = notify::send_once(&self.db, wakes).await {
            tracing::debug!(%error, "a wake-up was lost");
        }
    }

    /// The organisation that is called so: a slug, a name, an id, or the first characters of an id.
    pub(crate) async fn organization(&self, text: &str) -> anyhow::Result<OrgId> {
        let found = prefix::organizations(&self.db, text).await.map_err(|error| self.fault(error))?;
        match found.as_slice() {
            [] => Err(Problem::new(Exit::NothingMatched, format!("there is no organisation '{text}'")).into()),
            [one] => Ok(one.id),
            many => {
                let list = many.iter().map(|one| format!("{}  {}", one.id, one.name)).collect();
                Err(ambiguous("organisation", text, list))
            }
        }
    }

    /// The thing whose id begins so.
    pub(crate) async fn id(&self, noun: Noun, text: &str) -> anyhow::Result<Uuid> {
        let name = name(noun);
        let range = Range::parse(text).ok_or_else(|| {
            Problem::new(Exit::Usage, format!("'{text}' is no id of a {name}"))
                .fix("give the whole id, or at least its first 8 characters")
        })?;
        let found = prefix::find(&self.db, noun, range, self.org).await.map_err(|error| self.fault(error))?;
        match found.as_slice() {
            [] => Err(Problem::new(Exit::NothingMatched, format!("there is no {name} {text}")).into()),
            [one] => Ok(*one),
            many => Err(ambiguous(name, text, many.iter().map(Uuid::to_string).collect())),
        }
    }

    /// The things whose ids begin so, each once, in the order given.
    pub(crate) async fn ids(&self, noun: Noun, texts: &[String]) -> anyhow::Result<Vec<Uuid>> {
        let mut ids = Vec::with_capacity(texts.len());
        for text in texts {
            let id = self.id(noun, text).await?;
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        Ok(ids)
    }
}

/// What a kind of thing is called.
const fn name(noun: Noun) -> &'static str {
    match noun {
        Noun::Run => "run",
        Noun::DeadLetter => "dead letter",
        Noun::Operation => "operation",
        Noun::Worker => "worker",
        Noun::Batch => "batch",
        Noun::Session => "session",
        Noun::User => "user",
    }
}

/// More than one is meant: each is shown, so that the next try names one.
fn ambiguous(noun: &str, text: &str, mut candidates: Vec<String>) -> anyhow::Error {
    let is_cut = i64::try_from(candidates.len()).is_ok_and(|n| n >= CANDIDATES);
    if is_cut {
        candidates.pop();
        candidates.push("… and more".to_owned());
    }
    Problem::new(Exit::Usage, format!("'{text}' is more than one {noun}"))
        .fix(format!("give more of it; it may be one of these:\n{}", candidates.join("\n")))
        .into()
}

/// `--actor`, else HELLOSALES_ACTOR, else whoever is logged in.
fn actor(global: &Global) -> anyhow::Result<String> {
    let named = global.actor.clone().or_else(|| config::optional("HELLOSALES_ACTOR"));
    let name = named.or_else(|| config::optional("USER")).or_else(|| config::optional("LOGNAME")).unwrap_or_else(uid);
    let name = name.trim();
    if name.is_empty() || name.chars().count() > MAX_ACTOR_CHARS || name.chars().any(char::is_control) {
        let what = format!("an actor is a name of at most {MAX_ACTOR_CHARS} characters on one line");
        return Err(Problem::new(Exit::Usage, what).into());
    }
    Ok(format!("operator:{name}"))
}

/// Where nobody is logged in, as in a container, the process still is somebody's.
fn uid() -> String {
    std::fs::metadata("/proc/self").map_or_else(|_| "unknown".to_owned(), |of| format!("uid-{}", of.uid()))
}
