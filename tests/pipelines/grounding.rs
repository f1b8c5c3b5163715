//! What is written is held against its sources, and the warnings are kept with it.

use hellosales_core::RunId;
use hellosales_core::content::email::EmailType;
use hellosales_core::pipeline::EmailInput;
use hellosales_core::queue::submit::NewRun;
use serde_json::{Value, json};

use super::bench::Bench;
use super::written::{email, plain_email};

async fn warnings(bench: &Bench<'_>, input: &EmailInput) -> Value {
    bench.value(&format!("SELECT warnings FROM sales_emails WHERE email_id = '{}' AND is_latest", input.email_id)).await
}

#[tokio::test]
async fn what_a_field_leaves_open_is_a_warning_and_is_counted_in_the_result() {
    Bench::run(async |bench| {
        let (product, client) = bench.content("[Name] Reyes").await;
        let input =
            EmailInput { product_id: Some(product), client_id: Some(client), ..plain_email(EmailType::General) };
        let run = bench.submit(&input).await;
        bench.drain().await;
        assert_eq!(bench.status_of(run).await, "completed", "a warning stops nothing");
        let warnings = warnings(bench, &input).await;
        assert_eq!(warnings[0]["code"], "TEMPLATE_LEFTOVER", "{warnings}");
    })
    .await;
}

#[tokio::test]
async fn an_email_that_a_colleague_of_the_client_has_already_is_a_near_twin() {
    Bench::run(async |bench| {
        let ana = email(bench, "Short").await;
        // Nobody follows it, so that the test may change what it says.
        bench.submit_run(NewRun::new(RunId::new(), &ana, 1, 30_000).expect("an input is JSON")).await;
        bench.drain().await;
        assert_eq!(warnings(bench, &ana).await, json!([]));
        // The same words to somebody else of the company, which is written in another way.
        let (_, ben) = bench.content("Ben Okafor").await;
        bench.sql(&format!("UPDATE clients SET company = 'GLOBEX Inc.' WHERE id = '{ben}'")).await;
        let input = EmailInput { client_id: Some(ben), ..plain_email(EmailType::FollowUp) };
        let input = EmailInput { product_id: ana.product_id, instructions: ana.instructions.clone(), ..input };
        bench.submit(&input).await;
        bench.drain().await;
        bench
            .sql(&format!(
                "UPDATE sales_emails a SET subject = b.subject, body = replace(b.body, 'Ben', 'Ana')
                 FROM sales_emails b WHERE a.email_id = '{}' AND b.email_id = '{}'",
                ana.email_id, input.email_id
            ))
            .await;
        let again = EmailInput { email_id: plain_email(EmailType::General).email_id, ..input };
        bench.submit(&again).await;
        bench.drain().await;
        assert_eq!(warnings(bench, &again).await, json!([{"code": "NEAR_TWIN", "text": "Ana Reyes"}]));
        bench.sql(&format!("UPDATE clients SET company = 'Initech' WHERE id <> '{ben}'")).await;
        let other = EmailInput { email_id: plain_email(EmailType::General).email_id, ..again };
        bench.submit(&other).await;
        bench.drain().await;
        assert_eq!(warnings(bench, &other).await, json!([]), "another company may have the same");
    })
    .await;
}

#[tokio::test]
async fn a_products_own_number_is_no_invention() {
    Bench::run(async |bench| {
        let first = email(bench, "Short").await;
        bench.submit(&first).await;
        bench.drain().await;
        bench.sql("UPDATE products SET name = 'Lantern', key_features = '[\"37 % fewer tickets\"]'").await;
        let second = EmailInput { email_id: plain_email(EmailType::General).email_id, ..first };
        bench.submit(&second).await;
        bench.drain().await;
        assert_eq!(warnings(bench, &second).await, json!([]));
        let body: String =
            bench.value(&format!("SELECT body FROM sales_emails WHERE email_id = '{}'", second.email_id)).await;
        assert!(body.contains("37 % fewer tickets"), "{body}");
    })
    .await;
}
