//! Loads whom it is for.

use hellosales_core::{ErrorCode, Failure};
use serde::{Deserialize, Serialize};

use super::{Written, stage_of};
use crate::prompt::Section;
use crate::stage::{Outcome, Stage, StageContext, StageError, Values};
use crate::stages::facts;

stage_of! {
    /// The stage.
    ClientEnrich
}

/// The client, as the model is told them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KnownClient {
    /// The person's name.
    pub name: String,
    /// Where the person works.
    pub company: Option<String>,
    /// What is known of them.
    pub section: Section,
    /// The digest of what it was read from.
    pub digest: String,
}

impl<W: Written> Stage for ClientEnrich<W> {
    const NAME: &'static str = "client_enrich";
    type Run = W::Input;
    type Needs = ();
    type Output = KnownClient;

    async fn execute(&self, cx: &StageContext<W::Input>, (): Values<Self>) -> Result<Outcome<KnownClient>, StageError> {
        let Some(id) = W::asked(&cx.input).client_id else { return Ok(Outcome::Skip("no client was asked for")) };
        let environment = &cx.environment;
        let found = environment.sources.client(&environment.database, cx.run.org_id, id).await?;
        let Some(found) = found else {
            let failure = Failure::new(ErrorCode::ClientNotFound, "the client that this was to be for isn't there");
            return Err(StageError::Fail(failure));
        };
        let section = facts::client(&found.client);
        let (name, company) = (found.client.name.clone(), found.client.company.clone());
        Ok(Outcome::Done(KnownClient { name, company, section, digest: found.digest.clone() }))
    }
}
