-- Chunks go an hour after the end: what is near it may be half gone.
SELECT to_jsonb(v) AS "row!" FROM (
  SELECT r.id AS run_id, t.seq / 1000000 AS major, min(t.seq % 1000000) AS first, max(t.seq % 1000000) AS last, count(*) AS events
  FROM pipeline_runs r JOIN run_stream t ON t.run_id = r.id
  WHERE r.completed_at IS NULL OR r.completed_at > now() - interval '50 minutes'
  GROUP BY r.id, t.seq / 1000000
  HAVING min(t.seq % 1000000) <> 0 OR max(t.seq % 1000000) + 1 <> count(*)
  LIMIT 20
) v
