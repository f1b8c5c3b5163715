-- One session in mid-conversation (a turn done, one stopped, one streaming, one waiting), a summary on its way,
-- a dead run, one that was dead and is done, an email and a script that somebody saw being written, and three batches: one in
-- its second end, one at work, one paused before its approval.
TRUNCATE organizations, users, sessions, interactions, summary_states, session_summaries, pipeline_runs, pipeline_steps, run_stream,
  pipeline_events, provider_calls, dead_letter_queue, ops, op_items, idempotency_keys, workers, email_batches, batch_items, batch_budgets,
  pauses, clients, budgets, budget_windows, breakers, breaker_counts, breaker_events, sales_emails, sales_scripts CASCADE;
INSERT INTO organizations (id, external_id, name) VALUES (u(1), 'org_1', 'One'), (u(2), 'org_2', 'Two');
INSERT INTO users (id, auth_provider, auth_subject) VALUES (u(3), 'test', 'ana');
INSERT INTO workers (id, host, pid, version, slots, lease_until) VALUES (u(40), 'here', 1, '0', 8, now() + interval '1 minute'),
  (u(41), 'there', 2, '0', 8, now() - interval '1 minute');
INSERT INTO sessions (id, org_id, user_id, turns, active_run_id, waiting, interaction_count) VALUES (u(10), u(1), u(3), 4, u(23), 1, 6);

SELECT add_run(21, 'chat', 'completed', 63, 63, 4, ago(10), ago(9)), add_pipeline_event(21, 'completed'),
  add_stage_event(21, 'input_guard', 'ok', ago(10), ago(9.9)), add_stage_event(21, 'profile_enrich', 'ok', ago(10), ago(9.9)),
  add_stage_event(21, 'summary_enrich', 'skip', ago(10), ago(9.9)), add_stage_event(21, 'llm', 'retry', ago(9.8), ago(9.7)),
  add_stage_event(21, 'llm', 'ok', ago(9.6), ago(9.5)), add_stage_event(21, 'output_guard', 'ok', ago(9.4), ago(9.3)),
  add_stage_event(21, 'persist', 'ok', ago(9.2), ago(9.1)),
  add_stream(21, 1, 0, 'run.started'), add_stream(21, 2, 0, 'stage.started'), add_stream(21, 2, 1, 'output.delta', 'Hel'),
  add_stream(21, 3, 0, 'stage.started'), add_stream(21, 3, 1, 'output.reset'), add_stream(21, 3, 2, 'output.delta', 'Hello, '),
  add_stream(21, 3, 3, 'output.delta', 'Ana'), add_stream(21, 4, 0, 'run.completed'),
  add_said(21, 1, 'user', 'Hi'), add_said(21, 2, 'assistant', 'Hello, Ana'),
  add_call(21, gen_random_uuid(), 0.000012, 10, 2), add_call(21, gen_random_uuid(), 0.000030, 10, 5);
UPDATE pipeline_runs SET total_cost_cents = 0.000042, tokens_in = 20, tokens_out = 7 WHERE id = u(21);

SELECT add_run(22, 'chat', 'cancelled', 7, 15, 3, ago(8), ago(7)), add_pipeline_event(22, 'cancelled'),
  add_stage_event(22, 'input_guard', 'ok', ago(8), ago(7.9)), add_stage_event(22, 'profile_enrich', 'ok', ago(8), ago(7.9)),
  add_stage_event(22, 'summary_enrich', 'skip', ago(8), ago(7.9)),
  add_stream(22, 1, 0, 'run.started'), add_stream(22, 2, 0, 'stage.started'), add_stream(22, 2, 1, 'output.delta', 'Well, '),
  add_stream(22, 2, 2, 'output.delta', 'you'), add_stream(22, 3, 0, 'run.cancelled'),
  add_said(22, 3, 'user', 'And?'), add_said(22, 4, 'assistant', 'Well, ', 'partial');

