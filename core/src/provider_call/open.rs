//! Opening calls: the fence, and the budget.

use std::collections::{BTreeMap, HashSet};

use rust_decimal::Decimal;
use serde_json::Value;
use uuid::Uuid;

use super::NewCall;
use super::gate::{self, Shut};
use crate::database::{Database, Tx};
use crate::error::DatabaseError;
use crate::id::{InteractionId, SessionId, UserId};

/// What became of a call that was to be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// It is open, and may be made.
    Open,
    /// Its step is lost: nothing may be called.
    Lost,
    /// Its batch's budget doesn't reach.
    OverBudget {
        /// Calls under way hold some of it, which may come back.
        may_come_back: bool,
    },
    /// Its model may not be called now.
    Shut(Shut),
}

/// What is left of a batch's budget.
#[derive(Debug)]
struct Budget {
    left: Decimal,
    /// By calls that are under way.
    reserved: Decimal,
}

/// Opens calls in one transaction: those whose steps are running under their tokens, whose batches' budgets reach, and whose
/// models may be called.
/// Says of each, in their order, what became of it.
///
/// # Errors
/// If the database refuses, or gave no answer: then the calls may be open, and closing them closes them.
pub async fn open_group(db: &Database, calls: &[&NewCall]) -> Result<Vec<Opened>, DatabaseError> {
    let mut tx = db.begin().await?;
    let mut budgets = lock_budgets(&mut tx, calls).await?;
    let mut opened: Vec<Opened> = calls.iter().map(|call| reserve(&mut budgets, call)).collect();
    let passed: Vec<(&NewCall, Decimal)> = calls
        .iter()
        .zip(&opened)
        .filter(|(_, opened)| **opened == Opened::Open)
        .map(|(call, _)| (*call, reserved(&budgets, call)))
        .collect();
    let open = insert(&mut tx, &passed).await?;
    let left_out: Vec<&NewCall> =
        passed.iter().map(|(call, _)| *call).filter(|call| !open.contains(&call.id.uuid())).collect();
    if !left_out.is_empty() {
        let shut = gate::shut(&mut tx, &left_out).await?;
        for (call, opened) in calls.iter().zip(&mut opened) {
            if *opened == Opened::Open && !open.contains(&call.id.uuid()) {
                *opened = shut.get(&call.id.uuid()).map_or(Opened::Lost, |shut| Opened::Shut(*shut));
            }
        }
    }
    let held = passed.iter().filter(|(call, _)| open.contains(&call.id.uuid()));
    hold(&mut tx, &budgets, held).await?;
    tx.commit().await?;
    Ok(opened)
}

