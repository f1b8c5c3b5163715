//! Loads who writes: the organisation, and the person who asked.

use hellosales_core::content::{company_profile, member};
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
        let mut tx = cx.environment.database.begin_fast().await?;
        let mut org = tx.enter(cx.run.org_id).await?;
        let sender = match cx.run.user_id {
            Some(user) => member::find(&mut org, user).await?,
            None => None,
        };
        let (org_name, sender) = match sender {
            Some(sender) => (Some(sender.org_name), sender.display_name),
            // Who asked has left since; the organisation still has its name.
            None => (member::org_name(&mut org).await?, None),
        };
        let found = company_profile::facts(&mut org).await?;
        tx.rollback().await?;
        let sections = [
            facts::company(org_name.as_deref(), found.as_ref().map(|found| &found.profile)),
            Section::new("Sender").with("Name", sender.as_deref()),
        ];
        let sections: Vec<Section> = sections.into_iter().filter(|section| !section.facts.is_empty()).collect();
        if sections.is_empty() {
            return Ok(Outcome::Skip("nothing is known of the company"));
        }
        Ok(Outcome::Done(KnownCompany { sections, digest: found.map(|found| found.digest) }))
    }
}
