//! Opening calls: the fence, and the budgets.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::Value;
use uuid::Uuid;

use super::NewCall;
use super::gate::{self, Shut};
use crate::budget::{self, Account, Booked, Exceeded, Limits, Need};
use crate::database::{Database, Tx};
use crate::error::DatabaseError;
use crate::id::{InteractionId, LeaseToken, SessionId, UserId};

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
    /// Its organisation's budget doesn't reach.
    OverOrgBudget(Exceeded),
}

/// What is left of a batch's budget.
#[derive(Debug)]
struct Budget {
    left: Decimal,
    /// By calls that are under way.
    reserved: Decimal,
}

/// What holds the calls of a group.
#[derive(Debug, Default)]
struct Holds {
    batches: BTreeMap<Uuid, Budget>,
    orgs: BTreeMap<Uuid, Account>,
}

/// Opens calls in one transaction: those whose steps are running under their tokens, whose batches' and organisations' budgets
/// reach, and whose models may be called. Says of each, in their order, what became of it.
///
/// # Errors
/// If the database refuses, or gave no answer: then the calls may be open, and closing them closes them.
pub async fn open_group(db: &Database, calls: &[&NewCall]) -> Result<Vec<Opened>, DatabaseError> {
    let mut tx = db.begin().await?;
    let locked = lock(&mut tx, calls).await?;
    let locked = if locked.without_default.is_empty() {
        locked
    } else {
        tx.rollback().await?;
        budget::adopt_defaults(db, &locked.without_default).await?;
        tx = db.begin().await?;
        lock(&mut tx, calls).await?
    };
    let orgs = budget::read(tx.connection(), &locked.orgs).await?;
    let mut holds = Holds { batches: locked.batches, orgs };
    let mut opened: Vec<Opened> = calls.iter().map(|call| holds.reserve(call)).collect();
    let passed: Vec<Passed<'_>> = calls
        .iter()
        .zip(&opened)
        .filter(|(_, opened)| **opened == Opened::Open)
        .map(|(call, _)| holds.passed(call))
        .collect();
    let open = insert(&mut tx, &passed).await?;
    let left_out: Vec<&NewCall> =
        passed.iter().map(|passed| passed.call).filter(|call| !open.contains(&call.id.uuid())).collect();
    if !left_out.is_empty() {
        let shut = gate::shut(&mut tx, &left_out).await?;
        for (call, opened) in calls.iter().zip(&mut opened) {
            if *opened == Opened::Open && !open.contains(&call.id.uuid()) {
                *opened = shut.get(&call.id.uuid()).map_or(Opened::Lost, |shut| Opened::Shut(*shut));
            }
        }
    }
    let held = passed.iter().filter(|passed| open.contains(&passed.call.id.uuid()));
    hold(&mut tx, &holds.batches, held).await?;
    budget::book(&mut tx, &holds.orgs, &booked(&holds.orgs, calls, &opened)).await?;
    tx.commit().await?;
    Ok(opened)
}

/// The budgets that a group of calls is held by, whose rows are locked.
#[derive(Default)]
struct Locked {
    batches: BTreeMap<Uuid, Budget>,
    orgs: BTreeMap<Uuid, Limits>,
    /// Organisations that are to have the budget of the settings.
    without_default: Vec<Uuid>,
}

/// The budgets of the calls' batches and of their organisations. Waits for their rows, in order: whoever holds one waits for
/// nothing but a higher one, and one of an organisation is higher than any of a batch.
async fn lock(tx: &mut Tx, calls: &[&NewCall]) -> Result<Locked, DatabaseError> {
    let unique =
        |ids: &mut dyn Iterator<Item = Uuid>| ids.collect::<BTreeSet<Uuid>>().into_iter().collect::<Vec<Uuid>>();
    let batches = unique(&mut calls.iter().filter_map(|call| call.batch_id).map(crate::BatchId::uuid));
    let orgs = unique(&mut calls.iter().map(|call| call.org_id.uuid()));
    let rows = sqlx::query_file!("src/provider_call/lock.sql", &batches, &orgs).fetch_all(tx.connection()).await?;
    let mut locked = Locked::default();
    for row in rows {
        if let (Some(batch), Some(left), Some(reserved)) = (row.batch_id, row.left, row.reserved) {
            locked.batches.insert(batch, Budget { left, reserved });
        } else if let Some(org) = row.org_id {
            let limits = Limits {
                requests_per_minute: row.requests_per_minute,
                tokens_per_minute: row.tokens_per_minute,
                cents_per_minute: row.cents_per_minute,
                requests_per_day: row.requests_per_day,
                tokens_per_day: row.tokens_per_day,
                cents_per_day: row.cents_per_day,
            };
            if limits.is_any() {
                locked.orgs.insert(org, limits);
            } else {
                locked.without_default.push(org);
            }
        }
    }
    Ok(locked)
}

