SELECT to_jsonb(v) AS "row!" FROM (
  SELECT x.id AS session_id, x.waiting, coalesce(c.n, 0) AS held
  FROM sessions x
  LEFT JOIN (SELECT r.session_id, count(DISTINCT r.id) AS n
             FROM pipeline_steps s JOIN pipeline_runs r ON r.id = s.run_id
             WHERE s.held_by = 'turn' GROUP BY r.session_id) c ON c.session_id = x.id
  WHERE x.waiting <> coalesce(c.n, 0)
  LIMIT 20
) v
