//! A batch's results, page by page, also while it runs; and the batches themselves.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::super::door::Door;
use super::{clients, fail, id, stands, submit, write_email};

fn places(page: &Value) -> Vec<i64> {
    page["data"].as_array().expect("a list").iter().map(|item| item["n"].as_i64().expect("a place")).collect()
}

#[tokio::test]
async fn an_item_says_whom_it_is_for_and_what_became_of_it() {
    Door::run_by_hand(async |door| {
        let ana = door.ana();
        let ids = clients(door, &ana, 4).await;
        let batch = submit(&ana, &ids).await;
        let batch = id(&batch);
        write_email(door, batch, 0, "Hello, שלום", "Line one\nline two").await;
        door.bench
            .sql("UPDATE sales_emails SET warnings = '[{\"code\": \"UNSUPPORTED_NUMBER\", \"text\": \"37 %\"}]'; UPDATE batch_items SET warnings = 1 WHERE n = 0")
            .await;
        fail(door, batch, 1).await;
        let page = ana.get(&format!("/email-batches/{batch}/results")).await.expect(StatusCode::OK);
        assert_eq!((&page["total"], &page["has_more"]), (&json!(4), &json!(false)));
        let [done, failed, queued, last] = page["data"].as_array().expect("a list").as_slice() else { panic!("four") };
        assert_eq!((&done["object"], &done["n"], &done["status"]), (&json!("batch_item"), &json!(0), &json!("completed")));
        let client = json!({"id": ids[0], "name": "Name 0", "company": "Company 0", "email": "a0@example.com"});
        assert_eq!(done["client"], client);
        assert_eq!((&done["email"]["subject"], &done["email"]["body"]), (&json!("Hello, שלום"), &json!("Line one\nline two")));
        assert_eq!((&done["cost_cents"], &done["warnings"][0]["code"]), (&json!(0.25), &json!("UNSUPPORTED_NUMBER")));
        let email = ana.get(&format!("/emails/{}", done["email"]["id"].as_str().expect("an id"))).await;
        assert_eq!(done["email"], email.expect(StatusCode::OK), "one object has one shape");
        assert_eq!(failed["error"], json!({"code": "PROVIDER_REFUSED", "message": "no, \"never\""}));
        assert_eq!((&failed["status"], &failed["email"]), (&json!("failed"), &json!(null)));
        assert_eq!((&queued["status"], &queued["run_id"], &queued["error"]), (&json!("queued"), &json!(null), &json!(null)));
        assert_eq!(last["client"]["email"], json!(null));
        let counts = json!({"total": 4, "queued": 2, "running": 0, "completed": 1, "failed": 1, "cancelled": 0, "warnings": 1});
        let whole = ana.get(&format!("/email-batches/{batch}")).await.expect(StatusCode::OK);
        assert_eq!((&whole["counts"], &whole["cost_cents"], &whole["rate_per_minute"]), (&counts, &json!(0.25), &json!(1)));
        assert!(whole["eta"].is_string());
        for (query, expected) in [
            ("status=completed", vec![0]),
            ("status=failed", vec![1]),
            ("status=queued", vec![2, 3]),
            ("status=running", vec![]),
            ("has_warnings=true", vec![0]),
            ("has_warnings=false&status=completed", vec![]),
        ] {
            let page = ana.get(&format!("/email-batches/{batch}/results?{query}")).await.expect(StatusCode::OK);
            assert_eq!((places(&page), page["total"].as_u64()), (expected.clone(), Some(expected.len() as u64)), "{query}");
        }
        ana.get(&format!("/email-batches/{batch}/results?status=waiting")).await.fault("/status", "unknown_value");
    })
    .await;
}

#[tokio::test]
async fn a_live_item_shows_its_run_and_what_it_has_cost_so_far() {
    Door::run_by_hand(async |door| {
        let ana = door.ana();
        let ids = clients(door, &ana, 3).await;
        let batch = submit(&ana, &ids).await;
        let batch = id(&batch);
        for n in 0..2 {
            fail(door, batch, n).await;
        }
        // As when two that failed are redriven: one has begun.
        door.bench
            .sql(
                "UPDATE batch_items SET status = 'admitted', ended_at = NULL, cost_cents = 1 WHERE n < 2;
                 UPDATE pipeline_runs SET status = CASE batch_n WHEN 0 THEN 'running' ELSE 'queued' END, status_reason = NULL, success = false,
                   completed_at = NULL, failure = NULL, total_cost_cents = 0.5",
            )
            .await;
        let page = ana.get(&format!("/email-batches/{batch}/results")).await.expect(StatusCode::OK);
        assert_eq!((&page["data"][0]["status"], &page["data"][0]["cost_cents"]), (&json!("running"), &json!(1.5)));
        assert_eq!(page["data"][1]["status"], "queued");
        let whole = ana.get(&format!("/email-batches/{batch}")).await.expect(StatusCode::OK);
        assert_eq!((&whole["counts"]["running"], &whole["counts"]["queued"]), (&json!(1), &json!(2)));
        assert_eq!(whole["cost_cents"], 3.0);
    })
    .await;
}

#[tokio::test]
async fn pages_keep_the_order_of_the_list_while_items_end() {
    Door::run_by_hand(async |door| {
        let ana = door.ana();
        let ids = clients(door, &ana, 25).await;
        let batch = submit(&ana, &ids).await;
        let batch = id(&batch);
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = ana.get(&format!("/email-batches/{batch}/results?limit=7{cursor}")).await.expect(StatusCode::OK);
            seen.extend(places(&page));
            for n in [24, 0] {
                door.bench
                    .sql(&format!(
                        "UPDATE batch_items SET status = 'cancelled', ended_at = now() WHERE n = {n} + {}",
                        seen.len() % 3
                    ))
                    .await;
            }
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(seen, (0..25).collect::<Vec<_>>());
        let other = submit(&ana, &ids).await;
        ana.get(&format!("/email-batches/{}/results?limit=7{cursor}", id(&other)))
            .await
            .problem(400, "MALFORMED_REQUEST");
    })
    .await;
}

#[tokio::test]
async fn batches_are_listed_newest_first_by_status() {
    Door::run_by_hand(async |door| {
        let ana = door.ana();
        let ids = clients(door, &ana, 1).await;
        let mut made = Vec::new();
        for _ in 0..3 {
            made.push(submit(&ana, &ids).await["id"].clone());
        }
        made.reverse();
        let first = ana.get("/email-batches?limit=2").await.expect(StatusCode::OK);
        assert_eq!(
            (&first["data"][0]["id"], &first["data"][1]["id"], &first["total"]),
            (&made[0], &made[1], &json!(3))
        );
        let cursor = first["next_cursor"].as_str().expect("a cursor");
        let second = ana.get(&format!("/email-batches?limit=2&cursor={cursor}")).await.expect(StatusCode::OK);
        assert_eq!((&second["data"][0]["id"], &second["has_more"]), (&made[2], &json!(false)));
        stands(door, made[1].as_str().expect("an id"), "paused").await;
        let paused = ana.get("/email-batches?status=paused").await.expect(StatusCode::OK);
        assert_eq!((&paused["data"][0]["id"], &paused["total"]), (&made[1], &json!(1)));
        ana.get("/email-batches?status=done").await.fault("/status", "unknown_value");
    })
    .await;
}
