//! A migration runs while the old program works: it takes no lock for longer than a moment on a table that may be large, and takes
//! away nothing that the old program reads. Expand, wait until every process is new, then contract.

mod lexer;
mod rules;

use std::collections::BTreeSet;
use std::path::Path;

use rules::refused;

/// Written before this rule, and applied where they were. None is to be added.
const BEFORE_THE_RULE: &[&str] = &[
    "20261124100000_create_identity.sql",
    "20261124100100_create_content.sql",
    "20261124100200_create_conversations.sql",
    "20261124100300_create_queue.sql",
    "20261124100400_create_records.sql",
    "20261124100500_grant_rights.sql",
    "20261124100600_add_call_worker.sql",
    "20261124110000_extend_content.sql",
    "20261124110100_create_batches.sql",
    "20261124110200_add_conversation_words.sql",
    "20261124110220_lighten_batches.sql",
    "20261124110230_create_client_import_rows.sql",
    "20261124110250_index_written.sql",
    "20261124120000_create_audit_log.sql",
];

/// Written while this rule was: of the same release, which is the first that has tables of any size.
const BESIDE_THE_RULE: &[&str] = &[
    "20261124121010_compress_texts_lightly.sql",
    "20261124121100_index_runs_of_people.sql",
    "20261124121110_index_sampled_items.sql",
    "20261124121500_extend_dead_letters.sql",
];

fn migrations() -> Vec<(String, String)> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations"));
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("migrations")
        .map(|entry| entry.expect("a migration").path())
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, std::fs::read_to_string(&path).expect("a migration"))
        })
        .collect();
    files.sort();
    files
}

