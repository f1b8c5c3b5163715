-- What retention must not take: the run, the calls and the events of an open dead letter, the run of a call that is open, that of
-- an item whose batch goes on, the items of a batch, and the batch of an item that waits.
SELECT to_jsonb(v) AS "row!" FROM (
  SELECT 'run of an open dead letter' AS missing, d.pipeline_run_id AS of
  FROM dead_letter_queue d WHERE d.resolved_at IS NULL AND NOT EXISTS (SELECT 1 FROM pipeline_runs r WHERE r.id = d.pipeline_run_id)
  UNION ALL
  SELECT 'call of an open dead letter', r.id
  FROM dead_letter_queue d JOIN pipeline_runs r ON r.id = d.pipeline_run_id
  WHERE d.resolved_at IS NULL AND r.llm_provider_call_id IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM provider_calls c WHERE c.id = r.llm_provider_call_id)
  UNION ALL
  SELECT 'event of an open dead letter', d.pipeline_run_id
  FROM dead_letter_queue d JOIN pipeline_runs r ON r.id = d.pipeline_run_id
  WHERE d.resolved_at IS NULL AND NOT EXISTS (SELECT 1 FROM pipeline_events e WHERE e.pipeline_run_id = r.id)
  UNION ALL
  SELECT 'run of an open call', c.pipeline_run_id
  FROM provider_calls c WHERE c.completed_at IS NULL AND NOT EXISTS (SELECT 1 FROM pipeline_runs r WHERE r.id = c.pipeline_run_id)
  UNION ALL
  SELECT 'run of an admitted item', i.run_id
  FROM batch_items i WHERE i.status = 'admitted' AND NOT EXISTS (SELECT 1 FROM pipeline_runs r WHERE r.id = i.run_id)
  UNION ALL
  SELECT 'batch of an item that has not ended', i.batch_id
  FROM batch_items i WHERE i.status IN ('waiting', 'admitted') AND NOT EXISTS (SELECT 1 FROM email_batches b WHERE b.id = i.batch_id)
  LIMIT 20
) v
