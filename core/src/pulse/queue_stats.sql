WITH moved AS (
  SELECT lane, pipeline, org_id, 1 AS came, 0 AS ended FROM pipeline_runs WHERE id >= $5 AND created_at >= now() - interval '1 minute'
  UNION ALL
  SELECT r.lane, r.pipeline, r.org_id, 0, 1 FROM pipeline_events e JOIN pipeline_runs r ON r.id = e.pipeline_run_id
  WHERE e.id >= $5 AND e.event_type = 'pipeline.wide' AND e.occurred_at >= now() - interval '1 minute'
), counted AS (
  SELECT s.lane, split_part(s.kind, '@', 1) AS pipeline, s.org_id,
    count(*) FILTER (WHERE s.status = 'ready') AS ready, count(*) FILTER (WHERE s.status = 'running') AS running,
    count(*) FILTER (WHERE s.status = 'delayed') AS delayed, count(*) FILTER (WHERE s.held_by = 'turn') AS held_turn,
    count(*) FILTER (WHERE s.held_by = 'pause') AS held_pause,
    count(DISTINCT s.run_id) FILTER (WHERE s.status IN ('ready', 'running', 'delayed') OR s.held_by IN ('turn', 'pause')) AS runs,
    max(extract(epoch FROM now() - (s.deadline_at - (ARRAY[$6::bigint, $7::bigint, $8::bigint])[s.lane + 1] * interval '1 ms')))
      FILTER (WHERE s.status = 'ready' AND s.failures + s.crashes + s.snoozes = 0) AS oldest_s,
    0::bigint AS items, 0::bigint AS came, 0::bigint AS ended
  FROM pipeline_steps s GROUP BY 1, 2, 3
  UNION ALL
  SELECT lane, pipeline, org_id, 0, 0, 0, 0, 0, 0, NULL, 0, sum(came), sum(ended) FROM moved GROUP BY 1, 2, 3
  UNION ALL
  SELECT 2, 'email', i.org_id, 0, 0, 0, 0, 0, 0, NULL, count(*), 0, 0
  FROM email_batches b JOIN batch_items i ON i.batch_id = b.id AND i.status = 'waiting'
  WHERE b.status IN ('running', 'cancelling', 'paused', 'awaiting_approval') GROUP BY i.org_id
)
SELECT (ARRAY['interactive', 'standard', 'bulk'])[g.lane + 1] AS lane, g.pipeline, g.org_id AS "org_id: OrgId", o.name AS "org?",
  g.ready AS "ready!", g.running AS "running!", g.delayed AS "delayed!", g.held_turn AS "held_turn!", g.held_pause AS "held_pause!",
  g.runs AS "runs!", g.items AS "items!", g.oldest_ms, g.in_per_s AS "in_per_s!", g.out_per_s AS "out_per_s!"
FROM (
  SELECT CASE WHEN $1 THEN c.lane END AS lane, CASE WHEN $2 THEN c.pipeline END AS pipeline, CASE WHEN $3 THEN c.org_id END AS org_id,
    sum(c.ready)::bigint AS ready, sum(c.running)::bigint AS running, sum(c.delayed)::bigint AS delayed,
    sum(c.held_turn)::bigint AS held_turn, sum(c.held_pause)::bigint AS held_pause, sum(c.runs)::bigint AS runs,
    sum(c.items)::bigint AS items, (CASE WHEN max(c.oldest_s) IS NOT NULL THEN greatest(max(c.oldest_s), 0) END * 1000)::bigint AS oldest_ms,
    round(sum(c.came) / 60.0, 3)::double precision AS in_per_s, round(sum(c.ended) / 60.0, 3)::double precision AS out_per_s
  FROM counted c WHERE $4::uuid IS NULL OR c.org_id = $4
  GROUP BY 1, 2, 3
) g LEFT JOIN organizations o ON o.id = g.org_id
ORDER BY g.lane, g.pipeline, g.ready + g.running + g.delayed DESC, g.org_id
LIMIT 1000
