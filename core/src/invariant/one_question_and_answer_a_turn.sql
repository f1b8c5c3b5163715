SELECT to_jsonb(v) AS "row!" FROM (
  SELECT r.id AS run_id, r.status, r.user_sequence, c.questions, c.answers, c.misplaced
  FROM pipeline_runs r
  CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE i.role = 'user') AS questions,
      count(*) FILTER (WHERE i.role = 'assistant') AS answers,
      count(*) FILTER (WHERE i.sequence_number IS DISTINCT FROM r.user_sequence + (i.role = 'assistant')::int) AS misplaced
    FROM interactions i WHERE i.session_id = r.session_id AND i.run_id = r.id
  ) c
  WHERE r.turn IS NOT NULL AND EXISTS (SELECT 1 FROM sessions x WHERE x.id = r.session_id)
    AND (c.questions <> 1 OR c.misplaced > 0 OR c.answers > 1
         OR (r.status = 'completed' AND c.answers = 0)
         OR (r.status IN ('queued', 'running', 'failed') AND c.answers > 0))
  LIMIT 20
) v
