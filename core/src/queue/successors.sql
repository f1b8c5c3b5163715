INSERT INTO pipeline_steps (run_id, stage, kind, org_id, batch_id, lane, fair_rank, status, held_by, deadline_at, timeout_ms, max_attempts,
  lease_token, lease_epoch, worker_id, claimed_at, must_end_by)
SELECT v.run_id, v.stage, v.kind, f.org_id, f.batch_id, f.lane,
  CASE v.status WHEN 'ready' THEN greatest(f.fair_rank, queue_v(f.lane)) ELSE f.fair_rank END,
  v.status, v.held_by, f.deadline_at, v.timeout_ms, v.max_attempts,
  v.token, CASE v.status WHEN 'running' THEN 1 ELSE 0 END, CASE v.status WHEN 'running' THEN $10::uuid END,
  CASE v.status WHEN 'running' THEN clock_timestamp() END,
  CASE v.status WHEN 'running' THEN clock_timestamp() + (v.timeout_ms + 15000) * interval '1 ms' END
FROM unnest($1::uuid[], $2::smallint[], $3::smallint[], $4::text[], $5::text[], $6::text[], $7::uuid[], $8::int[], $9::smallint[])
  AS v(run_id, stage, from_stage, kind, status, held_by, token, timeout_ms, max_attempts)
JOIN pipeline_steps f ON f.run_id = v.run_id AND f.stage = v.from_stage
WHERE f.run_id = ANY ($1)
RETURNING run_id, stage, claimed_at, (extract(epoch FROM deadline_at - now()) * 1000)::bigint AS "left_ms!"
