-- The queue. What may be written where, and when, is in core/src/queue.

-- Virtual time of a lane: the highest rank claimed. A sequence, so that moving it locks and bloats nothing.
CREATE SEQUENCE queue_v_0 MINVALUE 0 START 0;
CREATE SEQUENCE queue_v_1 MINVALUE 0 START 0;
CREATE SEQUENCE queue_v_2 MINVALUE 0 START 0;
CREATE FUNCTION queue_v(lane smallint) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT CASE lane WHEN 0 THEN (SELECT last_value FROM queue_v_0) WHEN 1 THEN (SELECT last_value FROM queue_v_1) ELSE (SELECT last_value FROM queue_v_2) END
$$;

-- No foreign keys: a run outlives its session, and its rows are written far more often than any other's.
CREATE TABLE pipeline_runs (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL,
  user_id uuid,
  session_id uuid,
  interaction_id uuid,                                     -- the user's
  request_id varchar(100),
  traceparent text,
  service varchar(50) NOT NULL,                            -- = pipeline
  topology varchar(50) NOT NULL,                           -- 'chat@1'
  behavior varchar(50) NOT NULL,                           -- the lane's name
  quality_mode varchar(20) NOT NULL DEFAULT 'balanced' CHECK (quality_mode IN ('fast', 'balanced', 'quality')),
  pipeline text NOT NULL,
  pipeline_version integer NOT NULL,
  lane smallint NOT NULL CHECK (lane BETWEEN 0 AND 2),
  fair_rank bigint NOT NULL,
  status text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'running', 'completed', 'failed', 'cancelled')),
  status_reason text CHECK (status_reason IN ('user', 'guard', 'operator', 'batch', 'error')),
  success boolean NOT NULL DEFAULT false,
  failure jsonb,                                           -- the contract's error; error and error_code are copied from it
  error text,
  error_code varchar(100),
  input jsonb NOT NULL,
  result jsonb,
  stream boolean NOT NULL,
  target_type text,
  target_id uuid,
  parent_run_id uuid,
  provider text,
  model_id text,
  done bigint NOT NULL DEFAULT 0,                          -- bit n: stage n completed or skipped
  made bigint NOT NULL DEFAULT 0,                          -- bit n: stage n has, or had, a step
  turn integer,                                            -- of its session
  user_sequence integer,                                   -- the assistant's number is one more
  batch_id uuid,
  batch_n integer,
  generation integer NOT NULL DEFAULT 1,
  stream_major integer NOT NULL DEFAULT 0,                 -- an ended run's end event stands at this major, minor 0
  end_token uuid,                                          -- the lease token whose settlement ended the run
  total_latency_ms integer,
  ttft_ms integer,
  ttfa_ms integer,
  ttfc_ms integer,
  tokens_in integer NOT NULL DEFAULT 0,
  tokens_out integer NOT NULL DEFAULT 0,
  tokens_per_second double precision,
  input_audio_duration_ms integer,
  output_audio_duration_ms integer,
  total_cost_cents numeric(16, 6) NOT NULL DEFAULT 0,
  stt_provider_call_id uuid,
  llm_provider_call_id uuid,
  tts_provider_call_id uuid,
  stages jsonb NOT NULL DEFAULT '{}',                      -- folded from the steps when the run ends
  run_metadata jsonb NOT NULL DEFAULT '{}',
  context_snapshot jsonb,
  started_at timestamptz,
  completed_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (session_id, turn),
  CHECK ((status IN ('completed', 'failed', 'cancelled')) = (completed_at IS NOT NULL)),
  CHECK ((status = 'failed') = (failure IS NOT NULL)),
  CHECK (done & ~made = 0),
  CHECK (success = (status = 'completed')),
  CHECK ((turn IS NULL) = (user_sequence IS NULL)),
  CHECK (turn IS NULL OR session_id IS NOT NULL)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX pipeline_runs_org ON pipeline_runs (org_id, id);

