//! The checker has teeth: each rule meets rows that break it, and finds them; and it finds nothing in sound ones.

mod batches;
mod budgets;
mod letters;

use std::collections::BTreeSet;

use hellosales_core::invariant::{self, Report, Scope};

use crate::harness::check;
use crate::harness::database::{Owner, TestDatabase};

const LAWLESS: &str = include_str!("checker/lawless.sql");
const HEALTHY: &str = include_str!("checker/healthy.sql");
const QUIET: &str = include_str!("checker/quiet.sql");

/// A rule, and how to break it in the healthy rows.
const PLANTS: &[(&str, &str)] = &[
    ("end_state", "UPDATE pipeline_runs SET completed_at = NULL WHERE id = u(22)"),
    ("end_state", "UPDATE pipeline_runs SET status_reason = NULL WHERE id = u(22)"),
    ("end_state", "UPDATE pipeline_runs SET failure = NULL WHERE id = u(25)"),
    ("done_within_made", "UPDATE pipeline_runs SET done = 63 WHERE id = u(22)"),
    ("live_run_has_work", "UPDATE pipeline_steps SET status = 'completed' WHERE run_id = u(23)"),
    ("steps_belong_to_a_kept_run", "SELECT add_step(22, 3, 'chat@1/llm', 'running')"),
    ("steps_belong_to_a_kept_run", "DELETE FROM pipeline_runs WHERE id = u(25)"),
    ("failed_steps_iff_open_letter", "UPDATE dead_letter_queue SET status = 'abandoned' WHERE pipeline_run_id = u(25)"),
    ("failed_steps_iff_open_letter", "DELETE FROM pipeline_steps WHERE run_id = u(25)"),
    ("progress_counts_steps", "DELETE FROM pipeline_steps WHERE run_id = u(23) AND stage = 2"),
    ("progress_counts_steps", "UPDATE pipeline_runs SET done = 3 WHERE id = u(23)"),
    ("progress_counts_steps", "UPDATE pipeline_runs SET done = 0 WHERE id = u(25)"),
    ("queued_run_is_unsettled", "UPDATE pipeline_runs SET started_at = now() WHERE id = u(24)"),
    ("queued_run_is_unsettled", "UPDATE pipeline_runs SET started_at = NULL WHERE id = u(23)"),
    (
        "no_successor_is_lost",
        "DELETE FROM pipeline_steps WHERE run_id = u(23) AND stage = 3; UPDATE pipeline_runs SET made = 7 WHERE id = u(23)",
    ),
    ("no_stage_is_made_early", "UPDATE pipeline_runs SET made = 31 WHERE id = u(23)"),
    ("completed_means_all_done", "UPDATE pipeline_runs SET done = 31 WHERE id = u(21)"),
    ("completed_means_all_done", "UPDATE pipeline_runs SET done = 63, made = 63 WHERE id = u(22)"),
    ("held_turn_waits_for_another", "UPDATE sessions SET active_run_id = u(24)"),
    ("held_turn_waits_for_another", "UPDATE sessions SET active_run_id = NULL"),
    ("held_failed_in_failed_runs", "UPDATE pipeline_steps SET held_by = 'failed' WHERE run_id = u(24)"),
    ("held_failed_in_failed_runs", "UPDATE pipeline_steps SET status = 'ready' WHERE run_id = u(25) AND stage = 1"),
    ("active_run_is_live", "UPDATE sessions SET active_run_id = u(22)"),
    ("active_run_is_live", "UPDATE sessions SET active_run_id = u(99)"),
    ("active_run_is_live", "UPDATE pipeline_runs SET session_id = u(11) WHERE id = u(23)"),
    ("live_turn_has_an_active_one", "UPDATE sessions SET active_run_id = NULL"),
    ("waiting_counts_held_turns", "UPDATE sessions SET waiting = 0"),
    (
        "waiting_turns_wait",
        "UPDATE pipeline_steps SET status = 'ready', held_by = NULL WHERE run_id = u(24) AND stage = 1",
    ),
    ("lower_turn_was_redriven", "UPDATE sessions SET active_run_id = u(24)"),
    ("turns_start_in_order", "UPDATE pipeline_runs SET started_at = ago(7.5) WHERE id = u(23)"),
    ("turns_start_in_order", "SELECT add_stage_event(23, 'input_guard', 'retry', ago(7.5), ago(7.4))"),
    ("turns_start_in_order", "UPDATE pipeline_runs SET started_at = ago(1) WHERE id = u(24)"),
    ("turns_counts_turns", "UPDATE sessions SET turns = 5"),
    ("turns_counts_turns", "UPDATE pipeline_runs SET user_sequence = 8 WHERE id = u(24)"),
    ("interaction_count_counts", "UPDATE sessions SET interaction_count = 7"),
    ("one_question_and_answer_a_turn", "SELECT add_said(21, 2, 'assistant', 'Hello, Ana')"),
    ("one_question_and_answer_a_turn", "DELETE FROM interactions WHERE sequence_number = 2"),
    ("one_question_and_answer_a_turn", "SELECT add_said(23, 6, 'assistant', 'So')"),
    ("one_question_and_answer_a_turn", "UPDATE interactions SET sequence_number = 9 WHERE sequence_number = 4"),
    (
        "a_client_is_in_a_batch_once",
        "INSERT INTO batch_items (org_id, batch_id, n, client_id) VALUES (u(1), u(80), 0, u(81)), (u(1), u(80), 1, u(81))",
    ),
    ("caps", "UPDATE pipeline_steps SET failures = 3 WHERE run_id = u(23) AND stage = 3"),
    ("caps", "UPDATE pipeline_steps SET crashes = 3 WHERE run_id = u(23) AND stage = 3"),
    ("caps", "UPDATE pipeline_steps SET failures = 4 WHERE run_id = u(25) AND stage = 1"),
    ("one_dead_letter_a_failure", "DELETE FROM dead_letter_queue WHERE pipeline_run_id = u(25)"),
    ("one_dead_letter_a_failure", "SELECT add_letter(25, 1, 'pending')"),
    ("one_dead_letter_a_failure", "SELECT add_letter(21, 1, 'pending')"),
    ("one_dead_letter_a_failure", "UPDATE dead_letter_queue SET status = 'pending' WHERE pipeline_run_id = u(27)"),
    ("one_pipeline_event_a_generation", "SELECT add_pipeline_event(21, 'completed')"),
    ("one_pipeline_event_a_generation", "SELECT add_pipeline_event(23, 'completed')"),
    ("one_pipeline_event_a_generation", "UPDATE pipeline_runs SET generation = 2 WHERE id = u(25)"),
    (
        "one_pipeline_event_a_generation",
        "DELETE FROM pipeline_events WHERE pipeline_run_id = u(22) AND event_type = 'pipeline.wide'",
    ),
    ("run_cost_is_its_calls", "UPDATE pipeline_runs SET total_cost_cents = 0.000043 WHERE id = u(21)"),
    ("run_cost_is_its_calls", "UPDATE pipeline_runs SET tokens_out = 8 WHERE id = u(21)"),
    ("budget_is_its_calls", "UPDATE batch_budgets SET spent_cents = 1"),
    ("budget_is_its_calls", "UPDATE batch_budgets SET reserved_cents = 2"),
    ("run_cost_is_its_calls", "SELECT add_call(21, gen_random_uuid(), 1, 0, 0)"),
    ("stream_has_no_gap", "DELETE FROM run_stream WHERE run_id = u(21) AND seq = 3000002"),
    ("stream_has_no_gap", "DELETE FROM run_stream WHERE run_id = u(23) AND seq = 2000000"),
    ("stream_majors_are_the_runs", "UPDATE pipeline_runs SET stream_major = 3 WHERE id = u(23)"),
    ("stream_majors_are_the_runs", "DELETE FROM run_stream WHERE run_id = u(22) AND seq / 1000000 = 2"),
    ("one_end_event_a_generation", "DELETE FROM run_stream WHERE run_id = u(22) AND seq = 3000000"),
    ("one_end_event_a_generation", "SELECT add_stream(23, 2, 2, 'run.completed')"),
    ("one_end_event_a_generation", "SELECT add_stream(22, 2, 3, 'run.failed')"),
    ("stream_text_is_the_stored_text", "UPDATE interactions SET content = 'Hello' WHERE sequence_number = 2"),
    ("stream_text_is_the_stored_text", "UPDATE interactions SET content = 'Hell' WHERE sequence_number = 4"),
    ("stream_text_is_the_stored_text", "UPDATE sales_emails SET body = 'Dear Bo' WHERE run_id = u(30)"),
    ("stream_text_is_the_stored_text", "UPDATE sales_emails SET call_to_action = 'Call me' WHERE run_id = u(30)"),
    ("stream_text_is_the_stored_text", "DELETE FROM run_stream WHERE run_id = u(30) AND seq = 2000003"),
    (
        "stream_text_is_the_stored_text",
        "UPDATE run_stream SET data = data || '{\"field\": \"subject\"}' WHERE run_id = u(30) AND seq = 2000002",
    ),
    (
        "stream_text_is_the_stored_text",
        "UPDATE run_stream SET event = 'output.reset' WHERE run_id = u(30) AND seq = 2000001",
    ),
    ("stream_text_is_the_stored_text", "UPDATE sales_scripts SET content = 'Good' WHERE run_id = u(31)"),
    (
        "stream_text_is_the_stored_text",
        "UPDATE sales_scripts SET closing_techniques = '[\"Wait\", \"Ask\"]' WHERE run_id = u(31)",
    ),
    ("nothing_open_was_pruned", "DELETE FROM pipeline_runs WHERE id = u(25)"),
    ("nothing_open_was_pruned", "DELETE FROM pipeline_events WHERE pipeline_run_id = u(25)"),
    ("nothing_open_was_pruned", "UPDATE pipeline_runs SET llm_provider_call_id = u(98) WHERE id = u(25)"),
    (
        "nothing_open_was_pruned",
        "SELECT add_call(22, gen_random_uuid(), NULL, NULL, NULL); DELETE FROM pipeline_runs WHERE id = u(22)",
    ),
    (
        "nothing_open_was_pruned",
        "INSERT INTO batch_items (org_id, batch_id, n, client_id) VALUES (u(1), u(99), 0, u(81))",
    ),
    ("org_is_one", "UPDATE pipeline_steps SET org_id = u(2) WHERE run_id = u(23) AND stage = 0"),
    ("org_is_one", "UPDATE pipeline_events SET org_id = u(2) WHERE pipeline_run_id = u(21)"),
    ("org_is_one", "UPDATE provider_calls SET org_id = u(2)"),
    ("org_is_one", "UPDATE run_stream SET org_id = u(2) WHERE run_id = u(21)"),
    ("org_is_one", "UPDATE dead_letter_queue SET org_id = u(2)"),
    ("org_is_one", "UPDATE interactions SET org_id = u(2) WHERE sequence_number = 2"),
    ("org_is_one", "UPDATE idempotency_keys SET org_id = u(2)"),
    ("org_is_one", "UPDATE sessions SET org_id = u(2)"),
    ("idempotency_keys_lead_somewhere", "UPDATE idempotency_keys SET object_id = u(99)"),
    ("no_call_while_its_breaker_is_open", "UPDATE breaker_events SET closed_at = ago(1) WHERE model = 'm1'"),
    ("no_call_while_its_breaker_is_open", "UPDATE provider_calls SET probe = NULL WHERE probe IS NOT NULL"),
    ("open_breaker_has_its_event", "UPDATE breaker_events SET closed_at = ago(2) WHERE closed_at IS NULL"),
    ("open_breaker_has_its_event", "UPDATE breakers SET status = 'closed'"),
    ("open_breaker_has_its_event", "UPDATE breakers SET effective_at = ago(6) WHERE model = 'm2'"),
    ("completed_step_has_output", "UPDATE pipeline_steps SET output = NULL WHERE run_id = u(23) AND stage = 0"),
    ("running_step_has_a_claim", "UPDATE pipeline_steps SET worker_id = u(40) WHERE run_id = u(26)"),
    ("running_step_has_a_claim", "UPDATE pipeline_steps SET lease_token = NULL WHERE run_id = u(23) AND stage = 3"),
    (
        "token_is_of_one_worker",
        "SELECT add_stage_event(25, 'llm', 'retry', ago(9.85), ago(9.84), u(50)), add_stage_event(27, 'llm', 'retry', ago(9.85), ago(9.84), u(50), 1, 41)",
    ),
    (
        "one_settlement_a_claim",
        "SELECT add_stage_event(25, 'llm', 'retry', ago(9.85), ago(9.84), u(50)), add_stage_event(25, 'llm', 'retry', ago(9.83), ago(9.82), u(50))",
    ),
    (
        "one_settlement_a_claim",
        "SELECT add_stage_event(23, 'llm', 'retry', claimed_at, now(), lease_token) FROM pipeline_steps WHERE status = 'running'",
    ),
    ("a_stage_succeeds_once", "SELECT add_stage_event(21, 'llm', 'ok', ago(9.45), ago(9.44))"),
    (
        "a_stage_succeeds_once",
        "SELECT add_stage_event(27, 'history_enrich', 'ok', ago(8.9), ago(8.85), generation => 2)",
    ),
    ("owners_do_not_overlap", "SELECT add_stage_event(21, 'llm', 'retry', ago(9.55), ago(9.45))"),
    ("owners_do_not_overlap", "SELECT add_stage_event(23, 'llm', 'retry', ago(2), ago(1))"),
    ("stages_start_after_their_needs", "SELECT add_stage_event(21, 'persist', 'retry', ago(9.35), ago(9.32))"),
    ("stages_start_after_their_needs", "SELECT add_stage_event(22, 'persist', 'retry', ago(7.2), ago(7.1))"),
    ("no_settlement_after_the_end", "SELECT add_stage_event(22, 'llm', 'retry', ago(6.9), ago(6.8))"),
    ("pending_summary_is_live", "UPDATE summary_states SET pending_run_id = u(27)"),
];

