//! What an organisation may use, with workers and the provider as they are.

use hellosales_core::Role;
use hellosales_core::budget::{self, Change};
use rust_decimal::Decimal;
use serde_json::json;

use super::desk::Desk;

/// What the ledger says of today: cost of what is closed, and the most of what is open.
const LEDGER: &str = "SELECT sum(coalesce(cost_cents, most_cents)) FROM provider_calls";

async fn set(desk: &Desk<'_>, cents_per_day: Option<Decimal>) -> budget::Changed {
    let change = Change { cents_per_day: Some(cents_per_day), ..Change::default() };
    let operator = desk.app.db.pools(Role::Operator);
    budget::set(&operator, desk.org, &change, "operator:dana", Some("INC-81")).await.expect("set").0
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_emails_on_three_workers_never_overspend_a_day_and_wait_until_it_turns_or_more_is_allowed() {
    Desk::run(async |desk: &Desk<'_>| {
        let clients = desk.clients(64).await;
        let first = desk.submit(&clients[..1], json!({})).await;
        let _one = desk.app.worker().await;
        desk.until(first, "completed").await;
        let (most, cost) = ("SELECT most_cents FROM provider_calls", "SELECT cost_cents FROM provider_calls");
        let (most, cost) = (desk.value::<Decimal>(most).await, desk.value::<Decimal>(cost).await);
        // What was used before there was a budget counts, too.
        let max = most + cost * Decimal::new(65, 1);
        set(desk, Some(max)).await;

        let _others = [desk.app.worker().await, desk.app.worker().await];
        let batch = desk.submit(&clients, json!({})).await;
        desk.until_true("SELECT count(*) >= 3 FROM provider_calls WHERE success").await;
        let stands = "SELECT NOT EXISTS (SELECT 1 FROM pipeline_steps WHERE status IN ('ready', 'running'))
            AND bool_and(delay_reason = 'budget' AND delay_detail LIKE '%a day is spent') FROM pipeline_steps WHERE status = 'delayed'";
        desk.until_true(stands).await;
        assert!(desk.value::<Decimal>(LEDGER).await <= max);
        let done = desk.items(batch).await[2];
        assert!((3..64).contains(&done), "{done} were written for {max} cents");
        assert_eq!(i64::try_from(desk.asked().await), Ok(done + 1), "what the budget refused was never sent");

        // The batch says so, and each of its runs.
        let midnight = "SELECT to_char(date_trunc('day', now(), 'UTC') AT TIME ZONE 'UTC' + interval '1 day', 'YYYY-MM-DD')";
        let midnight: String = desk.value(midnight).await;
        let run: String = desk.value("SELECT run_id::text FROM pipeline_steps WHERE status = 'delayed' LIMIT 1").await;
        let run = desk.ana.get(&format!("/runs/{run}")).await.expect(200);
        for waiting in [&desk.batch(batch).await["waiting"], &run["waiting"]] {
            assert_eq!(waiting["reason"], "budget", "{waiting}");
            let detail = format!("the organisation's budget of {} cents a day is spent", max.normalize());
            assert_eq!(waiting["detail"], detail.as_str());
            assert!(waiting["until"].as_str().is_some_and(|until| until.starts_with(&midnight)), "{waiting}");
        }

        // More is allowed: all go on at once, though midnight is hours away.
        let changed = set(desk, Some(Decimal::ONE_HUNDRED)).await;
        assert_eq!((changed.before.cents_per_day, changed.hastened > 0), (Some(max), true));
        desk.until_true("SELECT count(*) >= 32 FROM provider_calls WHERE success").await;
        desk.until(batch, "completed").await;
        assert_eq!(desk.items(batch).await, [0, 0, 64, 0, 0]);
        let spent = "SELECT cents + reserved_cents FROM budget_windows WHERE span = 'day' AND reserved_cents = 0";
        assert_eq!(desk.value::<Decimal>(spent).await, desk.value::<Decimal>(LEDGER).await);
    })
    .await;
}
