-- What a batch says that it has cost, as it is read: its items', and that of its live runs.
SELECT to_jsonb(v) AS "row!" FROM (
  SELECT b.id AS batch_id, coalesce(i.cost, 0) + coalesce(r.cost, 0) AS cost_cents, coalesce(c.cost, 0) AS calls_cost
  FROM email_batches b
  LEFT JOIN (SELECT batch_id, sum(cost_cents) AS cost FROM batch_items GROUP BY batch_id) i ON i.batch_id = b.id
  LEFT JOIN (SELECT batch_id, sum(total_cost_cents) AS cost FROM pipeline_runs WHERE batch_id IS NOT NULL AND completed_at IS NULL
             GROUP BY batch_id) r ON r.batch_id = b.id
  LEFT JOIN (SELECT batch_id, sum(cost_cents) AS cost FROM provider_calls WHERE batch_id IS NOT NULL GROUP BY batch_id) c ON c.batch_id = b.id
  WHERE b.created_at > now() - interval '25 days' AND coalesce(i.cost, 0) + coalesce(r.cost, 0) <> coalesce(c.cost, 0)
  LIMIT 20
) v
