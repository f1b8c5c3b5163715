//! Migrations are safe to run twice, and at once from many processes.

use hellosales_core::database::migrate;

use crate::harness::cluster;
use crate::harness::database::{TestDatabase, pools};

#[tokio::test]
async fn a_second_migration_finds_nothing_to_do() {
    TestDatabase::run_empty(async |db: &TestDatabase| {
        let first = migrate::run(&db.url).await.expect("migrated");
        assert_eq!((first.before, first.now), (0, migrate::known()));
        let second = migrate::run(&db.url).await.expect("migrated");
        assert_eq!((second.before, second.now), (migrate::known(), migrate::known()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_migrations_at_once_are_one() {
    TestDatabase::run_empty(async |db: &TestDatabase| {
        let all = (0..6).map(|_| {
            let url = db.url.clone();
            tokio::spawn(async move { migrate::run(&url).await })
        });
        for migrated in futures::future::join_all(all).await {
            assert_eq!(migrated.expect("no panic").expect("migrated").now, migrate::known());
        }
        let mut owner = db.owner().await;
        let applied: i64 = owner.value("SELECT count(*) FROM _sqlx_migrations WHERE success").await;
        assert_eq!(usize::try_from(applied).expect("a count"), migrate::known());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_databases_of_one_cluster_are_migrated_at_once() {
    TestDatabase::run_empty(async |one: &TestDatabase| {
        TestDatabase::run_empty(async |two: &TestDatabase| {
            TestDatabase::run_empty(async |three: &TestDatabase| {
                let (a, b, c) = tokio::join!(migrate::run(&one.url), migrate::run(&two.url), migrate::run(&three.url));
                for migrated in [a, b, c] {
                    assert_eq!(migrated.expect("migrated").now, migrate::known());
                }
            })
            .await;
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_login_that_is_no_superuser_can_own_the_database() {
    TestDatabase::run_empty(async |db: &TestDatabase| {
        let login = format!("owner_of_{}", db.name);
        db.owner().await.run(&format!("CREATE ROLE {login} LOGIN CREATEROLE; ALTER DATABASE {} OWNER TO {login}", db.name)).await;
        db.owner().await.run(&format!("ALTER SCHEMA public OWNER TO {login}")).await;
        // The roles belong to the cluster: here a superuser made them, and lets the login take them.
        migrate::run(&cluster_template_url().await).await.expect("the roles are there");
        let roles = "hellosales_api, hellosales_worker, hellosales_fanout, hellosales_operator";
        db.owner().await.run(&format!("GRANT {roles} TO {login}")).await;
        let url = db.url.replacen("postgres://postgres@", &format!("postgres://{login}@"), 1);
        assert_eq!(migrate::run(&url).await.expect("migrated").now, migrate::known());
        let api = pools(&url, hellosales_core::Role::Api);
        let mut tx = api.begin().await.expect("the login takes the api's role");
        let role: String =
            sqlx::query_scalar("SELECT current_user::text").fetch_one(tx.connection()).await.expect("a role");
        assert_eq!(role, "hellosales_api");
        drop(tx);
        api.close().await;
        let clean = format!("ALTER DATABASE {} OWNER TO postgres; REASSIGN OWNED BY {login} TO postgres; DROP OWNED BY {login}; DROP ROLE {login}", db.name);
        db.owner().await.run(&clean).await;
    })
    .await;
}

/// A migrated database of the cluster, so that its roles are there.
async fn cluster_template_url() -> String {
    let template = crate::harness::database::template().await;
    crate::harness::database::with_database(cluster::url().await, &template)
}
