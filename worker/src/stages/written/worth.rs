//! Whether what was written is worth sending: held against all that the model was given, and against what colleagues of the
//! client got.

use hellosales_core::ClientId;
use hellosales_core::content::email::{self, EmailToCompany};
use hellosales_core::content::generated::Warning;

use super::{Asked, KnownClient, KnownCompany, KnownProduct, MERGE_FIELDS, Written};
use crate::grounding::{self, Code, Sources, TwinCandidate, company_spellings};
use crate::stage::{StageContext, StageError};

/// What a thing was written from.
pub(super) struct MadeOf<'a> {
    pub(super) asked: &'a Asked<'a>,
    pub(super) product: Option<&'a KnownProduct>,
    pub(super) client: Option<&'a KnownClient>,
    pub(super) company: Option<&'a KnownCompany>,
}

/// What stands in none of its sources, and what was left open.
pub(super) fn check<W: Written>(written: &W, previous: Option<&W>, made_of: &MadeOf<'_>) -> Vec<Warning> {
    let prose = written.texts().into_iter().filter(|(field, _)| *field != MERGE_FIELDS);
    let texts: Vec<&str> = prose.map(|(_, text)| text).collect();
    let before = previous.into_iter().flat_map(Written::texts).map(|(_, text)| text);
    let asked = made_of.asked;
    let company = made_of.company.into_iter().flat_map(|company| &company.sections);
    let product = made_of.product.map(|product| &product.section);
    let client = made_of.client.map(|client| &client.section);
    let facts = company.chain(product).chain(client).flat_map(|section| &section.facts);
    let facts = facts.flat_map(|fact| [fact.label.as_str(), fact.value.as_str()]);
    let said = [asked.instructions, asked.description, asked.name].into_iter().flatten();
    let sources = Sources::of(facts.chain(said).chain(before));
    grounding::check(&texts, written.merge_fields(), &sources)
}

/// Whether somebody else of the client's company has nearly the same email. The emails of a batch are compared when its round
/// ends, with each other.
pub(super) async fn twin<W: Written>(
    cx: &StageContext<W::Input>,
    written: &W,
    client: Option<&KnownClient>,
) -> Result<Option<Warning>, StageError> {
    let asked = W::asked(&cx.input);
    let (Some((subject, body)), Some(client), Some(client_id)) = (written.sent(), client, asked.client_id) else {
        return Ok(None);
    };
    let Some(company) = client.company.as_deref().filter(|_| cx.run.batch.is_none()) else { return Ok(None) };
    let others = others(cx, company, client_id).await?;
    let ours = TwinCandidate { client_id, client_name: &client.name, company, subject, body };
    let is_twin = |other: &&EmailToCompany| {
        let theirs = TwinCandidate {
            client_id: other.client_id,
            client_name: &other.client_name,
            company: &other.company,
            subject: &other.subject,
            body: &other.body,
        };
        !grounding::twins(&[theirs, ours]).is_empty()
    };
    Ok(others.iter().find(is_twin).map(|other| grounding::warning(Code::NearTwin, &other.client_name)))
}

async fn others<R>(cx: &StageContext<R>, company: &str, besides: ClientId) -> Result<Vec<EmailToCompany>, StageError> {
    let mut tx = cx.environment.database.begin().await?;
    let mut org = tx.enter(cx.run.org_id).await?;
    let found = email::latest_to_company(&mut org, &company_spellings(company), besides).await?;
    tx.rollback().await?;
    Ok(found)
}
