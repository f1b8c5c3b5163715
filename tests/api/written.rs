//! Scripts and emails.

mod bad_input;
mod edits;
mod generation;
mod lists;
mod made;
mod tenancy;
mod versions;

use hellosales_core::content::email::{self, EmailType, GeneratedEmail};
use hellosales_core::content::generated::{Generation, Sources, Warning};
use hellosales_core::{ClientId, EmailId, EmailVersionId, OrgId, ProductId, RunId};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::door::{Answer, Door, Person};

/// A member as text.
fn text(object: &Value, name: &str) -> String {
    object[name].as_str().unwrap_or_else(|| panic!("{name} in {object}")).to_owned()
}

/// An email that a person wrote, with these members besides.
async fn email(person: &Person, more: Value) -> Value {
    let mut body = json!({"name": "Hello", "subject": "A question", "body": "Dear Ana, how are you?"});
    for (name, value) in more.as_object().expect("an object") {
        body[name] = value.clone();
    }
    person.post("/emails", &body).await.expect(StatusCode::CREATED)
}

/// The tag of what is at a path now.
async fn tag(person: &Person, path: &str) -> String {
    person.get(path).await.header("etag").expect("a tag").to_owned()
}

/// PATCH of what was seen with this tag.
async fn patch_seen(person: &Person, path: &str, tag: &str, body: &Value) -> Answer {
    Answer::of(person.request(Method::PATCH, path).header("if-match", tag).json(body)).await
}

/// PATCH of what is there now.
async fn patch(person: &Person, path: &str, body: &Value) -> Answer {
    patch_seen(person, path, &tag(person, path).await, body).await
}

/// A product or a client by its name.
async fn made(person: &Person, path: &str, name: &str) -> String {
    text(&person.post(path, &json!({"name": name})).await.expect(StatusCode::CREATED), "id")
}

/// What a run has written, as its persisting stage would write it.
#[derive(Default)]
struct Wrote {
    product: Option<String>,
    client: Option<String>,
    warnings: Vec<Warning>,
    body: &'static str,
}

/// Writes an email of Ana's organisation as a run does; its id.
async fn write(door: &Door<'_>, wrote: Wrote) -> String {
    let bench = &door.bench;
    let org: uuid::Uuid = bench.value("SELECT id FROM organizations WHERE name = 'Acme'").await;
    let digest = async |table: &str, id: &Option<String>| match id {
        Some(id) => Some(bench.value::<String>(&format!("SELECT facts_digest FROM {table} WHERE id = '{id}'")).await),
        None => None,
    };
    let sources = Sources {
        product_digest: digest("products", &wrote.product).await,
        client_digest: digest("clients", &wrote.client).await,
        company_digest: bench
            .value(&format!("SELECT max(facts_digest) FROM company_profiles WHERE org_id = '{org}'"))
            .await,
    };
    let id = |id: Option<String>| id.map(|id| id.parse::<uuid::Uuid>().expect("an id"));
    let written = GeneratedEmail {
        version_id: EmailVersionId::new(),
        email_id: EmailId::new(),
        name: "Written".to_owned(),
        description: None,
        email_type: EmailType::FollowUp,
        subject: "Numbers".to_owned(),
        body: wrote.body.to_owned(),
        call_to_action: None,
        personalization_fields: vec!["first_name".to_owned()],
        batch: None,
        generation: Generation {
            run_id: RunId::new(),
            created_by: None,
            session_id: None,
            product_id: id(wrote.product).map(ProductId::from),
            client_id: id(wrote.client).map(ClientId::from),
            instructions: Some("be brief".to_owned()),
            provider: "simulator".to_owned(),
            model: "m".to_owned(),
            prompt_version: "email@1".to_owned(),
            sources,
            warnings: wrote.warnings,
        },
    };
    let mut tx = bench.api.begin().await.expect("a transaction");
    email::write_generated(&mut tx.enter(OrgId::from(org)).await.expect("entered"), &written).await.expect("written");
    tx.commit().await.expect("committed");
    written.email_id.to_string()
}

/// A warning of this code about these words.
fn warning(code: &str, text: &str) -> Warning {
    Warning { code: code.to_owned(), text: text.to_owned() }
}
