SELECT to_jsonb(v) AS "row!" FROM (
  SELECT * FROM (
    SELECT r.id AS run_id, r.status, r.generation,
      count(d.id) FILTER (WHERE d.generation = r.generation) AS of_this_generation,
      count(d.id) FILTER (WHERE d.generation < r.generation AND d.status = 'resolved') AS resolved_before,
      count(d.id) FILTER (WHERE d.generation < r.generation AND d.status <> 'resolved') AS open_before,
      count(d.id) FILTER (WHERE d.generation > r.generation) AS ahead
    FROM pipeline_runs r LEFT JOIN dead_letter_queue d ON d.pipeline_run_id = r.id
    WHERE r.status = 'failed' OR r.generation > 1 OR d.id IS NOT NULL
    GROUP BY r.id
  ) c
  WHERE of_this_generation <> (status = 'failed')::int OR resolved_before <> generation - 1 OR open_before > 0 OR ahead > 0
  LIMIT 20
) v
