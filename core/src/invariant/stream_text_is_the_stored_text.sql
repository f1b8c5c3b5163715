-- What a reader has at the end: the deltas after the last reset. A user's cancel may store less than was streamed.
SELECT to_jsonb(v) AS "row!" FROM (
  SELECT r.id AS run_id, r.status, length(i.content) AS stored_length, length(d.text) AS streamed_length
  FROM pipeline_runs r
  JOIN interactions i ON i.session_id = r.session_id AND i.run_id = r.id AND i.role = 'assistant'
  CROSS JOIN LATERAL (
    SELECT string_agg(t.data->>'delta', '' ORDER BY t.seq) AS text
    FROM run_stream t
    WHERE t.run_id = r.id AND t.event = 'output.delta'
      AND t.seq > coalesce((SELECT max(z.seq) FROM run_stream z WHERE z.run_id = r.id AND z.event = 'output.reset'), -1)
  ) d
  WHERE r.stream AND r.completed_at > now() - interval '50 minutes'
    AND EXISTS (SELECT 1 FROM run_stream t WHERE t.run_id = r.id AND t.seq = 1000000)
    AND CASE r.status WHEN 'completed' THEN coalesce(d.text, '') <> coalesce(i.content, '')
                      WHEN 'cancelled' THEN NOT starts_with(coalesce(d.text, ''), coalesce(i.content, ''))
                      ELSE false END
  LIMIT 20
) v
