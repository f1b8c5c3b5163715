//! The columns of a dead letter.

use hellosales_core::dead_letter::LetterStatus;
use hellosales_core::dead_letter::read::Letter;

use crate::filter::Filtered;
use crate::list::{Cell, Column};

static STATUSES: [&str; 4] = [
    LetterStatus::Pending.as_str(),
    LetterStatus::Investigating.as_str(),
    LetterStatus::Resolved.as_str(),
    LetterStatus::Abandoned.as_str(),
];

/// What dead letters can be filtered by, in lists.
pub(super) const LETTERS: Filtered =
    Filtered { nouns: "dead letters", statuses: &STATUSES, lacks: &[], since: Some("7d") };

/// The same in bulk: what is not said is not added.
pub(super) const LETTERS_IN_BULK: Filtered = Filtered { since: None, ..LETTERS };

pub(super) static COLUMNS: &[Column<Letter>] = &[
    Column::new("id", "id", |letter| Cell::said(letter.id)),
    Column::new("status", "status", |letter| (&letter.status).into()),
    Column::new("error_code", "error", |letter| letter.error_code.as_ref().into()),
    Column::new("failed_stage", "stage", |letter| letter.failed_stage.as_ref().into()),
    Column::new("pipeline", "pipeline", |letter| letter.pipeline.as_ref().into()),
    Column::new("provider", "provider", |letter| letter.provider.as_ref().into()),
    Column::new("fingerprint", "fingerprint", |letter| letter.fingerprint.as_ref().into()),
    Column::new("retry_count", "redriven", |letter| letter.retry_count.into()),
    Column::new("created_at", "created", |letter| letter.created_at.into()),
    Column::wide("pipeline_run_id", "run", |letter| Cell::said(letter.pipeline_run_id)),
    Column::wide("generation", "generation", |letter| letter.generation.into()),
    Column::wide("run_status", "run is", |letter| letter.run_status.as_ref().into()),
    Column::wide("error_message", "message", |letter| letter.error_message.as_ref().into()),
    Column::wide("model_id", "model", |letter| letter.model_id.as_ref().into()),
    Column::wide("failures", "failures", |letter| letter.failures.into()),
    Column::wide("crashes", "crashes", |letter| letter.crashes.into()),
    Column::wide("snoozes", "snoozes", |letter| letter.snoozes.into()),
    Column::wide("org_id", "organisation's id", |letter| Cell::said(letter.org_id)),
    Column::wide("batch_id", "batch", |letter| Cell::said_if(letter.batch_id)),
    Column::wide("session_id", "session", |letter| Cell::said_if(letter.session_id)),
    Column::wide("user_id", "user", |letter| Cell::said_if(letter.user_id)),
    Column::wide("request_id", "request", |letter| letter.request_id.as_ref().into()),
    Column::wide("previous_id", "previous", |letter| Cell::said_if(letter.previous_id)),
    Column::wide("resolution", "resolution", |letter| letter.resolution.as_ref().into()),
    Column::wide("resolved_by_actor", "by", |letter| letter.resolved_by_actor.as_ref().into()),
    Column::wide("resolved_at", "resolved", |letter| letter.resolved_at.into()),
    Column::wide("resolution_notes", "notes", |letter| letter.resolution_notes.as_ref().into()),
    Column::wide("investigated_by_actor", "investigated by", |letter| letter.investigated_by_actor.as_ref().into()),
    Column::wide("investigated_at", "investigated", |letter| letter.investigated_at.into()),
    Column::wide("max_retries", "most redrives", |letter| letter.max_retries.into()),
    Column::wide("last_retry_at", "last redriven", |letter| letter.last_retry_at.into()),
    Column::wide("next_retry_at", "redriven next", |letter| letter.next_retry_at.into()),
    Column::wide("restart_only", "only from start", |letter| Cell::Flag(letter.restart_only)),
    Column::wide("updated_at", "updated", |letter| letter.updated_at.into()),
];
