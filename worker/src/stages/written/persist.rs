//! Writes the version, and what speaks against sending it.

use hellosales_core::content::generated::{Generation, Sources};
use hellosales_core::{DatabaseError, OrgTx};
use serde::{Deserialize, Serialize};

use super::llm::previous;
use super::worth::{self, MadeOf};
use super::{ClientEnrich, CompanyEnrich, Making, OutputGuard, ProductEnrich, Written, name, stage_of};
use crate::grounding::MAX_WARNINGS;
use crate::stage::{Outcome, Stage, StageContext, StageError, Values};

stage_of! {
    /// The stage.
    Persist
}

/// What is written. Of it the run's result keeps the count of warnings alone: the rest is in the version's row.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Persisted<W> {
    /// How many warnings it has.
    pub warnings: usize,
    /// What the effects write.
    #[serde(skip, default = "none")]
    draft: Option<Box<(W, Making)>>,
}

const fn none<T>() -> Option<T> {
    None
}

impl<W: Written> Stage for Persist<W> {
    const NAME: &'static str = "persist";
    type Run = W::Input;
    type Needs = (Option<ProductEnrich<W>>, Option<ClientEnrich<W>>, Option<CompanyEnrich<W>>, OutputGuard<W>);
    type Output = Persisted<W>;

    async fn execute(
        &self,
        cx: &StageContext<W::Input>,
        (product, client, company, generated): Values<Self>,
    ) -> Result<Outcome<Persisted<W>>, StageError> {
        let asked = W::asked(&cx.input);
        let previous = previous::<W>(cx).await?;
        let made_of =
            MadeOf { asked: &asked, product: product.as_ref(), client: client.as_ref(), company: company.as_ref() };
        let mut warnings = worth::check(&generated.written, previous.as_ref(), &made_of);
        warnings.extend(worth::twin(cx, &generated.written, client.as_ref()).await?);
        warnings.truncate(MAX_WARNINGS);
        let generation = Generation {
            run_id: cx.run.id,
            created_by: cx.run.user_id,
            session_id: asked.session_id,
            product_id: asked.product_id,
            client_id: asked.client_id,
            instructions: asked.instructions.map(str::to_owned),
            provider: generated.provider,
            model: generated.model,
            prompt_version: generated.prompt_version,
            sources: Sources {
                product_digest: product.as_ref().map(|product| product.digest.clone()),
                client_digest: client.as_ref().map(|client| client.digest.clone()),
                company_digest: company.and_then(|company| company.digest),
            },
            warnings,
        };
        let name = name::of(&asked, product.as_ref(), client.as_ref());
        let count = generation.warnings.len();
        let making = Making { name, batch: cx.run.batch, generation };
        Ok(Outcome::Done(Persisted { warnings: count, draft: Some(Box::new((generated.written, making))) }))
    }

    async fn effects(
        &self,
        tx: &mut OrgTx<'_>,
        cx: &StageContext<W::Input>,
        end: &Outcome<Persisted<W>>,
    ) -> Result<(), DatabaseError> {
        let Outcome::Done(Persisted { draft: Some(draft), .. }) = end else { return Ok(()) };
        let (written, making) = draft.as_ref();
        written.write(tx, &cx.input, making.clone()).await
    }
}
