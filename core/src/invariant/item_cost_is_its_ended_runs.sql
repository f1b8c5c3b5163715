SELECT to_jsonb(v) AS "row!" FROM (
  SELECT i.batch_id, i.n, i.status, i.cost_cents, coalesce(r.cost, 0) AS runs_cost
  FROM batch_items i JOIN email_batches b ON b.id = i.batch_id
  LEFT JOIN (SELECT batch_id, batch_n, sum(total_cost_cents) AS cost FROM pipeline_runs
             WHERE batch_id IS NOT NULL AND completed_at IS NOT NULL GROUP BY batch_id, batch_n) r ON r.batch_id = i.batch_id AND r.batch_n = i.n
  WHERE b.created_at > now() - interval '25 days' AND i.cost_cents <> coalesce(r.cost, 0)
  LIMIT 20
) v
