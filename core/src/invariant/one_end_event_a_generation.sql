SELECT to_jsonb(v) AS "row!" FROM (
  SELECT * FROM (
    SELECT r.id AS run_id, r.status, r.generation, r.stream_major,
      count(t.seq) FILTER (WHERE t.event IN ('run.completed', 'run.failed', 'run.cancelled')) AS ends,
      count(t.seq) FILTER (WHERE t.event = 'run.' || r.status AND t.seq = r.stream_major::bigint * 1000000) AS last_end,
      count(t.seq) FILTER (WHERE t.event = 'run.redriven') AS redriven
    FROM pipeline_runs r LEFT JOIN run_stream t ON t.run_id = r.id
    WHERE r.stream AND (r.completed_at IS NULL OR r.completed_at > now() - interval '50 minutes')
    GROUP BY r.id
  ) c
  WHERE last_end <> (status IN ('completed', 'failed', 'cancelled'))::int
     OR ends <> redriven + (status IN ('completed', 'failed', 'cancelled'))::int
  LIMIT 20
) v