/// A call that may be opened.
struct Passed<'c> {
    call: &'c NewCall,
    /// What it holds of its batch's budget.
    reserved: Decimal,
    /// When its organisation's budget counts it.
    counted_at: Option<DateTime<Utc>>,
}

impl Holds {
    fn passed<'c>(&self, call: &'c NewCall) -> Passed<'c> {
        let counted_at = self.orgs.get(&call.org_id.uuid()).map(|account| account.now);
        Passed { call, reserved: reserved(&self.batches, call), counted_at }
    }

    /// Takes what a call can take from its organisation's budget and its batch's, if both reach.
    fn reserve(&mut self, call: &NewCall) -> Opened {
        let account = self.orgs.get_mut(&call.org_id.uuid());
        if let Some(exceeded) = account.as_ref().and_then(|account| account.exceeded(need(call))) {
            return Opened::OverOrgBudget(exceeded);
        }
        let opened = reserve(&mut self.batches, call);
        if let Some(account) = account.filter(|_| opened == Opened::Open) {
            account.take(need(call));
        }
        opened
    }
}

const fn need(call: &NewCall) -> Need {
    Need { tokens: call.most_tokens, cents: call.most_cents }
}

/// What each organisation's calls took of its budget.
fn booked(orgs: &BTreeMap<Uuid, Account>, calls: &[&NewCall], opened: &[Opened]) -> BTreeMap<Uuid, Booked> {
    let mut booked: BTreeMap<Uuid, Booked> = BTreeMap::new();
    for (call, opened) in calls.iter().zip(opened) {
        let org = call.org_id.uuid();
        if !orgs.contains_key(&org) {
            continue;
        }
        let booked = booked.entry(org).or_default();
        booked.last = need(call);
        if *opened == Opened::Open {
            booked.requests += 1;
            booked.reserved.tokens = booked.reserved.tokens.saturating_add(call.most_tokens);
            booked.reserved.cents += call.most_cents;
        }
    }
    booked
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
    most_tokens: Vec<i64>,
    most_cents: Vec<Decimal>,
    counted: Vec<Option<DateTime<Utc>>>,
    probes: Vec<Option<Uuid>>,
}

impl Columns {
    fn push(&mut self, passed: &Passed<'_>) {
        let call = passed.call;
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
        self.reserved.push(passed.reserved);
        self.most_tokens.push(call.most_tokens);
        self.most_cents.push(call.most_cents);
        self.counted.push(passed.counted_at);
        self.probes.push(call.probe.map(LeaseToken::uuid));
    }
}

/// The fence: a row only where its step runs under its token. Each step is looked up by its key, whatever the planner
/// thinks of the table's size.
async fn insert(tx: &mut Tx, calls: &[Passed<'_>]) -> Result<HashSet<Uuid>, DatabaseError> {
    if calls.is_empty() {
        return Ok(HashSet::new());
    }
    let mut columns = Columns::default();
    for passed in calls {
        columns.push(passed);
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
        &columns.most_tokens,
        &columns.most_cents,
        &columns.counted as &[Option<DateTime<Utc>>],
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
    calls: impl Iterator<Item = &'c Passed<'c>>,
) -> Result<(), DatabaseError> {
    let mut held: BTreeMap<Uuid, Decimal> = BTreeMap::new();
    for Passed { call, reserved, .. } in calls {
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
    use crate::id::{BatchId, OrgId, ProviderCallId, RunId};

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
            most_tokens: 0,
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