/// The same for the rules of a quiet database.
const QUIET_PLANTS: &[(&str, &str)] = &[
    ("calls_are_closed", "SELECT add_call(22, gen_random_uuid(), NULL, NULL, NULL)"),
    (
        "leases_are_alive",
        "SELECT add_step(25, 2, 'summary@1/persist', 'running'); UPDATE pipeline_steps SET worker_id = u(41) WHERE stage = 2",
    ),
    (
        "leases_are_alive",
        "SELECT add_step(25, 2, 'summary@1/persist', 'running'); UPDATE pipeline_steps SET worker_id = u(42) WHERE stage = 2",
    ),
    (
        "nothing_is_held_by_a_pause",
        "SELECT add_step(25, 2, 'summary@1/persist', 'held'); UPDATE pipeline_steps SET held_by = 'pause' WHERE stage = 2",
    ),
    ("nothing_is_left_to_do", "SELECT add_step(25, 2, 'summary@1/persist', 'ready')"),
    ("every_batch_has_ended", "UPDATE email_batches SET status = 'running', completed_at = NULL WHERE id = u(70)"),
    ("every_run_has_ended", "SELECT add_run(28, 'summary', 'queued', 0, 1, 0, NULL, NULL)"),
];

/// Not in the rows: it has a test of its own.
const WITHOUT_PLANT: &str = "nobody_idles_in_a_transaction";

