-- Sessions, what was said in them, and their summaries.

CREATE TABLE sessions (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
  user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  state varchar(20) NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'ended')),
  session_type varchar(50) NOT NULL DEFAULT 'chat' CHECK (session_type IN ('chat', 'script_generation', 'email_generation')),
  title varchar(255),
  product_id uuid,
  client_id uuid,
  metadata jsonb NOT NULL DEFAULT '{}',
  interaction_count integer NOT NULL DEFAULT 0,            -- rows in interactions
  turns integer NOT NULL DEFAULT 0,                        -- turns accepted; the number of the last one
  active_run_id uuid,                                      -- the run whose turn it is
  waiting integer NOT NULL DEFAULT 0 CHECK (waiting >= 0), -- runs whose steps are held by 'turn'
  duration_ms bigint,
  started_at timestamptz NOT NULL DEFAULT now(),
  ended_at timestamptz,
  last_interaction_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (org_id, id),
  CHECK ((state = 'ended') = (ended_at IS NOT NULL)),
  CHECK (active_run_id IS NOT NULL OR waiting = 0),
  FOREIGN KEY (org_id, product_id) REFERENCES products (org_id, id) ON DELETE SET NULL (product_id),
  FOREIGN KEY (org_id, client_id) REFERENCES clients (org_id, id) ON DELETE SET NULL (client_id)
) WITH (fillfactor = 80);
CREATE INDEX sessions_user ON sessions (user_id, org_id, created_at DESC, id DESC);
CREATE INDEX sessions_product ON sessions (org_id, product_id) WHERE product_id IS NOT NULL;
CREATE INDEX sessions_client ON sessions (org_id, client_id) WHERE client_id IS NOT NULL;

CREATE TABLE interactions (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL,
  session_id uuid NOT NULL,
  run_id uuid,
  role varchar(20) NOT NULL CHECK (role IN ('user', 'assistant', 'system')),
  status varchar(20) NOT NULL DEFAULT 'complete' CHECK (status IN ('complete', 'partial', 'blocked')),
  message_id varchar(100),
  input_type varchar(20) NOT NULL DEFAULT 'text' CHECK (input_type IN ('text', 'voice')),
  content text,
  filtered boolean NOT NULL DEFAULT false,
  superseded_by uuid,
  transcript text,
  audio_url text,
  audio_duration_ms integer,
  llm_provider_call_id uuid,
  stt_provider_call_id uuid,
  tts_provider_call_id uuid,
  sequence_number integer NOT NULL CHECK (sequence_number > 0),
  created_at timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (org_id, session_id) REFERENCES sessions (org_id, id) ON DELETE CASCADE,
  UNIQUE (session_id, sequence_number),
  UNIQUE (session_id, message_id)
);
CREATE INDEX interactions_session ON interactions (org_id, session_id, sequence_number);

CREATE TABLE session_summaries (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL,
  session_id uuid NOT NULL,
  run_id uuid NOT NULL,
  version integer NOT NULL,
  summary_text text NOT NULL,
  cutoff_sequence integer NOT NULL,                        -- interactions up to and with this one are summarised
  token_count integer,
  created_at timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (org_id, session_id) REFERENCES sessions (org_id, id) ON DELETE CASCADE,
  CONSTRAINT session_summary_version_unique UNIQUE (session_id, version)
);
CREATE INDEX session_summaries_session ON session_summaries (org_id, session_id, cutoff_sequence);

CREATE TABLE summary_states (
  session_id uuid PRIMARY KEY,
  org_id uuid NOT NULL,
  turns_since_summary integer NOT NULL DEFAULT 0,
  last_cutoff_sequence integer NOT NULL DEFAULT 0,
  last_summary_at timestamptz,
  pending_run_id uuid,                                     -- the summary run that is on its way
  updated_at timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (org_id, session_id) REFERENCES sessions (org_id, id) ON DELETE CASCADE
);
CREATE INDEX summary_states_session ON summary_states (org_id, session_id);
