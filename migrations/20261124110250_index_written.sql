-- Lists of scripts and emails by name, and the runs that write one: while one is at work, no other is begun.
CREATE INDEX sales_scripts_name ON sales_scripts (org_id, name, script_id) WHERE is_latest;
CREATE INDEX sales_emails_name ON sales_emails (org_id, name, email_id) WHERE is_latest;
-- Not on status: an index that knows it would make every end of a run write to all indexes. A batch's runs write new emails only.
CREATE INDEX pipeline_runs_target ON pipeline_runs (target_id) WHERE target_type IN ('script', 'email') AND batch_id IS NULL;

-- No query can use them: under row-level security `@@` is not leakproof, and words are looked at row by row.
DROP INDEX sales_scripts_words, sales_emails_words;
