-- Applies the rows of a file, all at once. $1 organisation, $2 import, $3 whether to write (else only the counts are wanted),
-- $4 mode, $5 rejected, $6 errors, $7 ignored columns, $8 who.
WITH found AS (
  -- Whom each row means: by the organisation's own id, else by address, else by name and company; never somebody who is known
  -- to have another id, or (by name) another address.
  SELECT r.n, r.person, r.client_id AS new_id, r.external_id, r.email_key, r.cells || '{"is_active": true}' AS cells, m.id AS known, m.way
  FROM client_import_rows r
  LEFT JOIN LATERAL (
    SELECT x.id, x.way FROM (
      (SELECT c.id, 1 AS way FROM clients c WHERE c.org_id = $1 AND c.external_id = r.external_id)
      UNION ALL
      (SELECT c.id, 2 FROM clients c
       WHERE c.org_id = $1 AND c.email_key = r.email_key AND (c.external_id IS NULL OR r.external_id IS NULL)
       ORDER BY c.is_active DESC, c.created_at, c.id LIMIT 1)
      UNION ALL
      (SELECT c.id, 3 FROM clients c
       WHERE c.org_id = $1 AND c.person_key = r.person_key AND (c.external_id IS NULL OR r.external_id IS NULL)
         AND (c.email_key IS NULL OR r.email_key IS NULL)
       ORDER BY c.is_active DESC, c.created_at, c.id LIMIT 1)
    ) x ORDER BY x.way LIMIT 1
  ) m ON true
  WHERE r.org_id = $1 AND r.import_id = $2
),
meant AS (
  -- Rows of one person mean whom the surest of them means.
  SELECT n, person, cells,
    first_value(new_id) OVER (PARTITION BY person ORDER BY n) AS new_id,
    first_value(known) OVER sure AS known, first_value(way) OVER sure AS way,
    first_value(external_id) OVER (PARTITION BY person ORDER BY external_id IS NULL, n) AS external_id,
    first_value(email_key) OVER (PARTITION BY person ORDER BY email_key IS NULL, n) AS email_key
  FROM found WINDOW sure AS (PARTITION BY person ORDER BY known IS NULL, way, n)
),
claimed AS (
  -- Two persons of the file may mean the same client. The surest of them is it; one with another id or address is not.
  SELECT n, cells, new_id, known, way, external_id, email_key,
    first_value(external_id) OVER (PARTITION BY known ORDER BY external_id IS NULL, way, person) AS its_external_id,
    first_value(email_key) OVER (PARTITION BY known ORDER BY email_key IS NULL, way, person) AS its_email_key
  FROM meant
),
people AS (
  SELECT n, cells,
    known IS NOT NULL AND (external_id IS NULL OR external_id = its_external_id)
      AND (way < 3 OR email_key IS NULL OR email_key = its_email_key) AS is_known,
    new_id, known
  FROM claimed
),
clients_of_rows AS (
  SELECT n, cells, is_known, CASE WHEN is_known THEN known ELSE new_id END AS client_id FROM people
),
told AS (
  -- What the client was, what the rows before said, and what all rows say.
  SELECT p.n, p.client_id, p.is_known, p.cells, coalesce(c.base, '{}') AS base,
    min(p.n) OVER (PARTITION BY p.client_id) AS first_n,
    jsonb_overlay(p.cells) OVER (PARTITION BY p.client_id ORDER BY p.n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before,
    jsonb_overlay(p.cells) OVER (PARTITION BY p.client_id ORDER BY p.n ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS said
  FROM clients_of_rows p
  LEFT JOIN LATERAL (
    SELECT jsonb_build_object(
      'external_id', c.external_id, 'name', c.name, 'company', c.company, 'title', c.title, 'industry', c.industry, 'email', c.email,
      'pain_points', c.pain_points, 'goals', c.goals, 'objection_patterns', c.objection_patterns,
      'communication_style', c.communication_style, 'decision_criteria', c.decision_criteria, 'is_active', c.is_active) AS base
    FROM clients c WHERE c.org_id = $1 AND c.id = p.client_id AND p.is_known OFFSET 0
  ) c ON true
),
judged AS (
  SELECT n, client_id, first_n, is_known, said, is_known AND base || said <> base AS is_changed,
    CASE WHEN NOT is_known AND n = first_n THEN 'created'
         WHEN is_known AND base || said = base THEN 'unchanged'
         WHEN base || before || cells = base || before THEN 'unchanged'
         ELSE 'updated' END AS outcome
  FROM told
),
counts AS (
  SELECT count(*) AS rows, count(*) FILTER (WHERE outcome = 'created') AS created,
    count(*) FILTER (WHERE outcome = 'updated') AS updated, count(*) FILTER (WHERE outcome = 'unchanged') AS unchanged
  FROM judged
),
made AS (
  INSERT INTO client_imports (id, org_id, mode, created, updated, unchanged, rejected, errors, ignored_columns, created_by)
  SELECT $2, $1, $4, created, updated, unchanged, $5, $6, $7, $8 FROM counts WHERE $3
),
written AS (
  INSERT INTO clients (id, org_id, external_id, name, company, title, industry, email, pain_points, goals, objection_patterns,
    communication_style, decision_criteria)
  SELECT client_id, $1, said ->> 'external_id', said ->> 'name', said ->> 'company', said ->> 'title', said ->> 'industry', said ->> 'email',
    coalesce(said -> 'pain_points', '[]'), coalesce(said -> 'goals', '[]'), coalesce(said -> 'objection_patterns', '[]'),
    said ->> 'communication_style', coalesce(said -> 'decision_criteria', '[]')
  FROM judged WHERE $3 AND n = first_n AND NOT is_known ORDER BY n
),
changed AS (
  -- Only what the file says is written: what somebody else changes meanwhile stands.
  UPDATE clients c SET
    external_id = coalesce(j.said ->> 'external_id', c.external_id), name = coalesce(j.said ->> 'name', c.name),
    company = coalesce(j.said ->> 'company', c.company), title = coalesce(j.said ->> 'title', c.title),
    industry = coalesce(j.said ->> 'industry', c.industry), email = coalesce(j.said ->> 'email', c.email),
    pain_points = coalesce(j.said -> 'pain_points', c.pain_points), goals = coalesce(j.said -> 'goals', c.goals),
    objection_patterns = coalesce(j.said -> 'objection_patterns', c.objection_patterns),
    communication_style = coalesce(j.said ->> 'communication_style', c.communication_style),
    decision_criteria = coalesce(j.said -> 'decision_criteria', c.decision_criteria),
    is_active = true, version = c.version + 1, updated_at = clock_timestamp()
  FROM judged j WHERE $3 AND j.n = j.first_n AND j.is_changed AND c.org_id = $1 AND c.id = j.client_id
),
members AS (
  INSERT INTO client_import_members (org_id, import_id, n, client_id)
  SELECT $1, $2, n, client_id FROM judged WHERE $3 AND n = first_n
),
gone AS (
  DELETE FROM client_import_rows WHERE $3 AND org_id = $1 AND import_id = $2
)
SELECT rows AS "rows!", created AS "created!", updated AS "updated!", unchanged AS "unchanged!" FROM counts
