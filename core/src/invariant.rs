//! The checker: what must hold in the rows, each rule a query that returns who breaks it.
//!
//! One snapshot serves all rules, so what holds at every commit holds in it, also while workers run.
//! The rules are `protocol.md` 1 and 12 and `reliability.md` 3, as far as rows can show them.

use futures::future::BoxFuture;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::Connection;
use sqlx::postgres::PgConnection;

use crate::error::DatabaseError;
use crate::pipeline::{self, Pipeline};

/// What must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Its name; also its query's file.
    pub name: &'static str,
    /// What it says, in a sentence.
    pub says: &'static str,
    /// It holds only when nothing is on its way any more.
    pub quiet_only: bool,
}

/// Which rules are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Those that hold at any instant, whatever is running.
    Live,
    /// All: every run has ended, and nothing is left to do.
    Quiet,
}

/// A row that breaks a rule.
#[derive(Debug, Clone, Serialize)]
pub struct Violation {
    /// The rule.
    pub rule: &'static str,
    /// Ids, numbers and statuses; never a text of a user's or a model's.
    pub row: Value,
}

/// What the checker found; at most 20 rows a rule.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The rules that were asked.
    pub rules: usize,
    /// The runs that they were asked about.
    pub runs: i64,
    /// Who breaks them; empty if all hold.
    pub violations: Vec<Violation>,
}

type Query = for<'a> fn(&'a mut PgConnection, &'a Value) -> BoxFuture<'a, sqlx::Result<Vec<Value>>>;

struct Check {
    rule: Rule,
    query: Query,
}

macro_rules! query {
    (rows, $file:literal) => {
        |connection, _| Box::pin(sqlx::query_file_scalar!($file).fetch_all(connection))
    };
    (shapes, $file:literal) => {
        |connection, shapes| Box::pin(sqlx::query_file_scalar!($file, shapes).fetch_all(connection))
    };
}

macro_rules! checks {
    ($($quiet_only:literal $from:ident $name:literal $file:literal $says:literal)+) => {
        static CHECKS: &[Check] = &[
            $(Check { rule: Rule { name: $name, says: $says, quiet_only: $quiet_only }, query: query!($from, $file) }),+
        ];
    };
}

