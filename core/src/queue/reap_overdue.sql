-- The token goes: a settlement that finds its own on a step that isn't running takes it for landed.
WITH d AS MATERIALIZED (
  SELECT s.run_id, s.stage, s.lease_token AS token, s.worker_id, s.claimed_at, s.failures + s.crashes + 1 AS attempt,
    r.status AS run_status, r.generation, r.request_id, r.session_id, r.user_id
  FROM pipeline_steps s JOIN pipeline_runs r ON r.id = s.run_id
  WHERE s.run_id = $1 AND s.stage = $2 AND s.lease_token = $3 AND s.status = 'running' AND s.crashes < 2 AND s.must_end_by < now()
  FOR NO KEY UPDATE OF s, r SKIP LOCKED
)
UPDATE pipeline_steps t
SET status = CASE d.run_status WHEN 'failed' THEN 'held' ELSE 'ready' END, held_by = CASE d.run_status WHEN 'failed' THEN 'failed' END,
    crashes = t.crashes + 1, lease_token = NULL, worker_id = NULL, claimed_at = NULL, must_end_by = NULL, fair_rank = greatest(t.fair_rank, queue_v(t.lane))
FROM d WHERE t.run_id = d.run_id AND t.stage = d.stage
RETURNING t.run_id AS "run_id: RunId", t.stage, t.org_id AS "org_id: OrgId", t.kind, t.lane, d.token AS "token!: LeaseToken", t.lease_epoch AS epoch,
  d.worker_id AS "worker_id!: WorkerId", d.claimed_at AS "claimed_at!", d.attempt AS "attempt!", d.generation, d.request_id, d.session_id,
  d.user_id, clock_timestamp() AS "now!"
