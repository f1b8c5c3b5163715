SELECT to_jsonb(v) AS "row!" FROM (
  SELECT k.org_id, k.route, k.object, k.object_id, k.created_at
  FROM idempotency_keys k
  WHERE CASE k.object
    WHEN 'run' THEN NOT EXISTS (SELECT 1 FROM pipeline_runs r WHERE r.id = k.object_id)
    WHEN 'product' THEN NOT EXISTS (SELECT 1 FROM products p WHERE p.id = k.object_id)
    WHEN 'client' THEN NOT EXISTS (SELECT 1 FROM clients c WHERE c.id = k.object_id)
    WHEN 'email_batch' THEN NOT EXISTS (SELECT 1 FROM email_batches b WHERE b.id = k.object_id)
    WHEN 'session' THEN NOT EXISTS (SELECT 1 FROM sessions x WHERE x.id = k.object_id)
    ELSE false END
  LIMIT 20
) v
