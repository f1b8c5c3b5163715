//! Who is known again.

use reqwest::StatusCode;
use serde_json::Value;

use super::{clients, counts, of, send, written};
use crate::api::door::Door;

#[tokio::test]
async fn the_same_file_twice_leaves_all_unchanged() {
    Door::run(async |door| {
        let ana = door.ana();
        let file = "external_id,name,company,email,title,goals\n\
            1,Ana,Acme,ana@x.example,CEO,a;b\n,Bo,Acme,BO@x.example,,\n,Cy,Acme,,,\n,Di,,,,\n1,Ana,,,CTO,\n,bo,ACME,bo@x.example,,c\n";
        assert_eq!(counts(&ana, "", file).await, [4, 2, 0, 0]);
        let first = clients(door).await;
        assert_eq!(first, ["1/Ana/Acme/ana@x.example/CTO/1", "-/Cy/Acme/-/-/1", "-/Di/-/-/-/1", "-/bo/ACME/bo@x.example/-/1"]);
        let again = send(&ana, "", file).await.expect(StatusCode::OK);
        assert_eq!(of(&again), [0, 0, 6, 0]);
        assert_eq!(clients(door).await, first);
        let members: String = door
            .bench
            .value(&format!(
                "SELECT string_agg(m.n || name, ',' ORDER BY m.n) FROM client_import_members m JOIN clients c ON c.id = m.client_id WHERE import_id = '{}'",
                again["id"].as_str().expect("an id")
            ))
            .await;
        assert_eq!(members, "0Ana,1bo,2Cy,3Di", "each once, in the order of the file, the unchanged too");
    })
    .await;
}

#[tokio::test]
async fn a_client_is_known_by_id_then_address_then_name_and_company() {
    Door::run(async |door| {
        let ana = door.ana();
        counts(&ana, "", "external_id,name,company,email\n1,Ana,Acme,ana@x.example\n,Bo,Acme,bo@x.example\n,Cy,Acme,\n").await;
        let file = "external_id,name,company,email,title\n\
            1,Anna,Acme,anna@x.example,by id\n9,Robert,Acme,BO@X.example,by address\n,cy,ACME,cy@x.example,by name\n\
            ,Cy,Other,,new: another company\n2,Cy,Acme,cy@x.example,fills the id\n3,Cy,Acme,cy@x.example,new: another id\n";
        assert_eq!(counts(&ana, "", file).await, [2, 4, 0, 0]);
        let expected = [
            "1/Anna/Acme/anna@x.example/by id/2",
            "2/Cy/Acme/cy@x.example/fills the id/2",
            "-/Cy/Other/-/new: another company/1",
            "3/Cy/Acme/cy@x.example/new: another id/1",
            "9/Robert/Acme/BO@X.example/by address/2",
        ];
        let mut found = clients(door).await;
        found.sort();
        let mut expected = expected.map(str::to_owned);
        expected.sort();
        assert_eq!(found, expected);
        assert_eq!(counts(&ana, "", file).await, [0, 0, 6, 0], "and so they stay");
    })
    .await;
}

#[tokio::test]
async fn two_of_one_name_and_two_of_one_address_stay_two() {
    Door::run(async |door| {
        let ana = door.ana();
        let file = "id,name,company,email\n,Jo,Acme,jo1@x.example\n,Jo,Acme,jo2@x.example\n5,Team,A,team@x.example\n6,Team,A,team@x.example\n";
        for expected in [[4, 0, 0, 0], [0, 0, 4, 0]] {
            assert_eq!(counts(&ana, "", file).await, expected);
        }
        // Somebody known by name only is the first of two with addresses.
        counts(&ana, "", "name,company\nKim,Acme\n").await;
        let file = "name,company,email\nKim,Acme,kim1@x.example\nKim,Acme,kim2@x.example\n";
        for expected in [[1, 1, 0, 0], [0, 0, 2, 0]] {
            assert_eq!(counts(&ana, "", file).await, expected);
        }
        // And one without an id is the first of two with ids.
        counts(&ana, "", "name,email\nLee,lee@x.example\n").await;
        let file = "id,name,email\n1,Lee,lee@x.example\n2,Lee,lee@x.example\n";
        for expected in [[1, 1, 0, 0], [0, 0, 2, 0]] {
            assert_eq!(counts(&ana, "", file).await, expected);
        }
    })
    .await;
}

#[tokio::test]
async fn an_empty_cell_leaves_what_is_there_and_a_deleted_client_comes_back() {
    Door::run(async |door| {
        let ana = door.ana();
        counts(&ana, "", "id,name,company,email,title,goals\n1,Ana,Acme,ana@x.example,CEO,grow\n2,Bo,Acme,,,\n").await;
        door.bench.db.owner().await.run("UPDATE clients SET is_active = false WHERE name = 'Bo'").await;
        let file = "id,name,company,email,title,goals\n1,Ana,,,,\n2,Bo,,,,\n";
        assert_eq!(counts(&ana, "", file).await, [0, 1, 1, 0]);
        assert_eq!(clients(door).await, ["1/Ana/Acme/ana@x.example/CEO/1", "2/Bo/Acme/-/-/2"]);
        assert!(door.bench.value::<bool>("SELECT bool_and(is_active) FROM clients").await);
        let goals: Value = door.bench.value("SELECT goals FROM clients WHERE name = 'Ana'").await;
        assert_eq!(goals, serde_json::json!(["grow"]));
    })
    .await;
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_and_writes_nothing() {
    Door::run(async |door| {
        let ana = door.ana();
        counts(&ana, "", "id,name,title\n1,Ana,CEO\n2,Bo,\n").await;
        let before = (written(door).await, clients(door).await);
        let file = "id,name,title\n1,Ana,CTO\n2,Bo,\n3,Cy,\n3,Cy,CFO\n4, ,\n";
        let request =
            ana.request(reqwest::Method::POST, "/clients/import?dry_run=true").header("content-type", "text/csv");
        let dry = crate::api::door::Answer::of(request.header("idempotency-key", "k").body(file))
            .await
            .expect(StatusCode::OK);
        assert_eq!((of(&dry), &dry["dry_run"], &dry["import_id"]), ([1, 2, 1, 1], &Value::Bool(true), &Value::Null));
        assert_eq!((written(door).await, clients(door).await), before);
        assert_eq!(counts(&ana, "", file).await, [1, 2, 1, 1], "as it was said");
    })
    .await;
}
