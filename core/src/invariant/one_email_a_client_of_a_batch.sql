-- Its versions are those that runs of the item wrote, and what people made of them.
SELECT to_jsonb(v) AS "row!" FROM (
  SELECT i.batch_id, i.n, i.status, e.emails, e.latest, e.to_others, coalesce(r.completed, 0) AS completed_runs
  FROM batch_items i JOIN email_batches b ON b.id = i.batch_id
  LEFT JOIN (
    SELECT m.batch_id, m.batch_n, count(DISTINCT m.email_id) AS emails, count(*) FILTER (WHERE m.is_latest) AS latest,
      count(*) FILTER (WHERE m.origin = 'generated' AND w.batch_id IS NOT NULL AND (w.batch_id, w.batch_n, w.target_id, m.client_id)
        IS DISTINCT FROM (x.batch_id, x.n, m.email_id, x.client_id)) AS to_others
    FROM sales_emails m JOIN batch_items x ON x.batch_id = m.batch_id AND x.n = m.batch_n LEFT JOIN pipeline_runs w ON w.id = m.run_id
    GROUP BY m.batch_id, m.batch_n) e ON e.batch_id = i.batch_id AND e.batch_n = i.n
  LEFT JOIN (SELECT batch_id, batch_n, count(*) AS completed FROM pipeline_runs WHERE batch_id IS NOT NULL AND status = 'completed'
             GROUP BY batch_id, batch_n) r ON r.batch_id = i.batch_id AND r.batch_n = i.n
  WHERE b.created_at > now() - interval '25 days'
    AND (coalesce(e.emails, 0) <> (coalesce(r.completed, 0) > 0)::int OR e.emails <> e.latest OR e.to_others > 0)
  UNION ALL
  SELECT m.batch_id, m.batch_n, NULL, 1, 1, 1, 0
  FROM sales_emails m JOIN email_batches b ON b.id = m.batch_id
  WHERE NOT EXISTS (SELECT 1 FROM batch_items i WHERE i.batch_id = m.batch_id AND i.n = m.batch_n)
  LIMIT 20
) v
