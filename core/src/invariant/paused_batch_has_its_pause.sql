SELECT to_jsonb(v) AS "row!" FROM (
  SELECT coalesce(b.id::text, p.key) AS batch_id, b.status, p.key IS NOT NULL AS has_pause
  FROM (SELECT * FROM email_batches WHERE status = 'paused') b
  FULL JOIN (SELECT * FROM pauses WHERE scope = 'batch') p ON p.key = b.id::text
  WHERE b.id IS NULL OR p.key IS NULL OR p.until IS NOT NULL
  LIMIT 20
) v