checks! {
    false rows "end_state" "src/invariant/end_state.sql"
        "A run has an end time, a success, a failure and a reason exactly as its status says."
    false rows "done_within_made" "src/invariant/done_within_made.sql"
        "A stage that is done has, or had, a step."
    false rows "live_run_has_work" "src/invariant/live_run_has_work.sql"
        "A live run has a step that is neither completed nor skipped."
    false rows "steps_belong_to_a_kept_run" "src/invariant/steps_belong_to_a_kept_run.sql"
        "A step belongs to a run that is live or failed."
    false rows "failed_steps_iff_open_letter" "src/invariant/failed_steps_iff_open_letter.sql"
        "A failed run keeps its steps exactly as long as its dead letter is open and can be resumed."
    false rows "progress_counts_steps" "src/invariant/progress_counts_steps.sql"
        "The bits of a run are its steps, and those done are completed or skipped."
    false rows "queued_run_is_unsettled" "src/invariant/queued_run_is_unsettled.sql"
        "A run is queued until one of its steps is settled, and has started from then on."
    false shapes "no_successor_is_lost" "src/invariant/no_successor_is_lost.sql"
        "A stage whose needs are done has a step."
    false shapes "no_stage_is_made_early" "src/invariant/no_stage_is_made_early.sql"
        "A stage has no step before its needs are done."
    false shapes "completed_means_all_done" "src/invariant/completed_means_all_done.sql"
        "A run is completed exactly when all its stages are done."
    false rows "held_turn_waits_for_another" "src/invariant/held_turn_waits_for_another.sql"
        "A step is held by a turn only behind another active run of its session."
    false rows "held_failed_in_failed_runs" "src/invariant/held_failed_in_failed_runs.sql"
        "Steps are dead, or held by a failure, only in failed runs; what those have not finished is dead, held or running."
    false rows "active_run_is_live" "src/invariant/active_run_is_live.sql"
        "The active run of a session is a live turn of that session."
    false rows "live_turn_has_an_active_one" "src/invariant/live_turn_has_an_active_one.sql"
        "A session with a live turn has an active run."
    false rows "waiting_counts_held_turns" "src/invariant/waiting_counts_held_turns.sql"
        "A session's waiting is the number of its runs with steps held by a turn."
    false rows "waiting_turns_wait" "src/invariant/waiting_turns_wait.sql"
        "The steps of a live turn that is not active are done, or held by a turn."
    false rows "lower_turn_was_redriven" "src/invariant/lower_turn_was_redriven.sql"
        "A live turn before the active one was redriven."
    false rows "turns_start_in_order" "src/invariant/turns_start_in_order.sql"
        "No turn starts before the ones before it have ended."
    false rows "turns_counts_turns" "src/invariant/turns_counts_turns.sql"
        "A session's turns is the number of its last turn, and a turn's interactions stand where its number says."
    false rows "interaction_count_counts" "src/invariant/interaction_count_counts.sql"
        "A session's interaction_count is the number of its interactions."
    false rows "one_question_and_answer_a_turn" "src/invariant/one_question_and_answer_a_turn.sql"
        "A turn has one question, and one answer once it has completed, each in its place."
    false rows "caps" "src/invariant/caps.sql"
        "Failures and crashes stay within their caps, and a step that reached one is dead."
    false rows "one_dead_letter_a_failure" "src/invariant/one_dead_letter_a_failure.sql"
        "Each failed generation has exactly one dead letter, and only the last one's may be open."
    false rows "one_pipeline_event_a_generation" "src/invariant/one_pipeline_event_a_generation.sql"
        "Each generation that has ended has exactly one pipeline.wide event, with its status."
    false rows "run_cost_is_its_calls" "src/invariant/run_cost_is_its_calls.sql"
        "A run's cost and tokens are the sums of its closed provider calls."
    false rows "budget_is_its_calls" "src/invariant/budget_is_its_calls.sql"
        "A batch's budget has spent what its closed calls cost, and reserved what its open ones may."
    false rows "org_budget_is_its_calls" "src/invariant/org_budget_is_its_calls.sql"
        "A window of an organisation's budget has used what its closed calls did, and reserved what its open ones may."
    false rows "org_budget_is_kept" "src/invariant/org_budget_is_kept.sql"
        "What an organisation has used and reserved of a day, or within any sixty seconds, stays within what it was allowed."
    false rows "stream_has_no_gap" "src/invariant/stream_has_no_gap.sql"
        "The events of one major of a stream are numbered from 0 without a gap."
    false rows "stream_majors_are_the_runs" "src/invariant/stream_majors_are_the_runs.sql"
        "The majors of a stream follow each other up to the run's own."
    false rows "one_end_event_a_generation" "src/invariant/one_end_event_a_generation.sql"
        "A stream has one end event a generation, the last one at the run's major."
    false rows "stream_text_is_the_stored_text" "src/invariant/stream_text_is_the_stored_text.sql"
        "The text that a reader has at the end, of each field, is the stored one; of a cancelled run it starts with it."
    false rows "nothing_open_was_pruned" "src/invariant/nothing_open_was_pruned.sql"
        "What is open has its run, its calls, its events, its items and its batch, however old it is."
    false rows "org_is_one" "src/invariant/org_is_one.sql"
        "All that belongs to a run belongs to its organisation."
    false rows "idempotency_keys_lead_somewhere" "src/invariant/idempotency_keys_lead_somewhere.sql"
        "The object of an idempotency key exists."
    false rows "a_client_is_in_a_batch_once" "src/invariant/a_client_is_in_a_batch_once.sql"
        "A client listed twice gets one email."
    false rows "batch_stands_where_its_items_do" "src/invariant/batch_stands_where_its_items_do.sql"
        "Of a batch that has ended no item waits or is live, and none is begun that it takes a yes for."
    false rows "one_batch_event_a_round" "src/invariant/one_batch_event_a_round.sql"
        "Each round of a batch that has ended has exactly one batch.wide event, the last one with the counts of its items."
    false rows "item_stands_where_its_run_does" "src/invariant/item_stands_where_its_run_does.sql"
        "An item of a batch is admitted exactly while its run is live, and ends as that does."
    false rows "item_cost_is_its_ended_runs" "src/invariant/item_cost_is_its_ended_runs.sql"
        "An item has cost what its ended runs did."
    false rows "batch_cost_is_its_ledger" "src/invariant/batch_cost_is_its_ledger.sql"
        "A batch has cost what its closed calls did."
    false rows "calls_belong_to_their_runs_batch" "src/invariant/calls_belong_to_their_runs_batch.sql"
        "A run's steps and calls are of its batch."
    false rows "budget_is_kept" "src/invariant/budget_is_kept.sql"
        "What a batch has spent and reserved stays within what it may cost."
    false rows "one_email_a_client_of_a_batch" "src/invariant/one_email_a_client_of_a_batch.sql"
        "An item of which a run was completed has one email, its client's, and no other item has one."
    false rows "paused_batch_has_its_pause" "src/invariant/paused_batch_has_its_pause.sql"
        "A batch is paused exactly while its pause exists."
    false rows "org_of_a_batch_is_one" "src/invariant/org_of_a_batch_is_one.sql"
        "All that belongs to a batch belongs to its organisation."
    false rows "items_are_numbered" "src/invariant/items_are_numbered.sql"
        "The items of a batch are numbered from 0, and its sample is as large as asked for."
    false rows "completed_step_has_output" "src/invariant/completed_step_has_output.sql"
        "A completed step has its output."
    false rows "running_step_has_a_claim" "src/invariant/running_step_has_a_claim.sql"
        "A step has a worker exactly while it is running, and then a token and its times."
    false rows "token_is_of_one_worker" "src/invariant/token_is_of_one_worker.sql"
        "A lease token belongs to one worker."
    false rows "one_settlement_a_claim" "src/invariant/one_settlement_a_claim.sql"
        "A claim of a step is settled at most once."
    false rows "a_stage_succeeds_once" "src/invariant/a_stage_succeeds_once.sql"
        "A stage of a run succeeds at most once, and once more for each start from the beginning."
    false rows "a_redrive_reran_no_finished_stage" "src/invariant/a_redrive_reran_no_finished_stage.sql"
        "A redrive that resumes claims no stage that was finished."
    false rows "letter_stands_where_its_decision_does" "src/invariant/letter_stands_where_its_decision_does.sql"
        "A dead letter is closed exactly when it says how and by whom, and redriven exactly when its run lives another life."
    false rows "op_counts_its_items" "src/invariant/op_counts_its_items.sql"
        "The counts of an operation are those of its items, and one that is done has none left."
    false rows "op_redrives_once" "src/invariant/op_redrives_once.sql"
        "An item of an operation that is done gave its run one life, and that one only."
    false rows "owners_do_not_overlap" "src/invariant/owners_do_not_overlap.sql"
        "A step has one owner at a time."
    false shapes "stages_start_after_their_needs" "src/invariant/stages_start_after_their_needs.sql"
        "A stage starts after all that it needs has ended."
    false rows "no_settlement_after_the_end" "src/invariant/no_settlement_after_the_end.sql"
        "No step that was claimed after its run completed or was cancelled is settled."
    false rows "pending_summary_is_live" "src/invariant/pending_summary_is_live.sql"
        "The summary that a session waits for is on its way."
    false rows "no_call_while_its_breaker_is_open" "src/invariant/no_call_while_its_breaker_is_open.sql"
        "While a breaker is open nobody calls what it guards, but a probe."
    false rows "open_breaker_has_its_event" "src/invariant/open_breaker_has_its_event.sql"
        "A breaker is open exactly while an event of it says so, and since when."
    true rows "calls_are_closed" "src/invariant/calls_are_closed.sql"
        "A provider call is open only while the step that made it runs."
    true rows "leases_are_alive" "src/invariant/leases_are_alive.sql"
        "No step runs under an expired lease."
    true rows "nothing_is_left_to_do" "src/invariant/nothing_is_left_to_do.sql"
        "No step is ready, delayed, running, or waiting for a turn."
    true rows "nothing_is_held_by_a_pause" "src/invariant/nothing_is_held_by_a_pause.sql"
        "A step is held by a pause only while a pause of its lane, pipeline, organisation or batch exists, and a moment longer."
    true rows "every_run_has_ended" "src/invariant/every_run_has_ended.sql"
        "Every run has ended."
    true rows "every_batch_has_ended" "src/invariant/every_batch_has_ended.sql"
        "Every batch has ended, or waits for somebody and has no live run."
    true rows "nobody_idles_in_a_transaction" "src/invariant/nobody_idles_in_a_transaction.sql"
        "No connection stays idle in a transaction."
}

