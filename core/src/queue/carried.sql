INSERT INTO pipeline_steps (run_id, stage, kind, org_id, batch_id, lane, fair_rank, status, output, deadline_at, timeout_ms, max_attempts,
  lease_token, lease_epoch, claimed_at, ended_at)
SELECT v.run_id, v.stage, v.kind, f.org_id, f.batch_id, f.lane, f.fair_rank,
  CASE WHEN v.output IS NULL THEN 'skipped' ELSE 'completed' END, v.output, f.deadline_at, v.timeout_ms, v.max_attempts,
  f.lease_token, 1, clock_timestamp(), clock_timestamp()
FROM unnest($1::uuid[], $2::smallint[], $3::smallint[], $4::text[], $5::jsonb[], $6::int[], $7::smallint[])
  AS v(run_id, stage, from_stage, kind, output, timeout_ms, max_attempts)
JOIN pipeline_steps f ON f.run_id = v.run_id AND f.stage = v.from_stage
WHERE f.run_id = ANY ($1)