-- Live work only: the steps of a run that has completed or was cancelled are folded into its row.
CREATE TABLE pipeline_steps (
  run_id uuid NOT NULL,
  stage smallint NOT NULL CHECK (stage BETWEEN 0 AND 61),  -- its bit in the run's shape
  kind text NOT NULL,                                      -- 'chat@1/llm'
  org_id uuid NOT NULL,
  batch_id uuid,
  lane smallint NOT NULL CHECK (lane BETWEEN 0 AND 2),
  fair_rank bigint NOT NULL,
  status text NOT NULL CHECK (status IN ('held', 'delayed', 'ready', 'running', 'completed', 'skipped', 'dead')),
  held_by text CHECK (held_by IN ('turn', 'failed', 'pause')),
  delay_reason text,
  available_at timestamptz,
  deadline_at timestamptz NOT NULL,
  lease_token uuid,
  lease_epoch integer NOT NULL DEFAULT 0,
  worker_id uuid,
  claimed_at timestamptz,
  must_end_by timestamptz,
  timeout_ms integer NOT NULL,
  max_attempts smallint NOT NULL,
  failures smallint NOT NULL DEFAULT 0,
  crashes smallint NOT NULL DEFAULT 0,
  snoozes integer NOT NULL DEFAULT 0,
  output jsonb,
  error jsonb,
  ended_at timestamptz,
  PRIMARY KEY (run_id, stage),
  CHECK ((status = 'held') = (held_by IS NOT NULL)),
  CHECK ((status = 'delayed') = (available_at IS NOT NULL)),
  CHECK (status = 'delayed' OR delay_reason IS NULL),
  CHECK ((status = 'running') = (worker_id IS NOT NULL)),
  CHECK (status <> 'running' OR (lease_token IS NOT NULL AND claimed_at IS NOT NULL AND must_end_by IS NOT NULL)),
  CHECK ((status IN ('completed', 'skipped', 'dead')) = (ended_at IS NOT NULL)),
  CHECK (failures <= max_attempts AND crashes <= 3)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0, vacuum_truncate = off);
CREATE INDEX steps_ready   ON pipeline_steps (lane, fair_rank, run_id) WHERE status = 'ready' AND crashes < 2;
CREATE INDEX steps_suspect ON pipeline_steps (fair_rank)    WHERE status = 'ready' AND crashes >= 2;
CREATE INDEX steps_delayed ON pipeline_steps (available_at) WHERE status = 'delayed';
-- Not on the status: with the fence's condition in it the planner reads this index whole.
CREATE INDEX steps_running ON pipeline_steps (worker_id)    WHERE worker_id IS NOT NULL;

CREATE TABLE workers (
  id uuid PRIMARY KEY,                                     -- new at every start of a process
  host text NOT NULL,
  pid integer NOT NULL,
  version text NOT NULL,
  slots integer NOT NULL,
  started_at timestamptz NOT NULL DEFAULT now(),
  lease_until timestamptz NOT NULL,
  draining boolean NOT NULL DEFAULT false
) WITH (fillfactor = 50);

CREATE TABLE org_lanes (
  org_id uuid NOT NULL,
  lane smallint NOT NULL CHECK (lane BETWEEN 0 AND 2),
  tail bigint NOT NULL,
  weight integer NOT NULL DEFAULT 1 CHECK (weight > 0),
  PRIMARY KEY (org_id, lane)
) WITH (fillfactor = 50);

CREATE TABLE leases (
  name text PRIMARY KEY,
  holder uuid NOT NULL,
  until timestamptz NOT NULL
);

CREATE TABLE idempotency_keys (
  org_id uuid NOT NULL,
  key text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
  route text NOT NULL,
  body_sha256 bytea NOT NULL,
  object text NOT NULL,
  object_id uuid NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

CREATE TABLE run_stream (
  run_id uuid NOT NULL,
  seq bigint NOT NULL,                                     -- major * 1000000 + minor
  org_id uuid NOT NULL,
  event text NOT NULL,
  data jsonb NOT NULL,
  PRIMARY KEY (run_id, seq)
);
