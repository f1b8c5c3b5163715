-- A batch that waits for a yes has a hundred thousand waiting items, of which a handful may be admitted.
CREATE INDEX items_sampled ON batch_items (batch_id, n) WHERE sampled;
