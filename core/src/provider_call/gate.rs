//! The gate: why a call was not opened that nobody else's token stood against. The opening itself looks at breakers and pauses,
//! in its one statement; what it left out is asked about here.

use std::collections::HashMap;
use std::time::Duration;

use uuid::Uuid;

use super::NewCall;
use crate::breaker::{Key, OpenState, milliseconds};
use crate::database::Tx;
use crate::error::DatabaseError;

/// What stands against calls of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shut {
    /// Its breaker is open.
    Broken(OpenState),
    /// Its provider wants a pause of so long.
    Paused(Duration),
}

/// What stands against these calls, by their ids.
pub(super) async fn shut(tx: &mut Tx, calls: &[&NewCall]) -> Result<HashMap<Uuid, Shut>, DatabaseError> {
    let keys: Vec<Key> = calls.iter().map(|call| Key::llm(&call.provider, &call.model_id)).collect();
    let providers: Vec<String> = keys.iter().map(|key| key.provider.clone()).collect();
    let models: Vec<String> = keys.iter().map(|key| key.model.clone()).collect();
    let ids: Vec<Uuid> = calls.iter().map(|call| call.id.uuid()).collect();
    let rows = sqlx::query!(
        r#"SELECT v.id AS "id!", coalesce(b.status = 'open', false) AS "open!", b.actor IS NOT NULL AS "tripped!",
             ceil(extract(epoch FROM b.until - clock_timestamp()) * 1000)::bigint AS wait_ms,
             ceil(extract(epoch FROM b.probe_until - clock_timestamp()) * 1000)::bigint AS probing_ms,
             ceil(extract(epoch FROM l.paused_until - clock_timestamp()) * 1000)::bigint AS paused_ms
           FROM unnest($1::uuid[], $2::text[], $3::text[]) AS v(id, provider, model)
           LEFT JOIN breakers b ON b.operation = 'llm' AND b.provider = v.provider AND b.model = v.model
           LEFT JOIN limits l ON l.provider = v.provider AND l.model = v.model"#,
        &ids,
        &providers,
        &models,
    )
    .fetch_all(tx.connection())
    .await?;
    let shut = rows.into_iter().filter_map(|row| {
        let paused = row.paused_ms.filter(|&left| left > 0).map(milliseconds);
        let shut = if row.open {
            Shut::Broken(OpenState {
                wait: row.wait_ms.map(milliseconds),
                probing: row.probing_ms.filter(|&left| left > 0).map(milliseconds),
                tripped: row.tripped,
            })
        } else {
            Shut::Paused(paused?)
        };
        Some((row.id, shut))
    });
    Ok(shut.collect())
}
