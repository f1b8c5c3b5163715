UPDATE pipeline_steps t
SET status = v.status, held_by = v.held_by, output = v.output, error = coalesce(v.error, t.error),
    failures = least(t.failures + v.failed, t.max_attempts), snoozes = t.snoozes + v.snoozed,
    fair_rank = CASE v.status WHEN 'ready' THEN greatest(t.fair_rank, queue_v(t.lane)) ELSE t.fair_rank END,
    available_at = CASE v.status WHEN 'delayed' THEN least(clock_timestamp() + v.delay_ms * interval '1 ms', greatest(t.deadline_at, clock_timestamp())) END,
    delay_reason = v.delay_reason, delay_detail = v.delay_detail,
    ended_at = CASE WHEN v.status IN ('completed', 'skipped', 'dead') THEN clock_timestamp() END,
    claimed_at = CASE WHEN v.status IN ('completed', 'skipped', 'dead') THEN t.claimed_at END,
    worker_id = NULL, must_end_by = NULL
FROM unnest($1::uuid[], $2::smallint[], $3::uuid[], $4::text[], $5::text[], $6::jsonb[], $7::jsonb[], $8::smallint[], $9::int[], $10::bigint[], $11::text[],
    $12::text[])
  AS v(run_id, stage, token, status, held_by, output, error, failed, snoozed, delay_ms, delay_reason, delay_detail)
WHERE t.run_id = ANY ($1) AND t.run_id = v.run_id AND t.stage = v.stage AND t.lease_token = v.token AND t.status = 'running'
RETURNING t.run_id, t.stage, t.lease_token AS "lease_token!", t.available_at, clock_timestamp() AS "now!"
