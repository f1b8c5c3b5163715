SELECT r.org_id AS "org_id: OrgId", now() AS "now!", r.completed_at IS NOT NULL AS "has_ended!", s.deadline_at AS "deadline_at?",
  s.worker_id AS "worker_id?: WorkerId", w.host AS "host?", w.pid AS "pid?", coalesce(w.lease_until > now(), false) AS "is_alive!",
  s.claimed_at AS "claimed_at?",
  CASE WHEN s.status = 'ready' AND r.completed_at IS NULL THEN jsonb_build_object(
    'ahead', (SELECT count(*) FROM (SELECT 1 FROM pipeline_steps q WHERE q.status = 'ready' AND q.crashes < 2 AND q.lane = s.lane
        AND (q.fair_rank, q.run_id) < (s.fair_rank, s.run_id) LIMIT $2) x),
    'ahead_of_org', (SELECT count(*) FROM (SELECT 1 FROM pipeline_steps q WHERE q.status = 'ready' AND q.crashes < 2 AND q.lane = s.lane
        AND q.org_id = s.org_id AND (q.fair_rank, q.run_id) < (s.fair_rank, s.run_id) LIMIT $2) x),
    'fair_rank', s.fair_rank, 'lane_rank', queue_v(s.lane),
    'org_backlog', coalesce((SELECT greatest(0, o.tail - queue_v(s.lane)) * o.weight / 1000000 FROM org_lanes o
        WHERE o.org_id = s.org_id AND o.lane = s.lane), 0),
    'workers', (SELECT count(*) FROM workers k WHERE k.lease_until > now() AND NOT k.draining AND (k.kinds IS NULL OR s.kind = ANY (k.kinds)))
  ) END AS place,
  l.id AS "letter_id?: DeadLetterId", l.status AS "letter_status?", l.resolution AS letter_resolution
FROM pipeline_runs r
LEFT JOIN LATERAL (
  SELECT * FROM pipeline_steps p WHERE p.run_id = r.id AND p.status NOT IN ('completed', 'skipped')
  ORDER BY CASE p.status WHEN 'dead' THEN 0 WHEN 'running' THEN 1 WHEN 'ready' THEN 2 WHEN 'delayed' THEN 3 ELSE 4 END, p.stage LIMIT 1
) s ON true
LEFT JOIN workers w ON w.id = s.worker_id
LEFT JOIN dead_letter_queue l ON l.pipeline_run_id = r.id AND l.generation = r.generation
WHERE r.id = $1
