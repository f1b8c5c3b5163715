//! What is redriven by itself: letters whose time has come, of the classes that were set when they were written.

use super::{Model, Redrive, Redriven, within};
use crate::database::Database;
use crate::error::DatabaseError;
use crate::id::{DeadLetterId, OrgId, RunId};
use crate::queue::Wakes;

/// So many at one look.
const GROUP: i64 = 50;
/// Who it was, for the record.
const ACTOR: &str = "automatic";

struct Due {
    id: DeadLetterId,
    org_id: OrgId,
    run_id: RunId,
    generation: i32,
}

/// Redrives what is due, each in a transaction of its own, by the model of the life before. What can't be redriven isn't tried
/// again by itself. Says how many live again. After the commit, wake.
///
/// # Errors
/// If the database refuses or can't be reached; what was redriven until then stands.
pub async fn due(db: &Database, stage_timeout_ms: i32) -> Result<(u32, Wakes), DatabaseError> {
    let letters = sqlx::query_as!(
        Due,
        r#"SELECT id AS "id: DeadLetterId", org_id AS "org_id: OrgId", pipeline_run_id AS "run_id: RunId", generation FROM dead_letter_queue
           WHERE status = 'pending' AND next_retry_at <= now() ORDER BY next_retry_at LIMIT $1"#,
        GROUP,
    )
    .fetch_all(db.fast())
    .await?;
    let (mut redriven, mut wakes) = (0, Wakes::default());
    for letter in letters {
        let how = Redrive {
            model: Model::AsBefore,
            generation: Some(letter.generation),
            stage_timeout_ms,
            ..Redrive::new(ACTOR)
        };
        let mut tx = db.begin().await?;
        let done = match within(&mut tx, letter.org_id, letter.run_id, &how).await {
            Ok(done) => done,
            // Somebody works on it: the next look finds it again.
            Err(error) if error.is_lock_timeout() => continue,
            // What is wrong with one must not keep the others from their turn.
            Err(error) if error.is_rejected() => {
                drop(tx);
                put_off(db, letter.id).await?;
                tracing::warn!(dead_letter_id = %letter.id, %error, "a dead letter could not be redriven by itself");
                continue;
            }
            Err(error) => return Err(error),
        };
        if matches!(done.0, Redriven::Resumed { .. } | Redriven::Restarted { .. }) {
            redriven += 1;
            wakes.merge(done.1);
        } else {
            sqlx::query!("UPDATE dead_letter_queue SET next_retry_at = NULL WHERE id = $1", letter.id.uuid())
                .execute(tx.connection())
                .await?;
        }
        tx.commit().await?;
    }
    Ok((redriven, wakes))
}

async fn put_off(db: &Database, letter: DeadLetterId) -> Result<(), DatabaseError> {
    sqlx::query!(
        "UPDATE dead_letter_queue SET next_retry_at = now() + interval '10 minutes' WHERE id = $1 AND next_retry_at IS NOT NULL",
        letter.uuid()
    )
    .execute(db.durable())
    .await?;
    Ok(())
}
