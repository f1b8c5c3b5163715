-- A session whose runs have all been pruned says nothing.
SELECT to_jsonb(v) AS "row!" FROM (
  SELECT x.id AS session_id, x.turns, c.last_turn, c.wrong_sequences
  FROM sessions x
  JOIN (SELECT session_id, max(turn) AS last_turn,
          count(*) FILTER (WHERE user_sequence IS DISTINCT FROM 2 * turn - 1) AS wrong_sequences
        FROM pipeline_runs WHERE turn IS NOT NULL GROUP BY session_id) c ON c.session_id = x.id
  WHERE x.turns <> c.last_turn OR c.wrong_sequences > 0
  LIMIT 20
) v
