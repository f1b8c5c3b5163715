-- What happened: the ledger of provider calls, the events of runs, and the dead letters.
-- The first two are partitioned by ranges of their UUIDv7 id, so that a month can be dropped.

CREATE TABLE provider_calls (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL,
  service varchar(50) NOT NULL,
  operation varchar(20) NOT NULL CHECK (operation IN ('llm', 'stt', 'tts', 'embedding')),
  provider varchar(50) NOT NULL,
  model_id varchar(100),
  request_id varchar(100),
  pipeline_run_id uuid NOT NULL,
  stage smallint NOT NULL,
  attempt integer NOT NULL,
  lease_token uuid NOT NULL,
  session_id uuid,
  interaction_id uuid,
  user_id uuid,
  prompt_messages jsonb,
  prompt_text text,
  output_content text,
  output_parsed jsonb,
  latency_ms integer,
  ttft_ms integer,
  tokens_in integer,
  tokens_out integer,
  usage_estimated boolean NOT NULL DEFAULT false,          -- counted by us, since the provider did not say
  audio_duration_ms integer,
  cost_cents numeric(16, 6),
  success boolean NOT NULL DEFAULT false,
  error text,
  error_code varchar(100),
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  completed_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CHECK (NOT success OR completed_at IS NOT NULL),
  CHECK ((completed_at IS NULL) = (cost_cents IS NULL))
) PARTITION BY RANGE (id);
CREATE TABLE provider_calls_default PARTITION OF provider_calls DEFAULT;
CREATE INDEX provider_calls_run ON provider_calls (pipeline_run_id);
CREATE INDEX provider_calls_org ON provider_calls (org_id, id);
CREATE INDEX provider_calls_open ON provider_calls (lease_token) WHERE completed_at IS NULL;

CREATE TABLE pipeline_events (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL,
  pipeline_run_id uuid NOT NULL,
  event_type varchar(100) NOT NULL,
  event_data jsonb NOT NULL DEFAULT '{}',
  request_id varchar(100),
  session_id uuid,
  user_id uuid,
  occurred_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
) PARTITION BY RANGE (id);
CREATE TABLE pipeline_events_default PARTITION OF pipeline_events DEFAULT;
CREATE INDEX pipeline_events_run ON pipeline_events (pipeline_run_id);
CREATE INDEX pipeline_events_org ON pipeline_events (org_id, id);

CREATE TABLE dead_letter_queue (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL,
  pipeline_run_id uuid NOT NULL,
  generation integer NOT NULL,
  error_type varchar(100) NOT NULL,
  error_message text,
  error_code varchar(100),
  failed_stage varchar(100),
  stack_trace text,
  errors jsonb NOT NULL DEFAULT '[]',                      -- every death of this generation, in order
  context_snapshot jsonb NOT NULL,
  input_data jsonb,
  request_id varchar(100),
  session_id uuid,
  user_id uuid,
  retry_count integer NOT NULL DEFAULT 0,
  max_retries integer NOT NULL DEFAULT 3,
  last_retry_at timestamptz,
  next_retry_at timestamptz,
  status varchar(20) NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'investigating', 'resolved', 'abandoned')),
  resolution varchar(20) CHECK (resolution IN ('redriven', 'fixed', 'wont_fix')),
  resolved_by uuid REFERENCES users (id),
  resolved_by_actor text,
  resolved_at timestamptz,
  resolution_notes text,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (pipeline_run_id, generation),
  CHECK ((status IN ('resolved', 'abandoned')) = (resolved_at IS NOT NULL)),
  CHECK (status IN ('resolved', 'abandoned') OR resolution IS NULL)
);
CREATE INDEX dead_letters_org ON dead_letter_queue (org_id, status, created_at DESC);
CREATE INDEX dead_letters_resolved_by ON dead_letter_queue (resolved_by) WHERE resolved_by IS NOT NULL;