#[test]
fn no_migration_locks_a_table_that_may_be_large_or_takes_away_what_the_old_program_reads() {
    let mut tables = BTreeSet::new();
    let mut found = Vec::new();
    for (name, sql) in migrations() {
        let faults = refused(&sql, &tables);
        if !BEFORE_THE_RULE.iter().chain(BESIDE_THE_RULE).any(|allowed| *allowed == name) {
            found.extend(faults.into_iter().map(|fault| format!("{name}: {fault}")));
        }
        tables.extend(lexer::created(&sql));
    }
    assert!(tables.len() > 25 && tables.contains("pipeline_runs"), "it knows the tables: {tables:?}");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

fn faults(sql: &str) -> Vec<String> {
    refused(sql, &["runs", "provider_calls"].map(str::to_owned).into())
}

#[test]
fn what_would_lock_or_break_is_refused() {
    for (sql, word) in [
        ("CREATE INDEX a ON runs (x)", "CONCURRENTLY"),
        ("create unique index if not exists a on only public.\"runs\" using btree (x)", "CONCURRENTLY"),
        ("CREATE INDEX CONCURRENTLY a ON runs (x)", "no-transaction"),
        ("-- no-transaction\nCREATE INDEX CONCURRENTLY a ON runs (x); SELECT 1", "alone"),
        ("-- no-transaction\nCREATE INDEX CONCURRENTLY a ON provider_calls (x)", "partition"),
        ("DROP INDEX a", "CONCURRENTLY"),
        ("REINDEX TABLE runs", "REINDEX"),
        ("ALTER TABLE runs ADD COLUMN x uuid DEFAULT gen_random_uuid()", "DEFAULT"),
        ("ALTER TABLE runs ADD x timestamptz NOT NULL DEFAULT clock_timestamp(), ADD y int", "DEFAULT"),
        ("ALTER TABLE IF EXISTS ONLY runs ADD COLUMN IF NOT EXISTS x bigserial", "serial"),
        ("ALTER TABLE runs ADD COLUMN x int GENERATED ALWAYS AS (y + 1) STORED", "GENERATED"),
        ("ALTER TABLE runs ADD COLUMN x int NOT NULL", "NOT NULL"),
        ("ALTER TABLE runs ADD COLUMN x int UNIQUE", "UNIQUE"),
        ("ALTER TABLE runs ADD COLUMN x uuid REFERENCES users (id)", "REFERENCES"),
        ("ALTER TABLE runs ADD COLUMN x int CHECK (x > 0)", "CHECK"),
        ("ALTER TABLE runs ALTER COLUMN x SET NOT NULL", "SET NOT NULL"),
        ("ALTER TABLE runs ALTER x TYPE bigint", "TYPE"),
        ("ALTER TABLE runs ALTER COLUMN x SET DATA TYPE bigint USING x::bigint", "TYPE"),
        ("ALTER TABLE runs ADD CONSTRAINT c CHECK (x > 0)", "NOT VALID"),
        ("ALTER TABLE runs ADD FOREIGN KEY (x) REFERENCES users (id)", "NOT VALID"),
        ("ALTER TABLE runs ADD CONSTRAINT c UNIQUE (x)", "USING INDEX"),
        ("ALTER TABLE runs ADD PRIMARY KEY (x)", "USING INDEX"),
        (
            "ALTER TABLE runs ADD CONSTRAINT c CHECK (x > 0) NOT VALID; ALTER TABLE runs VALIDATE CONSTRAINT c",
            "VALIDATE",
        ),
        ("ALTER TABLE runs DROP COLUMN x", "contract"),
        ("ALTER TABLE runs DROP x", "contract"),
        ("ALTER TABLE runs RENAME COLUMN x TO y", "RENAME"),
        ("ALTER TABLE runs RENAME TO y", "RENAME"),
        ("ALTER TABLE runs SET UNLOGGED", "rewritten"),
        ("ALTER TABLE provider_calls DETACH PARTITION x", "DETACH"),
        ("ALTER TABLE provider_calls ATTACH PARTITION x DEFAULT", "ATTACH"),
        ("DROP TABLE runs", "contract"),
        ("TRUNCATE runs", "TRUNCATE"),
        ("LOCK TABLE runs", "LOCK"),
        ("UPDATE runs SET x = 1", "UPDATE"),
        ("DELETE FROM runs", "DELETE"),
        ("INSERT INTO runs SELECT 1", "INSERT"),
        ("WITH a AS (SELECT 1) UPDATE runs SET x = 1", "UPDATE"),
        ("VACUUM FULL runs", "VACUUM"),
        ("CLUSTER runs", "CLUSTER"),
        ("/* a /* nested */ ; */ CREATE -- why\n INDEX a ON runs (x)", "CONCURRENTLY"),
        ("DO $$ BEGIN EXECUTE format('ALTER TABLE %I ADD COLUMN x int', t); END $$", "written out"),
        ("DO $x$ BEGIN CREATE INDEX a ON runs (x); END $x$", "written out"),
        ("DO 'BEGIN UPDATE runs SET x = 1; END'", "written out"),
    ] {
        let found = faults(sql).join("; ");
        assert!(found.contains(word), "{sql}: {found}");
    }
}

#[test]
fn what_takes_a_moment_or_is_new_is_let_through() {
    for sql in [
        "CREATE TABLE t (id uuid PRIMARY KEY, x int NOT NULL CHECK (x > 0), r uuid REFERENCES runs (id)); CREATE INDEX a ON t (x); UPDATE t SET x = 1",
        "CREATE TABLE IF NOT EXISTS t (x int); ALTER TABLE t ADD COLUMN y uuid NOT NULL DEFAULT gen_random_uuid(), ALTER x SET NOT NULL",
        "-- no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS a ON runs (x)",
        "-- no-transaction\nDROP INDEX CONCURRENTLY a",
        "ALTER TABLE runs ADD COLUMN x text[], ADD COLUMN y boolean NOT NULL DEFAULT false, ADD z numeric(16, 6) NOT NULL DEFAULT 0",
        "ALTER TABLE runs ADD COLUMN x jsonb NOT NULL DEFAULT '{}'::jsonb, ADD y int DEFAULT -1, ADD z timestamptz DEFAULT now()",
        "ALTER TABLE runs ADD CONSTRAINT c CHECK (x IS NOT NULL) NOT VALID",
        "ALTER TABLE runs VALIDATE CONSTRAINT c",
        "ALTER TABLE runs ADD CONSTRAINT c UNIQUE USING INDEX a",
        "ALTER TABLE runs ALTER COLUMN x DROP NOT NULL, ALTER y SET DEFAULT 1, ALTER z DROP DEFAULT, DROP CONSTRAINT c",
        "ALTER TABLE runs ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON runs TO r USING (true); GRANT SELECT, UPDATE ON runs TO r",
        "ALTER TABLE runs SET (fillfactor = 70)",
        "CREATE INDEX a ON ONLY provider_calls (x)",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ UPDATE runs SET x = 1; DROP TABLE runs $$",
        "-- contract: nothing reads x any more\nALTER TABLE runs DROP COLUMN x; DROP TABLE old_runs",
        "DO $$ BEGIN EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t); EXECUTE format('GRANT SELECT, UPDATE ON %I TO r', t); END $$",
        "SELECT 'CREATE INDEX a ON runs (x)'; COMMENT ON TABLE runs IS 'DROP TABLE runs'; INSERT INTO settings VALUES (1)",
    ] {
        assert_eq!(faults(sql), Vec::<String>::new(), "{sql}");
    }
}
