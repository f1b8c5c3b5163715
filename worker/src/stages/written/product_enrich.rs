//! Loads what is sold.

use hellosales_core::{ErrorCode, Failure};
use serde::{Deserialize, Serialize};

use super::{Written, stage_of};
use crate::prompt::Section;
use crate::stage::{Outcome, Stage, StageContext, StageError, Values};
use crate::stages::facts;

stage_of! {
    /// The stage.
    ProductEnrich
}

/// The product, as the model is told it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KnownProduct {
    /// Its name.
    pub name: String,
    /// What is known of it.
    pub section: Section,
    /// The digest of what it was read from.
    pub digest: String,
}

impl<W: Written> Stage for ProductEnrich<W> {
    const NAME: &'static str = "product_enrich";
    type Run = W::Input;
    type Needs = ();
    type Output = KnownProduct;

    async fn execute(
        &self,
        cx: &StageContext<W::Input>,
        (): Values<Self>,
    ) -> Result<Outcome<KnownProduct>, StageError> {
        let Some(id) = W::asked(&cx.input).product_id else { return Ok(Outcome::Skip("no product was asked for")) };
        let environment = &cx.environment;
        let found = environment.sources.product(&environment.database, cx.run.org_id, id).await?;
        let Some(found) = found else {
            let failure = Failure::new(ErrorCode::ProductNotFound, "the product that this was to be about isn't there");
            return Err(StageError::Fail(failure));
        };
        let section = facts::product(&found.product);
        Ok(Outcome::Done(KnownProduct { name: found.product.name.clone(), section, digest: found.digest.clone() }))
    }
}
