-- Chunks go an hour after the end; of a run that was redriven later only the last generation's are there.
SELECT to_jsonb(v) AS "row!" FROM (
  SELECT * FROM (
    SELECT r.id AS run_id, r.status, r.generation, r.stream_major,
      (r.completed_at IS NOT NULL)::int AS expected_now,
      count(t.seq) FILTER (WHERE t.event = 'run.' || r.status AND t.seq = r.stream_major::bigint * 1000000) AS at_the_end,
      count(t.seq) FILTER (WHERE e.is_end AND t.data->>'generation' = r.generation::text) AS of_this_generation,
      count(t.seq) FILTER (WHERE e.is_end AND t.data->>'generation' IS DISTINCT FROM r.generation::text) AS of_others,
      count(DISTINCT t.data->>'generation') FILTER (WHERE e.is_end AND t.data->>'generation' <> r.generation::text) AS other_generations,
      bool_or(t.seq = 1000000) AS is_whole
    FROM pipeline_runs r JOIN run_stream t ON t.run_id = r.id
    CROSS JOIN LATERAL (SELECT t.event IN ('run.completed', 'run.failed', 'run.cancelled') AS is_end) e
    WHERE r.completed_at IS NULL OR r.completed_at > now() - interval '50 minutes'
    GROUP BY r.id
  ) c
  WHERE at_the_end <> expected_now OR of_this_generation <> expected_now OR of_others <> other_generations
     OR (is_whole AND of_others <> generation - 1)
  LIMIT 20
) v
