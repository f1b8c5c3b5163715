-- What one feed for a page reads twice a second: a person's newest runs. Of columns that never change, so that the end of a run
-- still writes no index; runs of batches, of which there are thousands, are shown as their batch.
CREATE INDEX pipeline_runs_person ON pipeline_runs (org_id, user_id, id) WHERE batch_id IS NULL AND user_id IS NOT NULL;
