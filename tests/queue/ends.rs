//! Ends of stages, and effects that can be counted.

use std::sync::Arc;

use futures::future::BoxFuture;
use hellosales_core::database::OrgTx;
use hellosales_core::queue::{ClaimedStep, Effects, End, Settlement, turn};
use hellosales_core::{DatabaseError, ErrorCode, Failure, RunId, SessionId};
use serde_json::{Value, json};

/// A result, with an answer if it is a turn's last stage that is done.
pub(crate) fn result(step: ClaimedStep, end: End) -> Settlement {
    let answers = step.shape().name == "persist" && step.run().user_sequence.is_some() && matches!(end, End::Ok(_));
    let effects = answers.then(|| Answer::of(&step));
    let settlement = Settlement::new(step, end);
    match effects {
        Some(effects) => settlement.with_effects(effects),
        None => settlement,
    }
}

/// A stage is done.
pub(crate) fn ok() -> End {
    End::Ok(json!({}))
}

/// A stage is done, with this output.
pub(crate) fn output(value: Value) -> End {
    End::Ok(value)
}

/// A stage failed for good.
pub(crate) fn failed() -> End {
    End::Fail(Failure::new(ErrorCode::StageFailed, "no"))
}

/// A stage failed, and may try again.
pub(crate) fn retry() -> End {
    End::Retry { failure: Failure::new(ErrorCode::ProviderUnavailable, "not now"), retry_after: None }
}

/// An effect that can be counted: a product.
pub(crate) struct Product;

impl Effects for Product {
    fn apply<'a>(&'a self, tx: &'a mut OrgTx<'_>) -> BoxFuture<'a, Result<(), DatabaseError>> {
        Box::pin(async move {
            let org = tx.org();
            sqlx::query("INSERT INTO products (id, org_id, name) VALUES (gen_random_uuid(), $1, 'made')")
                .bind(org.uuid())
                .execute(tx.connection())
                .await?;
            Ok(())
        })
    }
}

/// Effects that are written, and then can't go on.
pub(crate) struct Interrupted;

impl Effects for Interrupted {
    fn apply<'a>(&'a self, tx: &'a mut OrgTx<'_>) -> BoxFuture<'a, Result<(), DatabaseError>> {
        Box::pin(async move {
            Product.apply(tx).await?;
            Err(DatabaseError::Interrupted)
        })
    }
}

/// The assistant's interaction, as persist writes it.
pub(crate) struct Answer {
    session: SessionId,
    run: RunId,
    sequence: i32,
}

impl Answer {
    /// Of this step's turn.
    pub(crate) fn of(step: &ClaimedStep) -> Arc<dyn Effects> {
        let session = step.run().session_id.expect("a turn");
        Arc::new(Self { session, run: step.run().id, sequence: sequence(step) })
    }
}

impl Effects for Answer {
    fn apply<'a>(&'a self, tx: &'a mut OrgTx<'_>) -> BoxFuture<'a, Result<(), DatabaseError>> {
        Box::pin(async move {
            let org = tx.org();
            let written = sqlx::query(
                "INSERT INTO interactions (id, org_id, session_id, run_id, role, content, sequence_number)
                 VALUES ($1, $2, $3, $4, 'assistant', '', $5) ON CONFLICT (id) DO NOTHING",
            )
            .bind(turn::answer_id(self.run).uuid())
            .bind(org.uuid())
            .bind(self.session.uuid())
            .bind(self.run.uuid())
            .bind(self.sequence)
            .execute(tx.connection())
            .await?;
            sqlx::query("UPDATE sessions SET interaction_count = interaction_count + $2 WHERE id = $1")
                .bind(self.session.uuid())
                .bind(i32::try_from(written.rows_affected()).unwrap_or(0))
                .execute(tx.connection())
                .await?;
            Ok(())
        })
    }
}

fn sequence(step: &ClaimedStep) -> i32 {
    step.run().user_sequence.unwrap_or(0) + 1
}