SELECT add_run(23, 'chat', 'running', 7, 15, 2, ago(6), NULL),
  add_stage_event(23, 'input_guard', 'ok', ago(6), ago(5.9)), add_stage_event(23, 'profile_enrich', 'ok', ago(6), ago(5.9)),
  add_stage_event(23, 'summary_enrich', 'ok', ago(6), ago(5.9)),
  add_step(23, 0, 'chat@1/input_guard', 'completed'), add_step(23, 1, 'chat@1/profile_enrich', 'completed'),
  add_step(23, 2, 'chat@1/summary_enrich', 'completed'), add_step(23, 3, 'chat@1/llm', 'running'),
  add_stream(23, 1, 0, 'run.started'), add_stream(23, 2, 0, 'stage.started'), add_stream(23, 2, 1, 'output.delta', 'So'),
  add_said(23, 5, 'user', 'So?');
SELECT add_call(23, lease_token, NULL, NULL, NULL) FROM pipeline_steps WHERE run_id = u(23) AND stage = 3;

SELECT add_run(24, 'chat', 'queued', 0, 7, 1, NULL, NULL), add_stream(24, 1, 0, 'run.started'),
  add_step(24, 0, 'chat@1/input_guard', 'held', 'turn'), add_step(24, 1, 'chat@1/profile_enrich', 'held', 'turn'),
  add_step(24, 2, 'chat@1/summary_enrich', 'held', 'turn'), add_said(24, 7, 'user', 'Bye');
INSERT INTO idempotency_keys (org_id, key, route, body_sha256, object, object_id) VALUES (u(1), 'k', 'POST /', '', 'run', u(24));
UPDATE pipeline_runs r SET session_id = u(10), turn = v.turn, user_sequence = 2 * v.turn - 1
FROM (VALUES (u(21), 1), (u(22), 2), (u(23), 3), (u(24), 4)) AS v (id, turn) WHERE r.id = v.id;

SELECT add_run(25, 'summary', 'failed', 1, 3, 0, ago(10), ago(9)), add_pipeline_event(25, 'failed'), add_letter(25, 1, 'pending'),
  add_stage_event(25, 'history_enrich', 'ok', ago(10), ago(9.9)), add_stage_event(25, 'llm', 'fail', ago(9.8), ago(9.1)),
  add_step(25, 0, 'summary@1/history_enrich', 'completed'), add_step(25, 1, 'summary@1/llm', 'dead');

SELECT add_run(26, 'summary', 'queued', 0, 1, 0, NULL, NULL), add_step(26, 0, 'summary@1/history_enrich', 'ready');
UPDATE pipeline_runs SET session_id = u(10) WHERE id = u(26);
INSERT INTO summary_states (session_id, org_id, pending_run_id) VALUES (u(10), u(1), u(26));

SELECT add_run(27, 'summary', 'completed', 7, 7, 0, ago(10), ago(5)), add_pipeline_event(27, 'failed', 1),
  add_pipeline_event(27, 'completed', 2), add_letter(27, 1, 'resolved'),
  add_stage_event(27, 'history_enrich', 'ok', ago(10), ago(9.9)), add_stage_event(27, 'llm', 'fail', ago(9.8), ago(9.1)),
  add_stage_event(27, 'llm', 'ok', ago(8.8), ago(8.1), generation => 2), add_stage_event(27, 'persist', 'ok', ago(7.8), ago(7.1), generation => 2);
UPDATE pipeline_runs SET generation = 2 WHERE id = u(27);
SELECT add_redriven(27, 2, 'failed'), add_redriven(29, 2, 'start');
SELECT add_run(29, 'summary', 'completed', 7, 7, 0, ago(10), ago(5)), add_pipeline_event(29, 'failed', 1),
  add_pipeline_event(29, 'completed', 2), add_letter(29, 1, 'resolved'),
  add_stage_event(29, 'history_enrich', 'ok', ago(10), ago(9.9)), add_stage_event(29, 'llm', 'fail', ago(9.8), ago(9.1)),
  add_stage_event(29, 'history_enrich', 'ok', ago(9), ago(8.9), generation => 2), add_stage_event(29, 'llm', 'ok', ago(8.8), ago(8.1), generation => 2),
  add_stage_event(29, 'persist', 'ok', ago(7.8), ago(7.1), generation => 2);
