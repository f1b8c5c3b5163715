//! Retention: what is old goes by policy, and nothing that is open does.

use hellosales_core::content::Total;
use hellosales_core::retention::{self, Policy, Prunable, Pruned};
use hellosales_core::{Database, Role};

use super::bench::Bench;
use crate::harness::database::TestDatabase;

/// Words for rows of any age. A run's `n` is its `fair_rank`.
const WORDS: &str = "
CREATE FUNCTION id_of(days integer, n integer) RETURNS uuid LANGUAGE sql AS $$
  SELECT (left(uuid_at(now() - days * interval '1 day')::text, 14) || '7000-8000-' || lpad(n::text, 12, '0'))::uuid $$;
CREATE FUNCTION add_run(n integer, days integer, status text, batch uuid DEFAULT NULL) RETURNS uuid LANGUAGE sql AS $$
  INSERT INTO pipeline_runs (id, org_id, service, topology, behavior, pipeline, pipeline_version, lane, fair_rank, status, status_reason,
    success, failure, input, stream, done, made, batch_id, batch_n, started_at, completed_at, created_at)
  SELECT id_of(days, n), o.id, 'email', 'email@1', 'bulk', 'email', 1, 2, n, status,
    CASE status WHEN 'failed' THEN 'error' WHEN 'cancelled' THEN 'user' END, status = 'completed',
    CASE status WHEN 'failed' THEN '{\"code\":\"STAGE_FAILED\"}'::jsonb END, '{}', false, CASE status WHEN 'completed' THEN 127 ELSE 0 END,
    CASE status WHEN 'completed' THEN 127 ELSE 1 END, batch, CASE WHEN batch IS NOT NULL THEN n END, at, CASE WHEN status NOT IN ('queued', 'running') THEN at END, at
  FROM organizations o CROSS JOIN (SELECT now() - days * interval '1 day' AS at) a RETURNING id $$;
CREATE FUNCTION add_letter(run uuid, days integer, wanted text) RETURNS void LANGUAGE sql AS $$
  INSERT INTO dead_letter_queue (id, org_id, pipeline_run_id, generation, error_type, status, resolved_at, context_snapshot, input_data)
  SELECT id_of(days, r.fair_rank::int), r.org_id, r.id, 1, 'x', wanted, CASE WHEN wanted IN ('resolved', 'abandoned') THEN now() - days * interval '1 day' END,
    '{\"a\": 1}', '{}' FROM pipeline_runs r WHERE r.id = run;
  INSERT INTO pipeline_steps (run_id, stage, kind, org_id, batch_id, lane, fair_rank, status, deadline_at, timeout_ms, max_attempts, failures, ended_at)
  SELECT id, 0, 'email@1/llm', org_id, batch_id, lane, 1, 'dead', now(), 1000, 3, 3, now() FROM pipeline_runs
  WHERE id = run AND wanted IN ('pending', 'investigating') $$;
CREATE FUNCTION add_call(n integer, run uuid, days integer, is_open boolean DEFAULT false) RETURNS void LANGUAGE sql AS $$
  INSERT INTO provider_calls (id, org_id, service, operation, provider, pipeline_run_id, stage, attempt, lease_token, prompt_messages,
    output_content, cost_cents, completed_at, batch_id)
  SELECT id_of(days, n), r.org_id, 'email', 'llm', 'simulator', r.id, 0, 1, r.id, '[1]', 'Dear Ana', CASE WHEN NOT is_open THEN 0 END,
    CASE WHEN NOT is_open THEN now() END, r.batch_id FROM pipeline_runs r WHERE r.id = run $$;
CREATE FUNCTION add_event(n integer, run uuid, days integer) RETURNS void LANGUAGE sql AS $$
  INSERT INTO pipeline_events (id, org_id, pipeline_run_id, event_type) SELECT id_of(days, n), r.org_id, r.id, 'pipeline.wide'
  FROM pipeline_runs r WHERE r.id = run $$;
CREATE FUNCTION add_batch(n integer, days integer, status text, total integer) RETURNS uuid LANGUAGE sql AS $$
  INSERT INTO email_batches (id, org_id, status, email_type, is_approved, estimated_cost_cents, total, created_at, completed_at)
  SELECT id_of(days, n), o.id, status, 'general', true, 0, total, now() - days * interval '1 day',
    CASE WHEN status IN ('completed', 'cancelled') THEN now() - days * interval '1 day' END FROM organizations o;
  INSERT INTO batch_budgets (batch_id, org_id, max_cost_cents) SELECT id_of(days, n), o.id, 1 FROM organizations o RETURNING batch_id $$;
