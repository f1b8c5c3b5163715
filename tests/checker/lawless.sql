-- The checker must see what keys and CHECKs would refuse, so here they are gone; and words for the rows below.
DO $$
DECLARE c record;
BEGIN
  FOR c IN SELECT conrelid::regclass AS t, conname FROM pg_constraint
           WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'f', 'u') AND conrelid <> 0 AND coninhcount = 0
           ORDER BY contype = 'u' LOOP
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.t, c.conname);
  END LOOP;
END $$;

CREATE FUNCTION u(n integer) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
  SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid
$$;
-- The clock of the story: minutes before now.
CREATE FUNCTION ago(minutes numeric) RETURNS timestamptz LANGUAGE sql STABLE AS $$
  SELECT now() - minutes * interval '1 minute'
$$;
CREATE FUNCTION add_run(run integer, pipeline text, status text, done bigint, made bigint, major integer, started timestamptz,
                        ended timestamptz) RETURNS void LANGUAGE sql AS $$
  INSERT INTO pipeline_runs (id, org_id, user_id, service, topology, behavior, pipeline, pipeline_version, lane, fair_rank, status,
    status_reason, success, failure, input, stream, done, made, stream_major, started_at, completed_at, created_at)
  VALUES (u(run), u(1), u(3), pipeline, pipeline || '@1', 'standard', pipeline, 1, 1, 1, status,
    CASE status WHEN 'failed' THEN 'error' WHEN 'cancelled' THEN 'user' END, status = 'completed',
    CASE status WHEN 'failed' THEN '{"code":"STAGE_FAILED"}'::jsonb END, '{}', pipeline = 'chat', done, made, major, started, ended, ago(20))
$$;
CREATE FUNCTION add_step(run integer, stage integer, kind text, status text, held_by text DEFAULT NULL) RETURNS void LANGUAGE sql AS $$
  INSERT INTO pipeline_steps (run_id, stage, kind, org_id, lane, fair_rank, status, held_by, deadline_at, timeout_ms, max_attempts,
    output, ended_at, lease_token, lease_epoch, worker_id, claimed_at, must_end_by)
  VALUES (u(run), stage, kind, u(1), 1, 1, status, held_by, now() + interval '1 hour', 30000, 3,
    CASE status WHEN 'completed' THEN '{}'::jsonb END, CASE WHEN status IN ('completed', 'dead') THEN now() END,
    CASE WHEN status IN ('completed', 'dead', 'running') THEN gen_random_uuid() END,
    (status IN ('completed', 'dead', 'running'))::int, CASE status WHEN 'running' THEN u(40) END,
    CASE status WHEN 'running' THEN ago(3) END, CASE status WHEN 'running' THEN now() + interval '1 minute' END)
$$;
CREATE FUNCTION add_stage_event(run integer, stage text, status text, claimed timestamptz, ended timestamptz, token uuid DEFAULT gen_random_uuid(),
                                generation integer DEFAULT 1, worker integer DEFAULT 40) RETURNS void LANGUAGE sql AS $$
  INSERT INTO pipeline_events (id, org_id, pipeline_run_id, event_type, event_data)
  VALUES (gen_random_uuid(), u(1), u(run), 'stage.wide', jsonb_build_object('stage', stage, 'status', status, 'generation', generation,
    'worker_id', u(worker), 'token', token, 'claimed_at', claimed, 'ended_at', ended))
$$;
CREATE FUNCTION add_pipeline_event(run integer, status text, generation integer DEFAULT 1) RETURNS void LANGUAGE sql AS $$
  INSERT INTO pipeline_events (id, org_id, pipeline_run_id, event_type, event_data)
  VALUES (gen_random_uuid(), u(1), u(run), 'pipeline.wide', jsonb_build_object('status', status, 'generation', generation))
$$;
CREATE FUNCTION add_stream(run integer, major bigint, minor bigint, event text, delta text DEFAULT NULL, generation integer DEFAULT 1) RETURNS void LANGUAGE sql AS $$
  INSERT INTO run_stream (run_id, seq, org_id, event, data)
  VALUES (u(run), major * 1000000 + minor, u(1), event, jsonb_build_object('delta', delta, 'generation', generation))