UPDATE pipeline_runs SET generation = 2 WHERE id = u(29);
INSERT INTO ops (id, kind, actor, status, total, done, ok, failed, ended_at) VALUES (u(90), 'redrive', 'operator:ana', 'done', 2, 2, 1, 1, now());
INSERT INTO op_items (op_id, n, org_id, target_id, run_id, status, generation, done_at, error)
SELECT u(90), 0, u(1), id, u(27), 'ok', 2, now(), NULL FROM dead_letter_queue WHERE pipeline_run_id = u(27)
UNION ALL SELECT u(90), 1, u(1), id, u(25), 'failed', NULL, now(), 'no' FROM dead_letter_queue WHERE pipeline_run_id = u(25);

SELECT add_run(run, pipeline, 'completed', 127, 127, 3, ago(10), ago(9)), add_pipeline_event(run, 'completed'),
  add_stage_event(run, 'input_guard', 'ok', ago(10), ago(9.9)), add_stage_event(run, 'product_enrich', 'ok', ago(10), ago(9.9)),
  add_stage_event(run, 'client_enrich', 'skip', ago(10), ago(9.9)), add_stage_event(run, 'company_enrich', 'ok', ago(10), ago(9.9)),
  add_stage_event(run, 'llm', 'ok', ago(9.8), ago(9.5)), add_stage_event(run, 'output_guard', 'ok', ago(9.4), ago(9.3)),
  add_stage_event(run, 'persist', 'ok', ago(9.2), ago(9.1)),
  add_stream(run, 1, 0, 'run.started'), add_stream(run, 2, 0, 'stage.started'), add_stream(run, 3, 0, 'run.completed')
FROM (VALUES (30, 'email'), (31, 'script')) AS v (run, pipeline);
UPDATE pipeline_runs SET stream = true WHERE id IN (u(30), u(31));
SELECT add_field(30, 1, 'subject', 'Hello'), add_field(30, 2, 'body', 'Dear '), add_field(30, 3, 'body', 'Ana'),
  add_field(31, 1, 'content', 'Good day'), add_field(31, 2, 'closing_techniques', E'Ask\n'), add_field(31, 3, 'closing_techniques', 'Wait');
INSERT INTO sales_emails (id, email_id, org_id, name, subject, body, origin, run_id)
VALUES (u(60), u(61), u(1), 'Email', 'Hello', 'Dear Ana', 'generated', u(30)),
  (u(62), u(63), u(1), 'Edited', 'Other', 'Words', 'edited', u(30));
INSERT INTO sales_scripts (id, script_id, org_id, name, content, closing_techniques, objection_handlers, origin, run_id)
VALUES (u(64), u(65), u(1), 'Script', 'Good day', '["Ask", "Wait"]', '{}', 'generated', u(31));

INSERT INTO email_batches (id, org_id, status, paused_from, round, email_type, sample, is_approved, max_cost_cents, estimated_cost_cents, total,
  completed_at)
VALUES (u(70), u(1), 'completed', NULL, 2, 'general', NULL, true, NULL, 1, 3, ago(1)),
  (u(71), u(1), 'running', NULL, 1, 'general', NULL, true, 10, 1, 3, NULL),
  (u(72), u(1), 'paused', 'awaiting_approval', 1, 'general', 1, false, NULL, 1, 2, NULL);
INSERT INTO pauses (scope, key, org_id, actor, reason) VALUES ('batch', u(72)::text, u(1), 'ana', 'asked');
SELECT add_item_run(32, 'completed', 127, 127, 70, 0, 0.25), add_item_run(33, 'failed', 15, 31, 70, 1, 0.5),
  add_item_run(34, 'cancelled', 0, 15, 70, 2, 0), add_item_run(35, 'completed', 127, 127, 71, 0, 0.5),
  add_item_run(36, 'running', 15, 31, 71, 1, 0), add_item_run(37, 'completed', 127, 127, 72, 0, 0.25);
