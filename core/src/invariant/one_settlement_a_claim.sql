-- The fence, seen from what it let through: a second settlement under one token, or one of a token still out.
SELECT to_jsonb(v) AS "row!" FROM (
  SELECT run_id, stage, token, count(*) AS settlements
  FROM (
    SELECT pipeline_run_id AS run_id, event_data->>'stage' AS stage, event_data->>'token' AS token
    FROM pipeline_events WHERE event_type = 'stage.wide'
    UNION ALL
    SELECT run_id, split_part(kind, '/', 2), lease_token::text FROM pipeline_steps WHERE status = 'running'
  ) t
  WHERE token IS NOT NULL
  GROUP BY run_id, stage, token HAVING count(*) > 1
  LIMIT 20
) v