fn found(report: &Report) -> BTreeSet<&'static str> {
    report.violations.iter().map(|violation| violation.rule).collect()
}

async fn each_plant_is_found(base: &str, scope: Scope, plants: &[(&str, &str)]) {
    TestDatabase::run_unchecked(async |db: &TestDatabase| {
        let mut owner: Owner = db.owner().await;
        owner.run(LAWLESS).await;
        owner.run(base).await;
        check::assert_clean(&check::report(db, scope, &[]).await);
        for &(rule, sql) in plants {
            owner.run(base).await;
            owner.run(sql).await;
            let found = found(&check::report(db, scope, &[]).await);
            assert!(found.contains(rule), "{rule} does not see: {sql}\nfound: {found:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn every_live_rule_finds_who_breaks_it_and_nothing_in_sound_rows() {
    each_plant_is_found(HEALTHY, Scope::Live, PLANTS).await;
}

#[tokio::test]
async fn every_rule_of_batches_finds_who_breaks_it() {
    each_plant_is_found(HEALTHY, Scope::Live, batches::PLANTS).await;
}

#[tokio::test]
async fn every_rule_of_organisations_budgets_finds_who_breaks_it() {
    each_plant_is_found(HEALTHY, Scope::Live, budgets::PLANTS).await;
}

#[tokio::test]
async fn every_rule_of_dead_letters_and_operations_finds_who_breaks_it() {
    each_plant_is_found(HEALTHY, Scope::Live, letters::PLANTS).await;
}

#[tokio::test]
async fn every_quiet_rule_finds_who_breaks_it_and_nothing_in_sound_rows() {
    let base = format!("{HEALTHY}\n{QUIET}");
    each_plant_is_found(&base, Scope::Quiet, QUIET_PLANTS).await;
}

#[tokio::test]
async fn a_connection_left_in_a_transaction_is_found() {
    TestDatabase::run(async |db: &TestDatabase| {
        check::quiet(db).await;
        let mut idle = db.owner().await;
        idle.run("BEGIN; SELECT 1").await;
        let idle_for_a_second = "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database()
            AND state = 'idle in transaction' AND state_change < clock_timestamp() - interval '1 second')";
        db.owner().await.until(idle_for_a_second).await;
        assert_eq!(found(&check::report(db, Scope::Quiet, &[]).await), BTreeSet::from([WITHOUT_PLANT]));
    })
    .await;
}

#[test]
fn every_rule_has_a_plant() {
    let planted: BTreeSet<&str> = PLANTS
        .iter()
        .chain(batches::PLANTS)
        .chain(budgets::PLANTS)
        .chain(letters::PLANTS)
        .chain(QUIET_PLANTS)
        .map(|&(rule, _)| rule)
        .chain([WITHOUT_PLANT])
        .collect();
    assert_eq!(planted, invariant::rules().map(|rule| rule.name).collect());
}

#[tokio::test]
async fn no_more_than_twenty_rows_a_rule_are_answered() {
    TestDatabase::run_unchecked(async |db: &TestDatabase| {
        let mut owner = db.owner().await;
        owner.run(LAWLESS).await;
        owner.run("SELECT add_run(n, 'summary', 'queued', 0, 1, 0, NULL, NULL) FROM generate_series(100, 150) n").await;
        let report = check::report(db, Scope::Live, &[]).await;
        assert_eq!(report.runs, 51);
        assert_eq!(report.violations.iter().filter(|violation| violation.rule == "live_run_has_work").count(), 20);
    })
    .await;
}