INSERT INTO batch_items (org_id, batch_id, n, client_id) VALUES (u(1), u(71), 2, u(82)), (u(1), u(72), 1, u(81));
UPDATE batch_items SET sampled = true WHERE batch_id = u(72) AND n = 0;
UPDATE pipeline_runs SET generation = 2 WHERE id = u(33);
SELECT add_pipeline_event(33, 'failed', 2), add_letter(33, 1, 'resolved'), add_letter(33, 2, 'pending');
SELECT add_step(run, stage, 'email@1/' || name, CASE WHEN stage < 4 THEN 'completed' WHEN run = 33 THEN 'dead' ELSE 'running' END)
FROM (VALUES (33), (36)) AS r (run), (VALUES (0, 'input_guard'), (1, 'product_enrich'), (2, 'client_enrich'), (3, 'company_enrich'),
  (4, 'llm')) AS s (stage, name);
SELECT add_call(36, lease_token, NULL, NULL, NULL) FROM pipeline_steps WHERE run_id = u(36) AND stage = 4;
UPDATE pipeline_steps s SET batch_id = r.batch_id FROM pipeline_runs r WHERE r.id = s.run_id;
UPDATE provider_calls c SET batch_id = r.batch_id, reserved_cents = CASE WHEN r.batch_id = u(71) THEN 1 ELSE 0 END
FROM pipeline_runs r WHERE r.id = c.pipeline_run_id;
INSERT INTO batch_budgets (batch_id, org_id, max_cost_cents, spent_cents, reserved_cents) VALUES (u(71), u(1), 10, 0.5, 1);
SELECT add_batch_event(70, 1, 'completed', 3, 1, 1, 1), add_batch_event(70, 2, 'completed', 3, 1, 1, 1);

-- An organisation with a budget: one call from before it, one that is closed, and one that is open.
INSERT INTO budgets (org_id, tokens_per_minute, cents_per_day, updated_by) VALUES (u(1), 500, 2, 'ana');
INSERT INTO budget_windows (org_id, span, starts_at, requests, tokens, cents, reserved_tokens, reserved_cents, before_requests, before_tokens,
  before_cents, most_tokens, most_cents)
SELECT u(1), s.span, s.starts_at, 3, 62, 0.75, 400, 0.5, 1, 50, 0.25, CASE s.span WHEN 'slice' THEN 500 END, CASE s.span WHEN 'day' THEN 2 END
FROM (SELECT now() AS at) t CROSS JOIN LATERAL (VALUES ('day', date_trunc('day', t.at, 'UTC')),
  ('slice', date_bin('5 seconds', t.at, '1970-01-01 00:00:00+00'))) AS s (span, starts_at);
UPDATE provider_calls SET counted_at = now(), most_tokens = 400, most_cents = 0.5 WHERE pipeline_run_id IN (u(23), u(35));
UPDATE provider_calls SET tokens_in = 10, tokens_out = 2 WHERE pipeline_run_id = u(35);
UPDATE pipeline_runs SET tokens_in = 10, tokens_out = 2 WHERE id = u(35);
-- A breaker that was open for a minute, and one that is.
INSERT INTO breakers (operation, provider, model, status, until, effective_at)
VALUES ('llm', 'simulator', 'm1', 'closed', NULL, NULL), ('llm', 'simulator', 'm2', 'open', now(), ago(3));
INSERT INTO breaker_events (id, operation, provider, model, opened_at, closed_at)
VALUES (u(90), 'llm', 'simulator', 'm1', ago(6), ago(5)), (u(91), 'llm', 'simulator', 'm2', ago(3), NULL);
UPDATE provider_calls SET model_id = 'm1', probe = CASE tokens_out WHEN 2 THEN u(92) END,
  started_at = CASE tokens_out WHEN 2 THEN ago(5.5) ELSE ago(4) END
WHERE pipeline_run_id = u(21);
