//! Loads who writes: the organisation, and the person who asked.

use serde::{Deserialize, Serialize};

use super::{Written, stage_of};
use crate::prompt::Section;
use crate::stage::{Outcome, Stage, StageContext, StageError, Values};
use crate::stages::facts;

stage_of! {
    /// The stage.
    CompanyEnrich
}

/// The organisation and the sender, as the model is told them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KnownCompany {
    /// What is known of the organisation, and of who asked: those that hold anything.
    pub sections: Vec<Section>,
    /// The digest of the profile, if there is one.
    pub digest: Option<String>,
}

impl<W: Written> Stage for CompanyEnrich<W> {
    const NAME: &'static str = "company_enrich";
    type Run = W::Input;
    type Needs = ();
    type Output = KnownCompany;

    async fn execute(
        &self,
        cx: &StageContext<W::Input>,
        (): Values<Self>,
    ) -> Result<Outcome<KnownCompany>, StageError> {
        let environment = &cx.environment;
        let found = environment.sources.company(&environment.database, cx.run.org_id, cx.run.user_id).await?;
        let sections = [
            facts::company(found.org_name.as_deref(), found.facts.as_ref().map(|facts| &facts.profile)),
            Section::new("Sender").with("Name", found.sender.as_deref()),
        ];
        let sections: Vec<Section> = sections.into_iter().filter(|section| !section.facts.is_empty()).collect();
        if sections.is_empty() {
            return Ok(Outcome::Skip("nothing is known of the company"));
        }
        Ok(Outcome::Done(KnownCompany { sections, digest: found.facts.map(|facts| facts.digest.clone()) }))
    }
}
