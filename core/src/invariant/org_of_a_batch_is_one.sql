SELECT to_jsonb(v) AS "row!" FROM (
  SELECT o.thing, b.id AS batch_id, b.org_id AS batch_org, o.org_id AS other_org
  FROM (
    SELECT 'item' AS thing, batch_id, org_id FROM batch_items
    UNION ALL SELECT 'run', batch_id, org_id FROM pipeline_runs WHERE batch_id IS NOT NULL
    UNION ALL SELECT 'step', batch_id, org_id FROM pipeline_steps WHERE batch_id IS NOT NULL
    UNION ALL SELECT 'provider_call', batch_id, org_id FROM provider_calls WHERE batch_id IS NOT NULL
    UNION ALL SELECT 'event', batch_id, org_id FROM pipeline_events WHERE batch_id IS NOT NULL
    UNION ALL SELECT 'email', batch_id, org_id FROM sales_emails WHERE batch_id IS NOT NULL
    UNION ALL SELECT 'budget', batch_id, org_id FROM batch_budgets
    UNION ALL SELECT 'pause', key::uuid, org_id FROM pauses WHERE scope = 'batch'
    UNION ALL SELECT 'client', i.batch_id, c.org_id FROM batch_items i JOIN clients c ON c.id = i.client_id
  ) o JOIN email_batches b ON b.id = o.batch_id
  WHERE o.org_id IS DISTINCT FROM b.org_id
  LIMIT 20
) v
