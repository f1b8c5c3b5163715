-- The runs of a batch's next items, the steps of their first stages, and the items that they are: set by set.
WITH v AS (
  SELECT * FROM unnest($1::uuid[], $2::int[], $3::uuid[], $4::jsonb[], $5::bigint[]) AS v(run_id, n, target_id, input, rank)
), runs AS (
  INSERT INTO pipeline_runs (id, org_id, user_id, request_id, traceparent, service, topology, behavior, quality_mode, pipeline,
    pipeline_version, lane, fair_rank, input, stream, target_type, target_id, made, batch_id, batch_n, stream_major, created_at)
  SELECT v.run_id, b.org_id, b.created_by, b.request_id, b.traceparent, $6::text, $7, $8, b.quality_mode, $6::text, $9, $10::smallint,
    v.rank, v.input, false, 'email', v.target_id, $11, b.id, v.n, 1, clock_timestamp()
  FROM email_batches b CROSS JOIN v WHERE b.id = $12
), steps AS (
  INSERT INTO pipeline_steps (run_id, stage, kind, org_id, batch_id, lane, fair_rank, status, deadline_at, timeout_ms, max_attempts)
  SELECT v.run_id, s.stage, s.kind, b.org_id, b.id, $10, v.rank, 'ready', clock_timestamp() + $13::bigint * interval '1 ms', s.timeout_ms,
    s.max_attempts
  FROM email_batches b CROSS JOIN v
    CROSS JOIN unnest($14::smallint[], $15::text[], $16::int[], $17::smallint[]) AS s(stage, kind, timeout_ms, max_attempts)
  WHERE b.id = $12
)
UPDATE batch_items i SET status = 'admitted', run_id = v.run_id, ended_at = NULL
FROM v WHERE i.batch_id = $12 AND i.n = v.n AND i.status = 'waiting'
