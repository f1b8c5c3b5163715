-- Conversations can be found by their title and by what was said in them. No GIN index: `@@` isn't leakproof, so under
-- row-level security no index on words is used; a person's sessions are found by sessions_user, what was said in one by
-- interactions_session, and their words are looked at row by row. A long answer is searched in its beginning: a tsvector
-- has at most 1 MB.
ALTER TABLE sessions
  ADD COLUMN words tsvector NOT NULL GENERATED ALWAYS AS (words_of(title)) STORED;
ALTER TABLE interactions
  ADD COLUMN words tsvector NOT NULL GENERATED ALWAYS AS (words_of(left(content, 100000))) STORED;

-- For the same reason: an index that no query uses, and that every import pays for.
DROP INDEX products_words, clients_words;
