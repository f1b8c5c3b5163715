//! The results as a file, byte for byte.

use reqwest::{Method, StatusCode};

use super::super::door::{Door, Person};
use super::{clients, fail, id, submit, write_email};

async fn file(person: &Person, batch: &str, query: &str) -> (reqwest::header::HeaderMap, String) {
    let response = person
        .request(Method::GET, &format!("/email-batches/{batch}/results.csv{query}"))
        .send()
        .await
        .expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
    let headers = response.headers().clone();
    (headers, String::from_utf8(response.bytes().await.expect("a body").to_vec()).expect("UTF-8"))
}

#[tokio::test]
async fn a_file_is_rfc_4180_in_input_order_and_holds_no_formula() {
    Door::run_by_hand(async |door| {
        let ana = door.ana();
        let ids = clients(door, &ana, 4).await;
        let batch = submit(&ana, &ids).await;
        let batch = id(&batch);
        door.bench
            .sql(&format!("UPDATE clients SET name = '=HYPERLINK(\"http://evil.example\",\"x\")', company = 'שלום 😀', email = '+1@example.com' WHERE id = '{}'", ids[1]))
            .await;
        write_email(door, batch, 1, "\"Quoted\", and more", "Line one\r\nline two\n@SUM(A1)").await;
        write_email(door, batch, 0, "-10 % for you", "@you").await;
        fail(door, batch, 2).await;
        let (headers, text) = file(&ana, batch, "").await;
        assert_eq!(headers["content-type"], "text/csv; charset=utf-8; header=present");
        assert_eq!(headers["content-disposition"], format!("attachment; filename=\"batch-{batch}.csv\""));
        let emails: Vec<String> = door.bench.column("SELECT email_id::text FROM sales_emails ORDER BY batch_n").await;
        let runs: Vec<String> = door.bench.column("SELECT run_id::text FROM batch_items WHERE run_id IS NOT NULL ORDER BY n").await;
        let expected = [
            "\u{feff}n,status,client_id,client_name,client_company,client_email,subject,body,call_to_action,warnings,email_id,run_id,error_code,error_message,cost_cents".to_owned(),
            format!("0,completed,{},Name 0,Company 0,a0@example.com,\"'-10 % for you\",\"'@you\",,,{},{},,,0.25", ids[0], emails[0], runs[0]),
            format!(
                "1,completed,{},\"'=HYPERLINK(\"\"http://evil.example\"\",\"\"x\"\")\",שלום 😀,\"'+1@example.com\",\"\"\"Quoted\"\", and more\",\"Line one\r\nline two\n@SUM(A1)\",,,{},{},,,0.25",
                ids[1], emails[1], runs[1]
            ),
            format!("2,failed,{},Name 2,Company 1,a2@example.com,,,,,,{},PROVIDER_REFUSED,\"no, \"\"never\"\"\",0", ids[2], runs[2]),
            format!("3,queued,{},Name 3,Company 1,,,,,,,,,,0", ids[3]),
            String::new(),
        ];
        assert_eq!(text, expected.join("\r\n"));
        let (_, failed) = file(&ana, batch, "?status=failed").await;
        assert_eq!(failed, [&expected[0], &expected[3], ""].map(|line| line.to_string()).join("\r\n"));
        ana.get(&format!("/email-batches/{batch}/results.csv?status=gone")).await.fault("/status", "unknown_value");
    })
    .await;
}

#[tokio::test]
async fn a_file_of_many_pages_has_every_item_once() {
    Door::run(async |door| {
        let ana = door.ana();
        let ids = clients(door, &ana, 1_500).await;
        let batch = submit(&ana, &ids).await;
        let (_, text) = file(&ana, id(&batch), "").await;
        let found: Vec<&str> = text.lines().skip(1).map(|line| line.split(',').nth(2).expect("a client")).collect();
        assert_eq!(found, ids.iter().map(ToString::to_string).collect::<Vec<_>>());
    })
    .await;
}
