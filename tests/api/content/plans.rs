//! A page deep in a long list is read by the list's index, also by a plan that was made while the table was empty.

use hellosales_core::content::client::{self, Filter};
use hellosales_core::content::listing::{Slice, Sort};
use hellosales_core::{Database, DatabaseConfig, OrgId, Role};
use uuid::Uuid;

use crate::queue::bench::Bench;

const CLIENTS: i64 = 50_000;

async fn read(db: &Database, org: OrgId, slice: &Slice) -> Vec<String> {
    let filter = Filter { is_active: Some(true), ..Filter::default() };
    let mut tx = db.begin_fast().await.expect("a transaction");
    let mut org = tx.enter(org).await.expect("entered");
    let rows = client::list(&mut org, &filter, slice).await.expect("a page");
    rows.into_iter().map(|row| row.content.name).collect()
}

async fn rows_read(bench: &Bench<'_>, db: &Database) -> i64 {
    sqlx::query("SELECT pg_stat_force_next_flush()").execute(db.fast()).await.expect("its numbers");
    let sql =
        "SELECT (seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_user_tables WHERE relname = 'clients'";
    bench.value(sql).await
}

#[tokio::test]
async fn a_page_in_the_middle_of_fifty_thousand_reads_its_own_rows() {
    Bench::run(async |bench| {
        let mut config = DatabaseConfig::new(bench.db.url.clone().into(), "hellosales test");
        config.max_connections = 1;
        let db = Database::new(&config, Role::Api).expect("a database URL");
        let sorts = [Sort::Newest, Sort::Oldest, Sort::Name, Sort::NameBackwards];
        for sort in sorts {
            assert!(read(&db, bench.org, &Slice { sort, after: None, limit: 101 }).await.is_empty());
        }
        bench
            .sql(&format!(
                "INSERT INTO clients (id, org_id, name, created_at)
                 SELECT gen_random_uuid(), '{}', 'c' || lpad(n::text, 6, '0'), timestamptz '2026-01-01Z' + n * interval '1 s'
                 FROM generate_series(1, {CLIENTS}) n",
                bench.org
            ))
            .await;
        let middle = bench.value("SELECT created_at FROM clients WHERE name = 'c025000'").await;
        for sort in sorts {
            let place = sort.place(middle, "c025000", Uuid::nil());
            let slice = Slice { sort, after: Some(place), limit: 101 };
            let before = rows_read(bench, &db).await;
            let names = read(&db, bench.org, &slice).await;
            let read = rows_read(bench, &db).await - before;
            assert_eq!(names.len(), 101);
            let first = if matches!(sort, Sort::Newest | Sort::NameBackwards) { "c024999" } else { "c025000" };
            assert_eq!(names[0], first, "{sort:?}");
            assert!(read <= 500, "{sort:?} read {read} rows of {CLIENTS}");
        }
    })
    .await;
}
