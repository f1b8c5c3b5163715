-- From both sides: an item and the run that it names, and a live run and the item that it is of.
SELECT to_jsonb(v) AS "row!" FROM (
  SELECT i.batch_id, i.n, i.status AS item, i.run_id, r.status AS run
  FROM batch_items i JOIN email_batches b ON b.id = i.batch_id LEFT JOIN pipeline_runs r ON r.id = i.run_id
  WHERE b.created_at > now() - interval '25 days'
    AND (CASE i.status
           WHEN 'waiting' THEN i.run_id IS NOT NULL AND r.status IS DISTINCT FROM 'failed'
           WHEN 'admitted' THEN r.id IS NULL OR r.completed_at IS NOT NULL
           WHEN 'cancelled' THEN i.run_id IS NOT NULL AND r.status IS DISTINCT FROM 'cancelled'
           ELSE r.status IS DISTINCT FROM i.status END
      OR (r.batch_id, r.batch_n) IS DISTINCT FROM (i.batch_id, i.n) AND i.run_id IS NOT NULL)
  UNION ALL
  SELECT r.batch_id, r.batch_n, i.status, r.id, r.status
  FROM pipeline_runs r JOIN email_batches b ON b.id = r.batch_id LEFT JOIN batch_items i ON i.batch_id = r.batch_id AND i.n = r.batch_n
  WHERE r.completed_at IS NULL AND (i.status, i.run_id) IS DISTINCT FROM ('admitted', r.id)
  LIMIT 20
) v
