SELECT to_jsonb(v) AS "row!" FROM (
  SELECT s.run_id, s.stage, s.status, s.held_by FROM pipeline_steps s
  WHERE s.held_by = 'pause' AND NOT EXISTS (
    SELECT 1 FROM pauses a
    WHERE (a.until IS NULL OR a.until > now())
      AND (a.scope = 'batch' AND a.key = s.batch_id::text OR a.scope = 'org' AND a.key = s.org_id::text
        OR a.scope = 'pipeline' AND a.key = split_part(s.kind, '@', 1)
        OR a.scope = 'lane' AND a.key = (ARRAY['interactive', 'standard', 'bulk'])[s.lane + 1]))
  LIMIT 20
) v
