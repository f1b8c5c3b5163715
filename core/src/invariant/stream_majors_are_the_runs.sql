SELECT to_jsonb(v) AS "row!" FROM (
  SELECT r.id AS run_id, r.stream_major, max(t.seq / 1000000) AS last_major, count(DISTINCT t.seq / 1000000) AS majors,
    min(t.seq / 1000000) AS first_major
  FROM pipeline_runs r JOIN run_stream t ON t.run_id = r.id
  WHERE r.completed_at IS NULL OR r.completed_at > now() - interval '50 minutes'
  GROUP BY r.id
  HAVING max(t.seq / 1000000) <> r.stream_major
      OR max(t.seq / 1000000) - min(t.seq / 1000000) + 1 <> count(DISTINCT t.seq / 1000000)
  LIMIT 20
) v