/// The budgets of the calls' batches. Waits for their rows, in order: whoever holds one waits for nothing but a higher one.
async fn lock_budgets(tx: &mut Tx, calls: &[&NewCall]) -> Result<BTreeMap<Uuid, Budget>, DatabaseError> {
    let mut batches: Vec<Uuid> = calls.iter().filter_map(|call| call.batch_id).map(crate::BatchId::uuid).collect();
    batches.sort_unstable();
    batches.dedup();
    if batches.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows = sqlx::query!(
        "SELECT batch_id, max_cost_cents - spent_cents - reserved_cents AS \"left!\", reserved_cents AS reserved
         FROM batch_budgets WHERE batch_id = ANY($1) ORDER BY batch_id FOR NO KEY UPDATE",
        &batches
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(rows.into_iter().map(|row| (row.batch_id, Budget { left: row.left, reserved: row.reserved })).collect())
}

/// Takes what a call can cost from its budget, if that reaches.
fn reserve(budgets: &mut BTreeMap<Uuid, Budget>, call: &NewCall) -> Opened {
    let Some(budget) = call.batch_id.and_then(|batch| budgets.get_mut(&batch.uuid())) else { return Opened::Open };
    if call.most_cents > budget.left {
        return Opened::OverBudget { may_come_back: !budget.reserved.is_zero() };
    }
    budget.left -= call.most_cents;
    budget.reserved += call.most_cents;
    Opened::Open
}

/// Nothing is reserved where there is no budget.
fn reserved(budgets: &BTreeMap<Uuid, Budget>, call: &NewCall) -> Decimal {
    let has_budget = call.batch_id.is_some_and(|batch| budgets.contains_key(&batch.uuid()));
    if has_budget { call.most_cents } else { Decimal::ZERO }
}

/// What is inserted, column by column.
#[derive(Default)]
struct Columns {
    ids: Vec<Uuid>,
    orgs: Vec<Uuid>,
    runs: Vec<Uuid>,
    stages: Vec<i16>,
    tokens: Vec<Uuid>,
    attempts: Vec<i32>,
    services: Vec<String>,
    providers: Vec<String>,
    models: Vec<String>,
    requests: Vec<Option<String>>,
    sessions: Vec<Option<Uuid>>,
    interactions: Vec<Option<Uuid>>,
    users: Vec<Option<Uuid>>,
    prompts: Vec<Value>,
    tokens_in: Vec<i32>,
    reserved: Vec<Decimal>,
    probes: Vec<Option<Uuid>>,
}

impl Columns {
    fn push(&mut self, call: &NewCall, reserved: Decimal) {
        self.ids.push(call.id.uuid());
        self.orgs.push(call.org_id.uuid());
        self.runs.push(call.run_id.uuid());
        self.stages.push(call.stage);
        self.tokens.push(call.token.uuid());
        self.attempts.push(i32::from(call.attempt));
        self.services.push(call.service.to_owned());
        self.providers.push(call.provider.clone());
        self.models.push(call.model_id.clone());
        self.requests.push(call.request_id.clone());
        self.sessions.push(call.session_id.map(SessionId::uuid));
        self.interactions.push(call.interaction_id.map(InteractionId::uuid));
        self.users.push(call.user_id.map(UserId::uuid));
        self.prompts.push(call.prompt_messages.clone());
        self.tokens_in.push(call.tokens_in);
        self.reserved.push(reserved);
        self.probes.push(call.probe);
    }
}

/// The fence: a row only where its step runs under its token. Each step is looked up by its key, whatever the planner
/// thinks of the table's size.
async fn insert(tx: &mut Tx, calls: &[(&NewCall, Decimal)]) -> Result<HashSet<Uuid>, DatabaseError> {
    if calls.is_empty() {
        return Ok(HashSet::new());
    }
    let mut columns = Columns::default();
    for (call, reserved) in calls {
        columns.push(call, *reserved);
    }
    let ids = sqlx::query_file_scalar!(
        "src/provider_call/open.sql",
        &columns.ids,
        &columns.orgs,
        &columns.runs,
        &columns.stages,
        &columns.tokens,
        &columns.attempts,
        &columns.services,
        &columns.providers,
        &columns.models,
        &columns.requests as &[Option<String>],
        &columns.sessions as &[Option<Uuid>],
        &columns.interactions as &[Option<Uuid>],
        &columns.users as &[Option<Uuid>],
        &columns.prompts,
        &columns.tokens_in,
        &columns.reserved,
        &columns.probes as &[Option<Uuid>],
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(ids.into_iter().collect())
}

/// Writes what the opened calls hold of their budgets. The rows are locked.
async fn hold<'c>(
    tx: &mut Tx,
    budgets: &BTreeMap<Uuid, Budget>,
    calls: impl Iterator<Item = &'c (&'c NewCall, Decimal)>,
) -> Result<(), DatabaseError> {
    let mut held: BTreeMap<Uuid, Decimal> = BTreeMap::new();
    for (call, reserved) in calls {
        if let Some(batch) = call.batch_id.map(crate::BatchId::uuid).filter(|batch| budgets.contains_key(batch)) {
            *held.entry(batch).or_default() += *reserved;
        }
    }
    if held.is_empty() {
        return Ok(());
    }
    let (batches, cents): (Vec<Uuid>, Vec<Decimal>) = held.into_iter().unzip();
    sqlx::query!(
        "UPDATE batch_budgets b SET reserved_cents = b.reserved_cents + v.cents
         FROM unnest($1::uuid[], $2::numeric[]) AS v(batch_id, cents) WHERE b.batch_id = ANY($1) AND b.batch_id = v.batch_id",
        &batches,
        &cents,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{BatchId, LeaseToken, OrgId, ProviderCallId, RunId};

    fn call(batch: Option<BatchId>, most_cents: i64) -> NewCall {
        NewCall {
            id: ProviderCallId::new(),
            org_id: OrgId::new(),
            run_id: RunId::new(),
            stage: 0,
            attempt: 1,
            token: LeaseToken::random(),
            service: "email",
            provider: String::new(),
            model_id: String::new(),
            request_id: None,
            session_id: None,
            interaction_id: None,
            user_id: None,
            prompt_messages: Value::Null,
            tokens_in: 0,
            batch_id: batch,
            most_cents: most_cents.into(),
            probe: None,
        }
    }

    #[test]
    fn a_budget_is_taken_to_the_last_cent_and_never_beyond() {
        let batch = BatchId::new();
        let mut budgets = BTreeMap::from([(batch.uuid(), Budget { left: 10.into(), reserved: Decimal::ZERO })]);
        let too_much = call(Some(batch), 11);
        assert_eq!(reserve(&mut budgets, &too_much), Opened::OverBudget { may_come_back: false });
        assert_eq!(reserve(&mut budgets, &call(Some(batch), 4)), Opened::Open);
        assert_eq!(reserve(&mut budgets, &call(Some(batch), 7)), Opened::OverBudget { may_come_back: true });
        assert_eq!(reserve(&mut budgets, &call(Some(batch), 6)), Opened::Open);
        assert_eq!(reserve(&mut budgets, &call(Some(batch), 1)), Opened::OverBudget { may_come_back: true });
    }

    #[test]
    fn where_there_is_no_budget_nothing_is_reserved() {
        let mut budgets = BTreeMap::new();
        for call in [call(None, 1_000), call(Some(BatchId::new()), 1_000)] {
            assert_eq!(reserve(&mut budgets, &call), Opened::Open);
            assert_eq!(reserved(&budgets, &call), Decimal::ZERO);
        }
    }
}
