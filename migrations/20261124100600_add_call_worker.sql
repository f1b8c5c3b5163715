-- Whose process makes a call: when it dies its open calls are closed, also those whose step is gone already.
ALTER TABLE provider_calls ADD COLUMN worker_id uuid;
CREATE INDEX provider_calls_worker ON provider_calls (worker_id) WHERE completed_at IS NULL;
