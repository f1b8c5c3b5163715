//! From the request to what was written, with a worker and a model.

use serde_json::{Value, json};

use super::text;
use crate::harness::app::TestApp;

#[tokio::test]
async fn an_email_is_written_edited_and_written_anew() {
    TestApp::run(async |app| {
        let ana = app.user("Acme", "Ana");
        let worker = app.worker().await;
        let product =
            text(&ana.post("/products", &json!({"name": "Beacon", "description": "Alerts"})).await.expect(201), "id");
        let run =
            ana.post("/emails/generate", &json!({"product_id": product, "email_type": "closing"})).await.expect(202);
        let run = text(&run, "id");
        let done = ana.get(&format!("/runs/{run}?wait=60")).await.expect(200);
        assert_eq!(done["status"], "completed", "{}", done["error"]);
        let path = format!("/emails/{}", text(&done["target"], "id"));
        let first = ana.get(&path).await.expect(200);
        assert_eq!(done["result"], first);
        let generated = &first["generated"];
        assert_eq!((&generated["run_id"], &generated["stale"]), (&json!(run), &json!(false)));
        assert_eq!(
            (&generated["provider"], &generated["cost_cents"]),
            (&json!("simulator"), &done["usage"]["cost_cents"])
        );
        assert_eq!(
            (&first["origin"], &first["email_type"], &first["product_id"]),
            (&json!("generated"), &json!("closing"), &json!(product))
        );

        // Who follows, and who lists, is shown the same.
        let events = ana.events(&run, None).await.expect("a stream").rest().await;
        assert_eq!(events.last().expect("an end").data["run"]["result"], first);
        let listed = ana.get("/runs?pipeline=email").await.expect(200);
        assert_eq!(listed["data"][0]["result"], first);

        let edited = ana.patch(&path, "*", &json!({"body": "My own words"})).await.expect(200);
        assert_eq!(
            (&edited["version"], &edited["origin"], &edited["generated"]),
            (&json!(2), &json!("edited"), generated)
        );
        let again =
            ana.post(&format!("{path}/regenerate"), &json!({"instructions": "Mention the trial"})).await.expect(202);
        let again = ana.get(&format!("/runs/{}?wait=60", text(&again, "id"))).await.expect(200);
        let third = ana.get(&path).await.expect(200);
        assert_eq!((&again["status"], &again["result"]), (&json!("completed"), &third));
        assert_eq!(
            (&third["version"], &third["origin"], &third["parent_version_id"]),
            (&json!(3), &json!("generated"), &edited["version_id"])
        );
        assert_eq!((&third["id"], &third["name"]), (&first["id"], &first["name"]));
        let is_shown =
            "SELECT prompt_messages::text LIKE '%My own words%' FROM provider_calls ORDER BY id DESC LIMIT 1";
        assert!(app.db.owner().await.value::<bool>(is_shown).await, "the model is shown what it writes anew");

        // The first run still shows what it wrote, which no longer is the latest.
        let old = ana.get(&format!("/runs/{run}")).await.expect(200)["result"].clone();
        assert_eq!((&old["version"], &old["is_latest"], &old["body"]), (&json!(1), &json!(false), &first["body"]));
        ana.patch(&format!("/products/{product}"), "*", &json!({"description": "Louder alerts"})).await.expect(200);
        assert_eq!(ana.get(&path).await.expect(200)["generated"]["stale"], true);
        worker.drain().await;
    })
    .await;
}

#[tokio::test]
async fn a_script_is_written_and_a_failed_run_retried_writes_it_once() {
    TestApp::run(async |app| {
        let ana = app.user("Acme", "Ana");
        let worker = app.worker().await;
        app.control(&json!({"status": 400})).await;
        let run =
            ana.post("/scripts/generate", &json!({"script_type": "cold_call", "name": "Opening"})).await.expect(202);
        let path = format!("/runs/{}", text(&run, "id"));
        let failed = ana.get(&format!("{path}?wait=60")).await.expect(200);
        assert_eq!((&failed["status"], &failed["result"]), (&json!("failed"), &Value::Null));
        let script = format!("/scripts/{}", text(&run["target"], "id"));
        ana.get(&script).await.expect(404);
        app.back_to_normal().await;
        ana.post(&format!("{path}/retry"), &json!({})).await.expect(202);
        let done = ana.get(&format!("{path}?wait=60")).await.expect(200);
        assert_eq!((&done["status"], &done["generation"]), (&json!("completed"), &json!(2)));
        let written = ana.get(&script).await.expect(200);
        assert_eq!(done["result"], written);
        assert_eq!(
            (&written["version"], &written["name"], &written["script_type"]),
            (&json!(1), &json!("Opening"), &json!("cold_call"))
        );
        assert_eq!(ana.get(&format!("{script}/versions")).await.expect(200)["total"], 1);
        worker.drain().await;
    })
    .await;
}
