//! Clients by file. It is read as it comes: its rows are checked, and wait in the database; when all have come they are
//! applied in one transaction. Of the file no more is ever held than a group of rows, and a number for each key of a row.

mod apply;
mod broken;
mod columns;
mod intake;
mod opening;
mod people;
mod reader;
mod row;
mod source;
mod waiting;

use axum::extract::Request;
use hellosales_core::content::client_import::{Arrived, Counts, Mode};
use hellosales_core::{ErrorCode, ImportId, OrgId, UserId};
use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::Problem;
use crate::extract::IdempotencyKey;
use crate::state::AppState;
use intake::Intake;
use source::Source;
use waiting::Waiting;

/// So many files come in at once at one api process; whoever comes later is told to come back.
const UPLOADS: usize = 32;
/// So many are applied at once: each takes a connection, perhaps for as long as others of its organisation take.
const APPLIED: usize = 2;

/// How many files a process works on.
pub(crate) struct Imports {
    uploads: Semaphore,
    applied: Semaphore,
}

impl Default for Imports {
    fn default() -> Self {
        Self { uploads: Semaphore::new(UPLOADS), applied: Semaphore::new(APPLIED) }
    }
}

impl Imports {
    fn admit(&self) -> Result<SemaphorePermit<'_>, Problem> {
        self.uploads.try_acquire().map_err(|_| {
            Problem::new(ErrorCode::RateLimited, "too many files are being imported at once").retry_after(5)
        })
    }
}

/// Who sends a file, and what is to become of it.
#[derive(Debug, Clone)]
pub(crate) struct Errand {
    pub(crate) org: OrgId,
    pub(crate) user: UserId,
    pub(crate) mode: Mode,
    pub(crate) dry_run: bool,
    pub(crate) key: IdempotencyKey,
}

/// What became of a file.
#[derive(Debug, Clone)]
pub(crate) enum Done {
    /// Its rows did this, and the import is kept.
    Applied(ImportId),
    /// The same request came before, and made this import.
    Replayed(ImportId),
    /// Nothing was written; its rows would have done this.
    Nothing(Arrived, Counts),
}

/// Reads a file, and applies it.
///
/// # Errors
/// If it can't be read, with the line; nothing of it is kept then.
pub(crate) async fn receive(state: &AppState, errand: Errand, request: Request) -> Result<Done, Problem> {
    let _upload = state.imports.admit()?;
    let mut source = Source::new(request, state)?;
    let mut waiting = Waiting::new(state, errand.org, ImportId::new());
    let mut intake = Intake::default();
    // What must be the same for the same answer: the file, byte for byte, and what is to become of it.
    let mut digest = Sha256::new().chain_update(errand.mode.as_str());
    while let Some(chunk) = source.next(state).await? {
        digest.update(&chunk);
        if intake.is_open() {
            drive(&mut intake, &chunk, &mut waiting).await?;
        } else if let Some(opened) = intake.look(&chunk)? {
            drive(&mut intake, &opened, &mut waiting).await?;
        }
    }
    let last = intake.last()?;
    drive(&mut intake, &last, &mut waiting).await?;
    intake.finish()?;
    waiting.stage(intake.take_group()).await?;
    let arrived = Arrived {
        id: waiting.import(),
        mode: errand.mode,
        rows: waiting.rows(),
        rejected: intake.rejected,
        ignored_columns: intake.ignored_columns(),
        errors: intake.errors,
        created_by: errand.user,
    };
    tracing::debug!(import_id = %arrived.id, org_id = %errand.org, rows = arrived.rows, rejected = arrived.rejected, "a file of clients has come");
    if arrived.mode == Mode::AllOrNothing && arrived.rejected > 0 {
        return Ok(Done::Nothing(arrived, Counts::default()));
    }
    let key = errand.key.with(errand.user, &digest.finalize().into());
    let (work, org, dry_run) = (state.clone(), errand.org, errand.dry_run);
    state
        .detached(async move {
            let _turn = work.imports.applied.acquire().await.map_err(|_| stopping())?;
            apply::apply(&work, org, arrived, key.filter(|_| !dry_run), dry_run).await
        })
        .await
}

/// The api is told to stop.
fn stopping() -> Problem {
    Problem::new(ErrorCode::NotReady, "the api is being stopped; nothing was imported").retry_after(1)
}

async fn drive(intake: &mut Intake, mut bytes: &[u8], waiting: &mut Waiting) -> Result<(), Problem> {
    while !bytes.is_empty() {
        if intake.read(&mut bytes)? {
            waiting.stage(intake.take_group()).await?;
        }
    }
    Ok(())
}
