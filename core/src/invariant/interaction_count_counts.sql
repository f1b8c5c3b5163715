SELECT to_jsonb(v) AS "row!" FROM (
  SELECT x.id AS session_id, x.interaction_count, coalesce(c.n, 0) AS interactions
  FROM sessions x
  LEFT JOIN (SELECT session_id, count(*) AS n FROM interactions GROUP BY session_id) c ON c.session_id = x.id
  WHERE x.interaction_count <> coalesce(c.n, 0)
  LIMIT 20
) v