$$;
CREATE FUNCTION add_field(run integer, minor bigint, field text, delta text) RETURNS void LANGUAGE sql AS $$
  INSERT INTO run_stream (run_id, seq, org_id, event, data)
  VALUES (u(run), 2000000 + minor, u(1), 'output.delta', jsonb_build_object('field', field, 'delta', delta))
$$;
CREATE FUNCTION add_said(run integer, sequence integer, role text, content text, status text DEFAULT 'complete') RETURNS void LANGUAGE sql AS $$
  INSERT INTO interactions (id, org_id, session_id, run_id, role, status, content, sequence_number)
  VALUES (gen_random_uuid(), u(1), u(10), u(run), role, status, content, sequence)
$$;
CREATE FUNCTION add_letter(run integer, generation integer, status text) RETURNS void LANGUAGE sql AS $$
  INSERT INTO dead_letter_queue (id, org_id, pipeline_run_id, generation, error_type, context_snapshot, status, resolution, resolved_at,
    resolved_by_actor)
  VALUES (gen_random_uuid(), u(1), u(run), generation, 'STAGE_FAILED', '{}', status, CASE status WHEN 'resolved' THEN 'redriven' END,
    CASE status WHEN 'resolved' THEN now() END, CASE status WHEN 'resolved' THEN 'ana' END)
$$;
CREATE FUNCTION add_redriven(run integer, generation integer, start text) RETURNS void LANGUAGE sql AS $$
  INSERT INTO pipeline_events (id, org_id, pipeline_run_id, event_type, event_data)
  VALUES (gen_random_uuid(), u(1), u(run), 'run.redriven', jsonb_build_object('generation', generation, 'from', start))
$$;
CREATE FUNCTION add_call(run integer, token uuid, cost numeric, tokens_in integer, tokens_out integer) RETURNS void LANGUAGE sql AS $$
  INSERT INTO provider_calls (id, org_id, service, operation, provider, pipeline_run_id, stage, attempt, lease_token, cost_cents,
    tokens_in, tokens_out, completed_at, success)
  VALUES (gen_random_uuid(), u(1), 'chat', 'llm', 'simulator', u(run), 3, 1, token, cost, tokens_in, tokens_out,
    CASE WHEN cost IS NOT NULL THEN now() END, cost IS NOT NULL)
$$;
-- A run of a batch's item, the item, and what the run cost and wrote.
CREATE FUNCTION add_item_run(run integer, status text, done bigint, made bigint, batch integer, place integer, cost numeric) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM add_run(run, 'email', status, done, made, 1, ago(10), CASE WHEN status <> 'running' THEN ago(9) END);
  UPDATE pipeline_runs SET batch_id = u(batch), batch_n = place, total_cost_cents = cost, target_id = u(200 + run) WHERE id = u(run);
  INSERT INTO batch_items (org_id, batch_id, n, client_id, status, run_id, cost_cents, ended_at)
  VALUES (u(1), u(batch), place, u(80 + place), CASE status WHEN 'running' THEN 'admitted' ELSE status END, u(run), cost,
    CASE WHEN status <> 'running' THEN ago(9) END);
  IF status <> 'running' THEN PERFORM add_pipeline_event(run, status); END IF;
  IF cost > 0 THEN PERFORM add_call(run, gen_random_uuid(), cost, 0, 0); END IF;
  IF status = 'completed' THEN
    INSERT INTO sales_emails (id, email_id, org_id, client_id, name, subject, body, origin, run_id, batch_id, batch_n)
    VALUES (u(300 + run), u(200 + run), u(1), u(80 + place), 'Email', 'Hello', 'Dear Ana', 'generated', u(run), u(batch), place);
  END IF;
END $$;
CREATE FUNCTION add_batch_event(batch integer, round integer, status text, total integer, completed integer, failed integer, cancelled integer)
RETURNS void LANGUAGE sql AS $$
  INSERT INTO pipeline_events (id, org_id, batch_id, event_type, event_data)
  VALUES (gen_random_uuid(), u(1), u(batch), 'batch.wide', jsonb_build_object('round', round, 'status', status, 'total', total,
    'completed', completed, 'failed', failed, 'cancelled', cancelled))
$$;
