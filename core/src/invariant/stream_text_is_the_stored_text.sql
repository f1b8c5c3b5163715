-- What a reader has at the end: the deltas after the last reset. A user's cancel may store less than was streamed. Of a script's
-- objections the order is the model's in the stream and none in the store: they are not compared.
SELECT to_jsonb(v) AS "row!" FROM (
  WITH streamed AS (
    SELECT r.id, r.org_id, r.session_id, r.pipeline, r.status,
      coalesce((SELECT max(z.seq) FROM run_stream z WHERE z.run_id = r.id AND z.event = 'output.reset'), -1) AS reset
    FROM pipeline_runs r
    WHERE r.stream AND r.completed_at > now() - interval '50 minutes' AND r.status IN ('completed', 'cancelled')
      AND EXISTS (SELECT 1 FROM run_stream t WHERE t.run_id = r.id AND t.seq = 1000000)
  ), stored AS (
    SELECT r.id, NULL AS field, i.content AS text
    FROM streamed r JOIN interactions i ON i.session_id = r.session_id AND i.run_id = r.id AND i.role = 'assistant'
    UNION ALL
    SELECT r.id, f.field, f.text
    FROM streamed r JOIN sales_emails e ON e.org_id = r.org_id AND e.run_id = r.id AND e.origin = 'generated'
    CROSS JOIN LATERAL (VALUES ('subject', e.subject), ('body', e.body), ('call_to_action', e.call_to_action)) AS f (field, text)
    WHERE r.pipeline = 'email'
    UNION ALL
    SELECT r.id, f.field, f.text
    FROM streamed r JOIN sales_scripts s ON s.org_id = r.org_id AND s.run_id = r.id AND s.origin = 'generated'
    CROSS JOIN LATERAL (
      SELECT 'content' AS field, s.content AS text
      UNION ALL
      SELECT l.field, (SELECT string_agg(m.item, E'\n' ORDER BY m.n) FROM jsonb_array_elements_text(l.items) WITH ORDINALITY AS m (item, n))
      FROM (VALUES ('key_talking_points', s.key_talking_points), ('discovery_questions', s.discovery_questions),
                   ('closing_techniques', s.closing_techniques)) AS l (field, items)
    ) f
    WHERE r.pipeline = 'script'
  )
  SELECT r.id AS run_id, r.status, s.field, length(s.text) AS stored_length, length(d.text) AS streamed_length
  FROM streamed r
  JOIN stored s ON s.id = r.id
  CROSS JOIN LATERAL (
    SELECT string_agg(t.data->>'delta', '' ORDER BY t.seq) AS text
    FROM run_stream t
    WHERE t.run_id = r.id AND t.event = 'output.delta' AND t.seq > r.reset AND t.data->>'field' IS NOT DISTINCT FROM s.field
  ) d
  WHERE CASE r.status WHEN 'completed' THEN coalesce(d.text, '') <> coalesce(s.text, '')
                      ELSE NOT starts_with(coalesce(d.text, ''), coalesce(s.text, '')) END
  LIMIT 20
) v