/// All rules, in the order in which they are asked.
pub fn rules() -> impl Iterator<Item = Rule> {
    CHECKS.iter().map(|check| check.rule)
}

/// Asks the rules about the product's own pipelines, in one read-only snapshot.
///
/// # Errors
/// If the server can't be reached, or a query takes longer than two minutes.
pub async fn check(connection: &mut PgConnection, scope: Scope) -> Result<Report, DatabaseError> {
    check_pipelines(connection, scope, &pipeline::ALL).await
}

/// The same, for a program with pipelines of its own.
///
/// # Errors
/// As [`check`].
pub async fn check_pipelines(
    connection: &mut PgConnection,
    scope: Scope,
    pipelines: &[&Pipeline],
) -> Result<Report, DatabaseError> {
    let shapes = shapes(pipelines);
    let mut tx = connection.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
    use_all_plans(&mut tx).await?;
    let runs = sqlx::query_scalar!(r#"SELECT count(*) AS "runs!" FROM pipeline_runs"#).fetch_one(&mut *tx).await?;
    let mut report = Report { rules: 0, runs, violations: Vec::new() };
    for Check { rule, query } in CHECKS.iter().filter(|check| scope == Scope::Quiet || !check.rule.quiet_only) {
        let rows = query(&mut tx, &shapes).await?;
        report.rules += 1;
        report.violations.extend(rows.into_iter().map(|row| Violation { rule: rule.name, row }));
    }
    tx.rollback().await?;
    Ok(report)
}

/// A pool's settings are made for claims; these queries read everything.
async fn use_all_plans(connection: &mut PgConnection) -> Result<(), DatabaseError> {
    sqlx::query!(
        "SELECT count(set_config(name, value, true))
         FROM (VALUES ('statement_timeout', '120s'), ('plan_cache_mode', 'force_custom_plan'), ('enable_seqscan', 'on'),
                      ('enable_bitmapscan', 'on'), ('enable_sort', 'on'), ('enable_hashjoin', 'on'),
                      ('enable_mergejoin', 'on'), ('jit', 'off')) AS v (name, value)"
    )
    .fetch_one(connection)
    .await?;
    Ok(())
}

/// The graphs, one row a stage: the database does not know them.
fn shapes(pipelines: &[&Pipeline]) -> Value {
    let stages = pipelines.iter().flat_map(|pipeline| {
        pipeline.stages.iter().enumerate().map(|(n, stage)| {
            json!({ "pipeline": pipeline.name, "version": pipeline.version, "n": n, "stage": stage.name,
                    "deps": pipeline.deps(n) })
        })
    });
    Value::Array(stages.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_query_file_is_a_rule_of_its_name() {
        let files: BTreeSet<String> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/invariant"))
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        let names: BTreeSet<String> = rules().map(|rule| rule.name.to_owned()).collect();
        assert_eq!(files, names);
        assert_eq!(CHECKS.len(), names.len());
    }

    #[test]
    fn every_rule_is_a_sentence() {
        for rule in rules() {
            assert!(rule.says.ends_with('.') && rule.says.contains(' '), "{}", rule.name);
        }
    }
}