CREATE FUNCTION add_item(batch uuid, n integer, run uuid, status text) RETURNS void LANGUAGE sql AS $$
  INSERT INTO batch_items (org_id, batch_id, n, client_id, status, run_id, ended_at)
  SELECT o.id, batch, n, gen_random_uuid(), status, run, CASE WHEN status NOT IN ('waiting', 'admitted') THEN now() END FROM organizations o $$;
-- The partition of the month that a day so long ago is in.
CREATE FUNCTION add_month(parent text, days integer) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  month date := date_trunc('month', (now() - days * interval '1 day') AT TIME ZONE 'UTC');
  child text := parent || to_char(month, '_YYYY_MM');
BEGIN
  EXECUTE format('CREATE TABLE IF NOT EXISTS %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', child, parent,
    uuid_at(month::timestamp AT TIME ZONE 'UTC'), uuid_at((month + interval '1 month') AT TIME ZONE 'UTC'));
  RETURN child;
END $$;";

/// A bench with these words, and the pools of a worker.
async fn with_words(test: impl AsyncFnOnce(&Bench<'_>, &Database)) {
    TestDatabase::run_unchecked(async |db: &TestDatabase| {
        let bench = Bench::at(db).await;
        bench.sql(WORDS).await;
        test(&bench, &db.pools(Role::Worker)).await;
    })
    .await;
}

/// Prunes one kind until there is nothing more; how much went.
async fn prune(db: &Database, what: Prunable) -> u64 {
    let policy = Policy::default();
    let (mut from, mut gone) = (None, 0);
    for _ in 0..10_000 {
        let pruned: Pruned = retention::prune(db, &policy, what, from).await.expect("pruned");
        gone += pruned.gone;
        from = pruned.next;
        if from.is_none() {
            return gone;
        }
    }
    panic!("{what} has no end");
}

async fn due(db: &Database, what: Prunable) -> i64 {
    let Total { count, is_exact } = retention::due(db, &Policy::default(), what).await.expect("counted");
    assert!(is_exact);
    count
}

async fn runs(bench: &Bench<'_>) -> Vec<i64> {
    bench.column("SELECT fair_rank FROM pipeline_runs ORDER BY 1").await
}

#[tokio::test]
async fn runs_go_when_they_are_old_ended_and_nothing_of_them_is_open() {
    with_words(async |bench, worker| {
        bench
            .sql("SELECT add_run(1, 91, 'completed'), add_run(2, 91, 'cancelled'), add_run(3, 89, 'completed'), add_run(4, 200, 'queued');
                  SELECT add_letter(add_run(5, 91, 'failed'), 91, 'abandoned'); SELECT add_letter(add_run(6, 91, 'failed'), 91, 'pending');
                  SELECT add_letter(add_run(7, 91, 'failed'), 91, 'investigating'); SELECT add_letter(add_run(8, 91, 'failed'), 89, 'resolved');
                  SELECT add_run(9, 91, 'completed'); UPDATE pipeline_runs SET completed_at = now() WHERE fair_rank = 9;
                  SELECT add_run(10, 91, 'cancelled'), add_run(11, 91, 'cancelled');
                  UPDATE pipeline_runs SET session_id = gen_random_uuid(), turn = 1, user_sequence = 1 WHERE fair_rank >= 10;
                  UPDATE pipeline_runs SET done = 1 WHERE fair_rank = 11;
                  INSERT INTO run_stream SELECT id, 0, org_id, 'x', '{}' FROM pipeline_runs; SELECT add_call(fair_rank::int, id, 91) FROM pipeline_runs")
            .await;
        assert_eq!(due(worker, Prunable::Runs).await, 4);
        assert_eq!(runs(bench).await.len(), 11, "counting takes nothing");
        assert_eq!(prune(worker, Prunable::Runs).await, 4);
        assert_eq!(runs(bench).await, [3, 4, 6, 7, 8, 9, 10]);
        assert_eq!(bench.value::<i64>("SELECT count(*) FROM dead_letter_queue").await, 3);
        for table in ["run_stream WHERE run_id", "provider_calls WHERE pipeline_run_id"] {
            let left = format!("SELECT count(*) FROM {table} NOT IN (SELECT id FROM pipeline_runs)");
            assert_eq!(bench.value::<i64>(&left).await, 0, "{table}");
        }
        assert_eq!(bench.value::<i64>("SELECT count(*) FROM run_stream").await, 7);
        assert_eq!(prune(worker, Prunable::Runs).await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_dead_letter_that_is_opened_again_while_its_run_is_pruned_keeps_it() {
    with_words(async |bench, worker| {
        bench.sql("SELECT add_letter(add_run(1, 91, 'failed'), 91, 'abandoned')").await;
        let mut other = bench.lock("SELECT 1 FROM dead_letter_queue").await;
        let policy = Policy::default();
        let pruning = retention::prune(worker, &policy, Prunable::Runs, None);
        let reopening = async {
            bench.blocked(1).await;
            other.run("UPDATE dead_letter_queue SET status = 'pending', resolved_at = NULL; COMMIT").await;
        };
        let (pruned, ()) = tokio::join!(pruning, reopening);
        assert_eq!(pruned.expect("pruned").gone, 0);
        assert_eq!(runs(bench).await, [1]);
        assert_eq!(bench.value::<i64>("SELECT count(*) FROM dead_letter_queue").await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_batch_goes_before_its_items_and_runs_unless_something_of_it_is_open() {
    with_words(async |bench, worker| {
        bench
            .sql("SELECT add_item(b, 1, add_run(1, 91, 'completed', b), 'completed') FROM add_batch(1, 91, 'completed', 1) b;
                  SELECT add_item(b, 2, r, 'failed'), add_letter(r, 91, 'pending') FROM add_batch(2, 91, 'completed', 1) b, LATERAL add_run(2, 91, 'failed', b) r;
                  SELECT add_item(b, 3, add_run(3, 91, 'completed', b), 'completed'), add_item(b, 4, NULL, 'waiting') FROM add_batch(3, 91, 'running', 2) b;
                  SELECT add_item(b, 5, add_run(5, 91, 'completed', b), 'completed') FROM add_batch(4, 89, 'completed', 1) b")
            .await;
        assert_eq!(prune(worker, Prunable::Runs).await, 0, "their batch is there");
        assert_eq!(due(worker, Prunable::Batches).await, 1);
        assert_eq!(prune(worker, Prunable::Batches).await, 1);
        assert_eq!(bench.value::<i64>("SELECT count(*) FROM batch_budgets").await, 3);
        assert_eq!(due(worker, Prunable::BatchItems).await, 1);
        assert_eq!(prune(worker, Prunable::BatchItems).await, 1);
        assert_eq!(bench.column::<i32>("SELECT n FROM batch_items ORDER BY n").await, [2, 3, 4, 5]);
        assert_eq!(prune(worker, Prunable::Runs).await, 1);
        assert_eq!(runs(bench).await, [2, 3, 5]);
    })
    .await;
}

#[tokio::test]
async fn prompts_and_answers_are_blanked_and_their_calls_stay() {
    with_words(async |bench, worker| {
        bench
            .sql("SELECT add_call(1, r, 31), add_call(2, r, 29), add_call(3, r, 40) FROM add_run(1, 40, 'completed') r;
                  SELECT add_call(4, r, 35, true) FROM add_run(2, 40, 'running') r")
            .await;
        let told = "SELECT fair FROM (SELECT right(id::text, 1) AS fair FROM provider_calls WHERE prompt_messages IS NOT NULL AND output_content IS NOT NULL) f ORDER BY 1";
        assert_eq!(due(worker, Prunable::Prompts).await, 2);
        assert_eq!(prune(worker, Prunable::Prompts).await, 1, "an open call is waited for");
        bench.sql("UPDATE provider_calls SET completed_at = now(), cost_cents = 0 WHERE completed_at IS NULL").await;
        assert_eq!(prune(worker, Prunable::Prompts).await, 2);
        assert_eq!(bench.column::<String>(told).await, ["2"]);
        assert_eq!(prune(worker, Prunable::Prompts).await, 0);
        assert_eq!(bench.value::<i64>("SELECT count(*) FROM provider_calls").await, 4);
    })
    .await;
}

#[tokio::test]
async fn a_closed_dead_letter_keeps_no_snapshot_and_the_log_and_lists_go_by_age() {
    with_words(async |bench, worker| {
        bench
            .sql("SELECT add_letter(add_run(1, 200, 'failed'), 91, 'abandoned'); SELECT add_letter(add_run(2, 200, 'failed'), 91, 'pending');
                  INSERT INTO audit_log (id, actor, action, target_type, target_id)
                  SELECT id_of(d, d), 'operator:x', 'x', 'x', 'x' FROM unnest(ARRAY[364, 366, 700]) d;
                  INSERT INTO clients (id, org_id, name) SELECT id_of(1, n), o.id, 'Ana' FROM organizations o, generate_series(1, 1200) n;
                  INSERT INTO client_imports (id, org_id, mode, created, updated, unchanged, rejected)
                  SELECT id_of(d, d), o.id, 'keep_good', 0, 0, 0, 0 FROM organizations o, unnest(ARRAY[89, 91]) d;
                  INSERT INTO client_import_members (org_id, import_id, n, client_id)
                  SELECT i.org_id, i.id, row_number() OVER (PARTITION BY i.id), c.id FROM client_imports i, clients c")
            .await;
        assert_eq!(prune(worker, Prunable::DeadLetters).await, 1);
        let kept = "SELECT status FROM dead_letter_queue WHERE context_snapshot <> '{}' AND input_data IS NOT NULL";
        assert_eq!(bench.column::<String>(kept).await, ["pending"]);
        assert_eq!(due(worker, Prunable::AuditLog).await, 2);
        assert_eq!(prune(worker, Prunable::AuditLog).await, 2);
        assert_eq!(due(worker, Prunable::Imports).await, 1);
        assert_eq!(prune(worker, Prunable::Imports).await, 1);
        assert_eq!(bench.value::<i64>("SELECT count(*) FROM client_import_members").await, 1_200);
        assert_eq!(bench.value::<i64>("SELECT count(*) FROM clients").await, 1_200, "clients are content");
    })
    .await;
}

#[tokio::test]
async fn months_are_made_ahead_and_what_is_written_in_them_is_as_closed_as_before() {
    with_words(async |bench, worker| {
        let children = "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE c.relkind = 'r' ORDER BY 1";
        let before: Vec<String> = bench.column(children).await;
        bench.sql(&format!("DROP TABLE {}", before[1])).await;
        assert_eq!(retention::make_months(worker).await.expect("made"), 1);
        assert_eq!(bench.column::<String>(children).await, before);
        assert_eq!(retention::make_months(worker).await.expect("made"), 0);

        // A month of which something stands in the default partition gets none, and a rule that was left there is lifted.
        bench.sql(&format!("DROP TABLE {}; SELECT add_event(1, add_run(1, 0, 'running'), 0)", before[0])).await;
        assert_eq!(before[0], bench.value::<String>("SELECT to_char(now() AT TIME ZONE 'UTC', '\"pipeline_events_\"YYYY_MM')").await);
        let rule = before[0].replace("pipeline_events", "none_of");
        bench.sql(&format!("ALTER TABLE pipeline_events_default ADD CONSTRAINT {rule} CHECK (true) NOT VALID")).await;
        assert_eq!(retention::make_months(worker).await.expect("made"), 0);
        let open = "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE c.relkind = 'r' AND NOT (relrowsecurity AND relforcerowsecurity)";
        assert!(bench.column::<String>(open).await.is_empty());
        let direct = sqlx::query("SELECT 1 FROM provider_calls_default").execute(worker.durable()).await;
        assert!(direct.is_err(), "a partition is reached by its table only");
        let rules = "SELECT conname::text FROM pg_constraint WHERE conname LIKE 'none_of%'";
        assert!(bench.column::<String>(rules).await.is_empty(), "what was said of the default partition is taken back");
    })
    .await;
}

#[tokio::test]
async fn nobody_can_make_or_drop_another_table_or_a_month_that_is_young() {
    with_words(async |bench, worker| {
        let refused = async |db: &Database, sql: &str| {
            let error = sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).execute(db.durable()).await.expect_err(sql);
            error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned())
        };
        let month = "date_trunc('month', now() AT TIME ZONE 'UTC')::date";
        for sql in [
            format!("SELECT drop_partition('provider_calls', {month})"),
            format!("SELECT drop_partition('pipeline_events', ({month} - interval '1 month')::date)"),
            "SELECT drop_partition('clients', '2020-01-01')".to_owned(),
            "SELECT drop_partition('pipeline_events', '2020-01-02')".to_owned(),
            "SELECT make_partition('x; DROP TABLE clients', '2030-01-01', 3)".to_owned(),
            format!("SELECT make_partition('provider_calls', ({month} + interval '5 months')::date, 3)"),
            format!("SELECT make_partition('provider_calls', ({month} - interval '1 month')::date, 3)"),
        ] {
            assert_eq!(refused(worker, &sql).await.as_deref(), Some("22023"), "{sql}");
        }
        let api = bench.db.pools(Role::Api);
        assert_eq!(
            refused(&api, "SELECT drop_partition('provider_calls', '2020-01-01')").await.as_deref(),
            Some("42501")
        );
        assert_eq!(refused(worker, "DROP TABLE provider_calls_default").await.as_deref(), Some("42501"));
    })
    .await;
}

#[tokio::test]
async fn a_month_of_events_is_dropped_whole_unless_something_open_has_some_there() {
    with_words(async |bench, worker| {
        bench
            .sql("SELECT add_month('pipeline_events', 100), add_month('pipeline_events', 160);
                  SELECT add_event(1, r, 100), add_event(2, r, 160), add_event(3, r, 1000), add_event(4, r, 5) FROM add_run(1, 89, 'completed') r;
                  SELECT add_letter(r, 170, 'pending'), add_event(5, r, 160), add_event(6, r, 1000) FROM add_run(2, 170, 'failed') r")
            .await;
        assert!(due(worker, Prunable::Events).await >= 2);
        prune(worker, Prunable::Events).await;
        let left = "SELECT right(id::text, 1) FROM pipeline_events ORDER BY 1";
        assert_eq!(bench.column::<String>(left).await, ["4", "5", "6"]);
        let months = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'pipeline_events'::regclass";
        let before: i64 = bench.value(months).await;
        bench.sql("UPDATE dead_letter_queue SET status = 'abandoned', resolved_at = now(); DELETE FROM pipeline_steps").await;
        prune(worker, Prunable::Events).await;
        assert_eq!(bench.column::<String>(left).await, ["4"]);
        assert_eq!(bench.value::<i64>(months).await, before - 1);
    })
    .await;
}

#[tokio::test]
async fn a_month_of_calls_stays_as_long_as_a_run_that_is_kept_has_calls_there() {
    with_words(async |bench, worker| {
        bench
            .sql("SELECT add_month('provider_calls', 160);
                  SELECT add_call(1, add_run(1, 161, 'completed'), 160); SELECT add_call(2, r, 160), add_letter(r, 160, 'pending') FROM add_run(2, 161, 'failed') r")
            .await;
        assert_eq!(prune(worker, Prunable::Runs).await, 1);
        prune(worker, Prunable::ProviderCalls).await;
        assert_eq!(bench.value::<i64>("SELECT count(*) FROM provider_calls").await, 2, "the failed run keeps its calls");
        bench
            .sql("UPDATE dead_letter_queue SET status = 'abandoned', resolved_at = now() - interval '91 days'; DELETE FROM pipeline_steps")
            .await;
        assert_eq!(prune(worker, Prunable::Runs).await, 1);
        prune(worker, Prunable::ProviderCalls).await;
        assert_eq!(bench.value::<i64>("SELECT count(*) FROM provider_calls").await, 0);
    })
    .await;
}

#[tokio::test]
async fn pruning_a_full_database_reads_what_it_takes_and_never_a_whole_table() {
    with_words(async |bench, worker| {
        bench
            .sql("INSERT INTO pipeline_runs (id, org_id, service, topology, behavior, pipeline, pipeline_version, lane, fair_rank, status, success, input, stream,
                    done, made, completed_at)
                  SELECT id_of(CASE WHEN n <= 2000 THEN 91 ELSE 60 END, n), o.id, 'email', 'email@1', 'bulk', 'email', 1, 2, n, 'completed', true, '{}', false, 127, 127,
                    now() - CASE WHEN n <= 2000 THEN 91 ELSE 60 END * interval '1 day' FROM organizations o, generate_series(1, 100000) n;
                  INSERT INTO provider_calls (id, org_id, service, operation, provider, pipeline_run_id, stage, attempt, lease_token, cost_cents, completed_at)
                  SELECT id, org_id, 'email', 'llm', 'x', id, 0, 1, id, 0, now() FROM pipeline_runs;
                  INSERT INTO pipeline_events (id, org_id, pipeline_run_id, event_type) SELECT id_of(20, fair_rank::int), org_id, id, 'x' FROM pipeline_runs;
                  ANALYZE pipeline_runs; ANALYZE provider_calls; ANALYZE pipeline_events;
                  SELECT pg_stat_force_next_flush()")
            .await;
        let whole = "SELECT coalesce(sum(seq_tup_read), 0)::bigint FROM pg_stat_user_tables
            WHERE relname ~ '^(pipeline_(runs|events|steps)|provider_calls|dead_letter_queue|run_stream|batch_items)'";
        let before: i64 = bench.value(whole).await;
        for &what in Prunable::ALL {
            prune(worker, what).await;
        }
        sqlx::query("SELECT pg_stat_force_next_flush()").execute(worker.fast()).await.expect("its numbers");
        assert_eq!(bench.value::<i64>("SELECT count(*) FROM pipeline_runs").await, 98_000);
        worker.close().await;
        let after: i64 = bench.value(&format!("WITH f AS (SELECT pg_stat_clear_snapshot()) {whole}")).await;
        // Counting the runs above is the owner's, and one whole read.
        assert!(after - before <= 110_000, "{} rows were read by scans of whole tables", after - before);
    })
    .await;
}
