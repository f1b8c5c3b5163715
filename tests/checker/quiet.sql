-- The same a day later: what was on its way has never been.
DELETE FROM pipeline_runs WHERE id IN (u(23), u(24), u(26));
DELETE FROM pipeline_steps WHERE run_id IN (u(23), u(24), u(26));
DELETE FROM pipeline_events WHERE pipeline_run_id IN (u(23), u(24), u(26));
DELETE FROM run_stream WHERE run_id IN (u(23), u(24), u(26));
DELETE FROM provider_calls WHERE pipeline_run_id IN (u(23), u(24), u(26));
DELETE FROM interactions WHERE run_id IN (u(23), u(24), u(26));
DELETE FROM idempotency_keys;
UPDATE summary_states SET pending_run_id = NULL;
DELETE FROM email_batches WHERE id = u(71);
DELETE FROM batch_items WHERE batch_id = u(71);
DELETE FROM batch_budgets;
DELETE FROM sales_emails WHERE batch_id = u(71);
DELETE FROM pipeline_runs WHERE batch_id = u(71);
DELETE FROM pipeline_steps WHERE batch_id = u(71);
DELETE FROM pipeline_events WHERE pipeline_run_id IN (u(35), u(36));
DELETE FROM provider_calls WHERE batch_id = u(71);
UPDATE sessions SET turns = 2, active_run_id = NULL, waiting = 0, interaction_count = 4;
