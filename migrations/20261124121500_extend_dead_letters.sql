-- Dead letters say more: why, by what, how often, and who works on them. Letters that were written before know less: what they
-- lack is null.
ALTER TABLE dead_letter_queue
  ADD COLUMN pipeline text,
  ADD COLUMN pipeline_version integer,
  ADD COLUMN batch_id uuid,
  ADD COLUMN provider varchar(50),                         -- that failed, or was asked last
  ADD COLUMN model_id varchar(100),
  ADD COLUMN fingerprint text,                             -- the same cause, the same value
  ADD COLUMN attempts jsonb NOT NULL DEFAULT '[]',         -- every attempt of its generation: worker, times, provider calls
  ADD COLUMN failures integer NOT NULL DEFAULT 0,          -- of the failed stage
  ADD COLUMN crashes integer NOT NULL DEFAULT 0,
  ADD COLUMN snoozes integer NOT NULL DEFAULT 0,
  ADD COLUMN previous_id uuid,                             -- the letter of the generation before
  ADD COLUMN restart_only boolean NOT NULL DEFAULT false,  -- reopened after its steps had gone: nothing is left to resume
  ADD COLUMN investigated_by_actor text,
  ADD COLUMN investigated_at timestamptz,
  ADD COLUMN payload_pruned_at timestamptz;                -- input, outputs and texts are gone by retention

CREATE INDEX dead_letters_fingerprint ON dead_letter_queue (fingerprint) WHERE fingerprint IS NOT NULL;
CREATE INDEX dead_letters_due ON dead_letter_queue (next_retry_at) WHERE status = 'pending' AND next_retry_at IS NOT NULL;

-- A redrive may name the model that is to answer.
ALTER TABLE pipeline_runs ADD COLUMN model_override text;
