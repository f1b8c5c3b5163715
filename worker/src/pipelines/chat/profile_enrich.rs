//! Loads whom the assistant speaks with, and for which company, product and client.

use hellosales_core::content::{client, company_profile, member, product};
use hellosales_core::pipeline::ChatInput;
use serde::{Deserialize, Serialize};

use crate::prompt::{Section, one_line};
use crate::stage::{Outcome, Stage, StageContext, StageError, Values};
use crate::stages::facts;

/// The stage.
#[derive(Debug, Clone, Copy)]
pub struct ProfileEnrich;

/// What is known; nothing is a fault.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Profile {
    /// The user's name.
    pub display_name: Option<String>,
    /// Company, product and client, those that hold anything.
    pub sections: Vec<Section>,
}

const MAX_NAME_CHARS: usize = 80;

impl Stage for ProfileEnrich {
    const NAME: &'static str = "profile_enrich";
    type Run = ChatInput;
    type Needs = ();
    type Output = Profile;

    async fn execute(&self, cx: &StageContext<ChatInput>, (): Values<Self>) -> Result<Outcome<Profile>, StageError> {
        let mut tx = cx.environment.database.begin_fast_in(cx.run.org_id).await?;
        let mut org = tx.enter(cx.run.org_id).await?;
        let member = match cx.run.user_id {
            Some(user) => member::find(&mut org, user).await?,
            None => None,
        };
        let profile = company_profile::find(&mut org).await?;
        let (product, client) = match cx.run.session_id {
            Some(session) => {
                (product::of_session(&mut org, session).await?, client::of_session(&mut org, session).await?)
            }
            None => (None, None),
        };
        tx.rollback().await?;
        let org_name = member.as_ref().map(|member| member.org_name.as_str());
        let sections = [
            Some(facts::company(org_name, profile.as_ref())),
            product.as_ref().map(facts::product),
            client.as_ref().map(facts::client),
        ];
        let display_name = member.and_then(|member| member.display_name).map(|name| one_line(&name, MAX_NAME_CHARS));
        Ok(Outcome::Done(Profile {
            display_name: display_name.filter(|name| !name.is_empty()),
            sections: sections.into_iter().flatten().filter(|section| !section.facts.is_empty()).collect(),
        }))
    }
}
