//! An organisation with a list of clients.

use hellosales_core::content::client::{self, Client};
use hellosales_core::content::company_profile;
use hellosales_core::content::product;
use hellosales_core::{ClientId, Database, DatabaseError, OrgId, ProductId};
use hellosales_simulator::{Role, TokenRequest};
use uuid::Uuid;

use crate::client::Api;
use crate::commands::token;
use crate::seed;
use crate::stack::Stack;

/// Clients are written so many at a time.
const GROUP: usize = 500;

/// An organisation, and whom it sells to.
#[derive(Debug)]
pub(super) struct List {
    /// A user of it.
    pub(super) api: Api,
    /// What it sells.
    pub(super) product_id: ProductId,
    /// Its clients.
    pub(super) client_ids: Vec<Uuid>,
}

impl List {
    /// Makes an organisation of this name with so many clients.
    pub(super) async fn make(stack: &Stack, database: &Database, name: &str, count: u32) -> anyhow::Result<Self> {
        let request = TokenRequest::new(name, "Bench", Role::Admin);
        let api = Api::new(&stack.url, token::issue(&stack.data_dir, &request)?)?;
        let org = OrgId::from(api.organization().await?);
        let clients: Vec<Client> = (0..count).map(client).collect();
        let product_id = plant(database, org, &clients).await?;
        Ok(Self { api, product_id, client_ids: clients.iter().map(|client| client.id.uuid()).collect() })
    }
}

async fn plant(database: &Database, org: OrgId, clients: &[Client]) -> Result<ProductId, DatabaseError> {
    let mut tx = database.begin().await?;
    let mut inside = tx.enter(org).await?;
    company_profile::upsert(&mut inside, &seed::company()).await?;
    let product = seed::pipeline_tool(org);
    product::insert(&mut inside, &product).await?;
    tx.commit().await?;
    for group in clients.chunks(GROUP) {
        let mut tx = database.begin().await?;
        let mut inside = tx.enter(org).await?;
        for client in group {
            client::insert(&mut inside, client).await?;
        }
        tx.commit().await?;
    }
    Ok(product.id)
}

fn client(n: u32) -> Client {
    let some = |text: String| Some(text);
    Client {
        id: ClientId::new(),
        external_id: None,
        name: format!("Robin Example {n}"),
        company: some(format!("Company {n}")),
        title: some("Head of Sales".to_owned()),
        industry: some("Retail".to_owned()),
        email: some(format!("robin.{n}@company-{n}.example")),
        pain_points: vec!["Forecasts take a day a week".to_owned(), format!("{} people report by hand", n % 80 + 1)],
        goals: vec!["Know by Monday which deals have gone quiet".to_owned()],
        objection_patterns: vec![],
        communication_style: None,
        decision_criteria: vec!["Live within a month".to_owned()],
    }
}
