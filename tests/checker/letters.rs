//! How the rules of dead letters and operations are broken in the healthy rows.

/// A rule, and how to break it.
pub(super) const PLANTS: &[(&str, &str)] = &[
    ("failed_steps_iff_open_letter", "UPDATE dead_letter_queue SET restart_only = true WHERE pipeline_run_id = u(25)"),
    (
        "a_redrive_reran_no_finished_stage",
        "SELECT add_stage_event(27, 'history_enrich', 'retry', ago(8.9), ago(8.8), generation => 2)",
    ),
    (
        "a_redrive_reran_no_finished_stage",
        "UPDATE pipeline_events SET event_data = event_data || '{\"from\": \"failed\"}' WHERE pipeline_run_id = u(29)",
    ),
    (
        "a_stage_succeeds_once",
        "SELECT add_stage_event(29, 'history_enrich', 'ok', ago(8.9), ago(8.8), generation => 2)",
    ),
    (
        "letter_stands_where_its_decision_does",
        "UPDATE dead_letter_queue SET resolved_by_actor = NULL WHERE generation = 1",
    ),
    ("letter_stands_where_its_decision_does", "UPDATE dead_letter_queue SET resolved_by_actor = 'ana'"),
    (
        "letter_stands_where_its_decision_does",
        "UPDATE dead_letter_queue SET resolution = 'fixed' WHERE resolution = 'redriven'",
    ),
    ("letter_stands_where_its_decision_does", "UPDATE dead_letter_queue SET resolution = NULL"),
    (
        "letter_stands_where_its_decision_does",
        "UPDATE dead_letter_queue SET status = 'investigating' WHERE pipeline_run_id = u(25)",
    ),
    (
        "letter_stands_where_its_decision_does",
        "UPDATE dead_letter_queue SET next_retry_at = now() WHERE pipeline_run_id = u(27)",
    ),
    (
        "letter_stands_where_its_decision_does",
        "UPDATE dead_letter_queue SET previous_id = u(99) WHERE pipeline_run_id = u(25)",
    ),
    ("op_counts_its_items", "UPDATE ops SET ok = 0, done = 1"),
    ("op_counts_its_items", "DELETE FROM op_items WHERE n = 1"),
    ("op_counts_its_items", "UPDATE op_items SET status = 'pending', done_at = NULL, error = NULL, generation = NULL"),
    ("op_redrives_once", "UPDATE op_items SET generation = 3 WHERE n = 0"),
    ("op_redrives_once", "UPDATE dead_letter_queue SET resolution = 'fixed' WHERE pipeline_run_id = u(27)"),
    (
        "op_redrives_once",
        "UPDATE op_items SET status = 'ok', error = NULL, run_id = u(27), generation = 2, target_id = u(99) WHERE n = 1",
    ),
];
