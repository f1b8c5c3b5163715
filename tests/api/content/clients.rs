//! A client's life: what differs from a product's.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{delete, made, names, patch};
use crate::api::door::Door;

#[tokio::test]
async fn a_client_is_made_with_every_field_and_read_as_it_was_made() {
    Door::run(async |door| {
        let ana = door.ana();
        let mut expected = json!({
            "external_id": "crm-17", "name": "Ana Ferreira", "company": "Lumen Retail", "title": "Head of Field Sales",
            "industry": "Retail", "email": "Ana.Ferreira@Lumen-Retail.example", "pain_points": ["Forecasts are off"],
            "goals": ["A forecast"], "objection_patterns": ["We tried a tool"], "communication_style": "Short, direct",
            "decision_criteria": ["Adoption"]
        });
        let client = ana.post("/clients", &expected).await.expect(StatusCode::CREATED);
        for (name, value) in [("object", json!("client")), ("version", json!(1)), ("is_active", json!(true))] {
            expected[name] = value;
        }
        for name in ["id", "created_at", "updated_at"] {
            expected[name] = client[name].clone();
        }
        assert_eq!(client, expected);
        let path = format!("/clients/{}", client["id"].as_str().expect("an id"));
        assert_eq!(ana.get(&path).await.expect(StatusCode::OK), expected);
        let changed = patch(&ana, &path, &json!({"email": null, "goals": ["x", "y"]})).await.expect(StatusCode::OK);
        expected["email"] = Value::Null;
        expected["goals"] = json!(["x", "y"]);
        expected["version"] = json!(2);
        expected["updated_at"] = changed["updated_at"].clone();
        assert_eq!(changed, expected);
    })
    .await;
}

#[tokio::test]
async fn an_external_id_is_one_clients_in_an_organisation() {
    Door::run(async |door| {
        let ana = door.ana();
        let body = json!({"name": "a", "external_id": "crm-1"});
        let first = made(&ana, "/clients", &body).await;
        ana.post("/clients", &body).await.fault("/external_id", "taken");
        let second = made(&ana, "/clients", &json!({"name": "b", "external_id": "crm-2"})).await;
        patch(&ana, &second, &json!({"external_id": "crm-1"})).await.fault("/external_id", "taken");
        assert_eq!(ana.get(&second).await.expect(StatusCode::OK)["version"], 1);
        // One that was put away still has its id: it could come back.
        assert_eq!(delete(&ana, &first).await.status, StatusCode::NO_CONTENT);
        ana.post("/clients", &body).await.fault("/external_id", "taken");
        patch(&ana, &first, &json!({"external_id": null})).await.expect(StatusCode::OK);
        ana.post("/clients", &body).await.expect(StatusCode::CREATED);
        let elsewhere = door.person("Other", "Ana", hellosales_simulator::Role::Member);
        elsewhere.post("/clients", &body).await.expect(StatusCode::CREATED);
        assert_eq!(door.bench.value::<i64>("SELECT count(*) FROM clients").await, 4);
    })
    .await;
}

#[tokio::test]
async fn clients_are_listed_by_trade_company_address_and_file() {
    Door::run(async |door| {
        let ana = door.ana();
        for (name, company, industry, email) in [
            ("a", "Lumen", "Retail", Some("a@lumen.example")),
            ("b", "lumen", "Health", None),
            ("c", "Nord", "retail", Some("c@nord.example")),
        ] {
            let mut body = json!({"name": name, "company": company, "industry": industry});
            body["email"] = json!(email);
            made(&ana, "/clients", &body).await;
        }
        for (filter, expected) in [
            ("industry=retail", &["a", "c"][..]),
            ("company=LUMEN", &["a", "b"]),
            ("company=Lumen&industry=Retail", &["a"]),
            ("has_email=true", &["a", "c"]),
            ("has_email=false", &["b"]),
            ("company=lume", &[]),
        ] {
            assert_eq!(names(&ana, &format!("/clients?{filter}&sort=name")).await, expected, "{filter}");
        }
        let import = uuid::Uuid::now_v7();
        let sql = format!(
            "INSERT INTO client_imports (id, org_id, mode, created, updated, unchanged, rejected)
               SELECT '{import}', org_id, 'keep_good', 2, 0, 0, 0 FROM clients LIMIT 1;
             INSERT INTO client_import_members (org_id, import_id, n, client_id)
               SELECT org_id, '{import}', row_number() OVER (), id FROM clients WHERE name IN ('b', 'c')"
        );
        door.bench.db.owner().await.run(&sql).await;
        let page = ana.get(&format!("/clients?import_id={import}&sort=name")).await.expect(StatusCode::OK);
        assert_eq!((super::names_of(&page), &page["total"]), (vec!["b".to_owned(), "c".to_owned()], &json!(2)));
        let none = format!("/clients?import_id={}", uuid::Uuid::now_v7());
        assert!(names(&ana, &none).await.is_empty());
        let elsewhere = door.person("Other", "Ana", hellosales_simulator::Role::Member);
        assert!(names(&elsewhere, &format!("/clients?import_id={import}")).await.is_empty());
    })
    .await;
}
