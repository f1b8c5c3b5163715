-- Also of a failed run whose steps are kept.
SELECT to_jsonb(v) AS "row!" FROM (
  SELECT r.id AS run_id, r.status, r.done, r.made, c.done AS steps_done, c.made AS steps_made
  FROM pipeline_runs r CROSS JOIN LATERAL (
    SELECT count(*) AS steps,
      coalesce(bit_or(1::bigint << s.stage), 0) AS made,
      coalesce(bit_or(1::bigint << s.stage) FILTER (WHERE s.status IN ('completed', 'skipped')), 0) AS done
    FROM pipeline_steps s WHERE s.run_id = r.id
  ) c
  WHERE (r.status IN ('queued', 'running') OR (r.status = 'failed' AND c.steps > 0))
    AND (r.done, r.made) IS DISTINCT FROM (c.done, c.made)
  LIMIT 20
) v
