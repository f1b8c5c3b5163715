-- What accepting a list of ten thousand doesn't need to pay for: accept itself sees to it that nobody is listed twice.
ALTER TABLE batch_items DROP CONSTRAINT batch_items_batch_id_client_id_key;

-- What an organisation has under way: there is a bound.
CREATE INDEX email_batches_live ON email_batches (org_id) WHERE completed_at IS NULL;
