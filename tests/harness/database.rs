//! A database of a test's own, made from a template that is migrated once.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::time::{Duration, Instant};

use futures::FutureExt;
use hellosales_core::database::migrate;
use hellosales_core::{Database, DatabaseConfig, Role};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection, Executor, Row};
use uuid::Uuid;

use super::{check, cluster};

/// The database of one test.
pub(crate) struct TestDatabase {
    /// Its name.
    pub name: String,
    /// As its owner.
    pub url: String,
}

impl TestDatabase {
    /// Runs a test in a database of its own, then holds its rows against the rules for a live database. The
    /// database is kept, and named, if the test fails.
    pub(crate) async fn run(test: impl AsyncFnOnce(&Self)) {
        Self::run_unchecked(async |db: &Self| {
            test(db).await;
            check::live(db).await;
        })
        .await;
    }

    /// The same, for a test that leaves rows that break rules.
    pub(crate) async fn run_unchecked(test: impl AsyncFnOnce(&Self)) {
        let template = template().await;
        let db = Self::create(Some(&template)).await;
        match AssertUnwindSafe(test(&db)).catch_unwind().await {
            Ok(()) => db.drop_it().await,
            Err(panic) => {
                eprintln!("the database is kept: {}", db.url);
                std::panic::resume_unwind(panic);
            }
        }
    }

    /// An empty database, not migrated.
    pub(crate) async fn run_empty(test: impl AsyncFnOnce(&Self)) {
        let db = Self::create(None).await;
        test(&db).await;
        db.drop_it().await;
    }

    async fn create(template: Option<&str>) -> Self {
        let name = format!("t_{}", Uuid::now_v7().simple());
        let mut server = connect(cluster::url().await).await;
        let sql = match template {
            Some(template) => format!("CREATE DATABASE {name} TEMPLATE {template}"),
            None => format!("CREATE DATABASE {name}"),
        };
        server.execute(AssertSqlSafe(sql)).await.expect("a database is made");
        let url = with_database(cluster::url().await, &name);
        Self { name, url }
    }

    async fn drop_it(self) {
        let mut server = connect(cluster::url().await).await;
        let sql = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        server.execute(AssertSqlSafe(sql)).await.expect("the database is dropped");
    }

    /// The pools of a process in this role.
    pub(crate) fn pools(&self, role: Role) -> Database {
        pools(&self.url, role)
    }

    /// A connection as the owner, for what only tests may do.
    pub(crate) async fn owner(&self) -> Owner {
        Owner { connection: connect(&self.url).await }
    }
}

/// The pools of a process that reaches its database by this URL.
pub(crate) fn pools(url: &str, role: Role) -> Database {
    let config = DatabaseConfig::new(url.to_owned().into(), "hellosales test");
    Database::new(&config, role).expect("a database URL")
}

/// Plain SQL as the owner of the database, who is no subject of row-level security in these tests.
pub(crate) struct Owner {
    connection: PgConnection,
}

impl Owner {
    /// Runs statements that give nothing back.
    pub(crate) async fn run(&mut self, sql: &str) {
        if let Err(error) = self.connection.execute(AssertSqlSafe(sql.to_owned())).await {
            panic!("{sql}: {error}");
        }
    }

    /// Runs statements that may fail.
    pub(crate) async fn attempt(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        self.connection.execute(AssertSqlSafe(sql.to_owned())).await.map(drop)
    }

    /// All rows.
    pub(crate) async fn rows(&mut self, sql: &str) -> Vec<PgRow> {
        match sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(&mut self.connection).await {
            Ok(rows) => rows,
            Err(error) => panic!("{sql}: {error}"),
        }
    }

    /// The first column of the only row.
    pub(crate) async fn value<T>(&mut self, sql: &str) -> T
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        let rows = self.rows(sql).await;
        assert_eq!(rows.len(), 1, "{sql}: one row");
        rows[0].get(0)
    }

    /// Waits until a question is answered with yes.
    pub(crate) async fn until(&mut self, sql: &str) {
        let started = Instant::now();
        while !self.value::<bool>(sql).await {
            assert!(started.elapsed() < Duration::from_secs(20), "never: {sql}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// The first column of all rows.
    pub(crate) async fn column<T>(&mut self, sql: &str) -> Vec<T>
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        self.rows(sql).await.iter().map(|row| row.get(0)).collect()
    }
}

/// A connection to a URL.
pub(crate) async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap_or_else(|error| panic!("{url}: {error}"))
}

/// The same server, another database.
pub(crate) fn with_database(url: &str, name: &str) -> String {
    let (server, _) = url.rsplit_once('/').expect("postgres://host/database");
    format!("{server}/{name}")
}

/// The template of these migrations, made by whoever comes first.
pub(crate) async fn template() -> String {
    let name = format!("template_{:016x}", migrations_hash());
    let mut server = connect(cluster::url().await).await;
    server.execute("SELECT pg_advisory_lock(4711)").await.expect("the template's lock");
    let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)")
        .bind(&name)
        .fetch_one(&mut server)
        .await
        .expect("the list of databases");
    if !there {
        let making = format!("{name}_in_the_making");
        server
            .execute(AssertSqlSafe(format!("DROP DATABASE IF EXISTS {making} WITH (FORCE)")))
            .await
            .expect("no leftover");
        server.execute(AssertSqlSafe(format!("CREATE DATABASE {making}"))).await.expect("a template");
        migrate::run(&with_database(cluster::url().await, &making)).await.expect("the migrations apply");
        let rename = format!("ALTER DATABASE {making} RENAME TO {name}");
        server.execute(AssertSqlSafe(rename)).await.expect("the template is ready");
    }
    server.close().await.expect("the lock is free");
    name
}

fn migrations_hash() -> u64 {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations"));
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("migrations").map(|entry| entry.expect("a migration").path()).collect();
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        file.file_name().hash(&mut hasher);
        std::fs::read(&file).expect("a migration").hash(&mut hasher);
    }
    hasher.finish()
}
