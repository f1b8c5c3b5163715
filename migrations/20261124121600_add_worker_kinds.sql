-- What a worker's program knows ('chat@1/llm'), so that a run of a version that no living worker knows says so. Null: the
-- program is older than this column, and may know anything.
ALTER TABLE workers ADD COLUMN kinds text[], ADD COLUMN drained boolean NOT NULL DEFAULT false;

-- Whether a living worker that takes more knows this kind of step.
CREATE FUNCTION a_worker_knows(kind text) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT EXISTS (SELECT 1 FROM workers w WHERE w.lease_until > now() AND NOT w.draining AND (w.kinds IS NULL OR $1 = ANY (w.kinds)))
$$;
