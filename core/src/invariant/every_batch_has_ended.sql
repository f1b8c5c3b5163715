-- Or waits for somebody: then nothing of it is live.
SELECT to_jsonb(v) AS "row!" FROM (
  SELECT b.id AS batch_id, b.status FROM email_batches b
  WHERE b.status IN ('running', 'cancelling') OR EXISTS (SELECT 1 FROM batch_items i WHERE i.batch_id = b.id AND i.status = 'admitted')
  LIMIT 20
) v
