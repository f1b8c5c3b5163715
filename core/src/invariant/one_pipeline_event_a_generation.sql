-- Events are kept for 30 days, runs for longer.
SELECT to_jsonb(v) AS "row!" FROM (
  SELECT * FROM (
    SELECT r.id AS run_id, r.status, r.generation, g.n AS of_generation,
      (g.n < r.generation OR r.completed_at IS NOT NULL)::int AS expected,
      count(e.id) AS found,
      count(e.id) FILTER (WHERE g.n = r.generation AND e.event_data->>'status' IS DISTINCT FROM r.status) AS of_other_status
    FROM pipeline_runs r
    CROSS JOIN LATERAL generate_series(1, r.generation) AS g (n)
    LEFT JOIN pipeline_events e ON e.pipeline_run_id = r.id AND e.event_type = 'pipeline.wide'
      AND (e.event_data->>'generation')::int = g.n
    WHERE r.created_at > now() - interval '25 days'
    GROUP BY r.id, g.n
  ) c
  WHERE found <> expected OR of_other_status > 0
  LIMIT 20
) v
