SELECT to_jsonb(v) AS "row!" FROM (
  SELECT b.id AS batch_id, b.total, b.sample, count(i.n) AS items, min(i.n) AS first, max(i.n) AS last, count(i.n) FILTER (WHERE i.sampled) AS sampled
  FROM email_batches b LEFT JOIN batch_items i ON i.batch_id = b.id
  GROUP BY b.id
  HAVING (count(i.n), min(i.n), max(i.n)) IS DISTINCT FROM (b.total::bigint, 0, b.total - 1)
      OR count(i.n) FILTER (WHERE i.sampled) <> coalesce(b.sample, 0)
  LIMIT 20
) v
