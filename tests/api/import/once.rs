//! The same file at the same time, or again, makes no doubles.

use reqwest::{Method, StatusCode};

use super::{counts, send, written};
use crate::api::door::{Answer, Door, Person};

fn file(rows: u32) -> String {
    (0..rows).fold("name,email\n".to_owned(), |file, n| file + &format!("n{n},n{n}@x.example\n"))
}

async fn keyed(person: &Person, query: &str, key: &str, file: String) -> Answer {
    let request = person.request(Method::POST, &format!("/clients/import{query}")).header("content-type", "text/csv");
    Answer::of(request.header("idempotency-key", key).body(file)).await
}

#[tokio::test]
async fn the_same_file_by_two_at_once_makes_each_client_once() {
    Door::run(async |door| {
        let (ana, ben) = (door.ana(), door.person("Acme", "Ben", hellosales_simulator::Role::Member));
        let all = [&ana, &ben, &ana, &ben].map(|person| counts(person, "", file(700)));
        let sum = futures::future::join_all(all).await.into_iter().fold([0; 4], |mut sum, counts| {
            for (sum, count) in sum.iter_mut().zip(counts) {
                *sum += count;
            }
            sum
        });
        assert_eq!(sum, [700, 0, 2_100, 0]);
        assert_eq!(door.bench.value::<i64>("SELECT count(*) FROM clients").await, 700);
        assert_eq!(door.bench.value::<i64>("SELECT count(*) FROM client_import_members").await, 2_800);
    })
    .await;
}

#[tokio::test]
async fn a_key_is_one_import_of_one_file_in_one_mode() {
    Door::run(async |door| {
        let ana = door.ana();
        let first = keyed(&ana, "", "k", file(3) + "x,bad\n").await;
        assert_eq!(first.header("idempotent-replayed"), None);
        let first = first.expect(StatusCode::OK);
        let rows = written(door).await;
        let again = keyed(&ana, "?mode=keep_good", "k", file(3) + "x,bad\n").await;
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        assert_eq!(again.expect(StatusCode::OK), first, "the counts and faults of the first time");
        keyed(&ana, "", "k", file(4)).await.problem(422, "IDEMPOTENCY_KEY_REUSED");
        keyed(&ana, "?mode=all_or_nothing", "k", file(3) + "x,bad\n").await.expect(StatusCode::OK);
        keyed(&ana, "?mode=all_or_nothing", "k", file(3)).await.problem(422, "IDEMPOTENCY_KEY_REUSED");
        assert_eq!(written(door).await, rows);
        let ten = futures::future::join_all((0..10).map(|_| keyed(&ana, "", "k2", file(50)))).await;
        let mut ids: Vec<String> =
            ten.into_iter().map(|answer| answer.expect(StatusCode::OK)["id"].to_string()).collect();
        ids.dedup();
        assert_eq!(ids.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn an_import_whose_commit_is_not_answered_is_found() {
    Door::run_behind_proxy(async |door, proxy| {
        let ana = door.ana();
        counts(&ana, "", file(1)).await;
        // Of rows that wait, and (where none do) of the import.
        for rows in [600, 0] {
            proxy.control().swallow_answer("COMMIT");
            let import = send(&ana, "", file(rows)).await.expect(StatusCode::OK);
            assert!(proxy.control().has_swallowed() && import["id"].is_string());
        }
        assert_eq!(door.bench.value::<i64>("SELECT count(*) FROM clients").await, 600);
        assert_eq!(door.bench.value::<i64>("SELECT count(*) FROM client_imports").await, 3);
    })
    .await;
}

#[tokio::test]
async fn what_a_crash_left_waiting_is_cleared_up_by_its_age() {
    Door::run(async |door| {
        counts(&door.ana(), "", file(1)).await;
        let mut owner = door.bench.db.owner().await;
        for (n, age) in [(0, "2 hours"), (1, "59 minutes")] {
            owner
                .run(&format!(
                    "INSERT INTO client_import_rows (org_id, import_id, n, person, client_id, person_key, cells)
                     SELECT id, (lpad(to_hex((extract(epoch FROM now() - interval '{age}') * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid,
                       {n}, {n}, id, id, '{{}}' FROM organizations WHERE id IN (SELECT org_id FROM clients)"
                ))
                .await;
        }
        let worker = door.bench.db.pools(hellosales_core::Role::Worker);
        assert!(hellosales_core::content::client_import::prune(&worker).await.expect("pruned") < 2_000);
        assert_eq!(owner.column::<i32>("SELECT n FROM client_import_rows").await, [1]);
    })
    .await;
}
