//! Asks the model, and takes only what fits the schema. What doesn't is a fault that the next attempt tells to the model.

use hellosales_core::pipeline::PipelineInput;
use hellosales_core::{ErrorCode, Failure, ProviderCallId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::output_guard::Refusal;
use super::prompt::{self, Told};
use super::readers::Readers;
use super::{ClientEnrich, CompanyEnrich, InputGuard, ProductEnrich, Written, stage_of};
use crate::provider::call::{Answer, Call, Prompt};
use crate::provider::schema::{Fault, fit};
use crate::provider::{FAULT, Finish, ProviderError};
use crate::stage::{Outcome, Stage, StageContext, StageError, Values};
use crate::stages::answer;

stage_of! {
    /// The stage.
    Llm
}

/// What the model wrote.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "W: Written")]
pub struct Generated<W> {
    /// The thing.
    pub written: W,
    /// The call in the ledger.
    pub provider_call_id: ProviderCallId,
    /// Who answered.
    pub provider: String,
    /// Which model.
    pub model: String,
    /// The template that asked.
    pub prompt_version: String,
}

const TEMPERATURE: f64 = 0.7;
/// After a fault of form a model is asked to be less inventive.
const TEMPERATURE_AFTER_A_FAULT: f64 = 0.3;

impl<W: Written> Stage for Llm<W> {
    const NAME: &'static str = "llm";
    type Run = W::Input;
    type Needs = (InputGuard<W>, Option<ProductEnrich<W>>, Option<ClientEnrich<W>>, Option<CompanyEnrich<W>>);
    type Output = Generated<W>;

    async fn execute(
        &self,
        cx: &StageContext<W::Input>,
        (_, product, client, company): Values<Self>,
    ) -> Result<Outcome<Generated<W>>, StageError> {
        let environment = &cx.environment;
        let previous = previous::<W>(cx).await?;
        let fault = last_fault(cx);
        let told = Told {
            asked: W::asked(&cx.input),
            product: product.as_ref(),
            client: client.as_ref(),
            company: company.as_ref(),
            previous: previous.as_ref(),
            fault,
        };
        let prompt = Prompt {
            messages: prompt::messages(&environment.prompts, &told)?,
            temperature: Some(if fault.is_some() { TEMPERATURE_AFTER_A_FAULT } else { TEMPERATURE }),
            max_tokens: Some(W::MAX_TOKENS),
            schema: Some(W::SCHEMA),
        };
        let call = environment.llm.call(cx, prompt).await?;
        let (written, answer) = answered::<W>(cx, call).await?;
        Ok(Outcome::Done(Generated {
            written,
            provider_call_id: answer.call_id,
            provider: answer.provider,
            model: answer.model,
            prompt_version: W::TEMPLATE.version().to_owned(),
        }))
    }
}

/// The answer, told to the run's readers while it comes.
async fn answered<W: Written>(cx: &StageContext<W::Input>, mut call: Call) -> Result<(W, Answer), StageError> {
    let mut readers = Readers::of(cx);
    loop {
        match answer::next(cx, &mut call).await? {
            Ok(Some(piece)) => {
                if let Some(refusal) = readers.hear(&piece).await? {
                    return Err(refuse(cx, call, &refusal).await);
                }
            }
            Ok(None) => break,
            Err(error) => return Err(call.fail(error).await),
        }
    }
    let (fitted, written) = match read::<W>(&call) {
        Ok(read) => read,
        Err(fault) => return Err(call.fail(ProviderError::DoesNotFit(fault)).await),
    };
    if let Some(refusal) = readers.whole(&fitted, &written).await? {
        return Err(refuse(cx, call, &refusal).await);
    }
    Ok((written, call.finish().await?))
}

/// What the output guard would refuse fails its run at once; the model may be asked again when the run is retried.
async fn refuse<R: PipelineInput>(cx: &StageContext<R>, call: Call, refusal: &Refusal) -> StageError {
    match call.finish().await {
        Ok(_) => refusal.ends(cx),
        Err(empty) => empty,
    }
}

/// The answer as it fits the schema, and what it says.
fn read<W: Written>(call: &Call) -> Result<(Value, W), Fault> {
    if call.ended() == Some(Finish::Length) {
        return Err(Fault::of_all(format!("it was cut off, being longer than {} tokens", W::MAX_TOKENS)));
    }
    let answer = fit(W::SCHEMA, call.text())?;
    let written = W::of_answer(answer.clone()).map_err(|_| Fault::of_all("it is not what the schema says"))?;
    Ok((answer, written))
}

/// What was wrong with the answer of the attempt before, if that is why it failed.
fn last_fault<R>(cx: &StageContext<R>) -> Option<&str> {
    let failure = cx.last_error.as_ref().filter(|failure| failure.code == ErrorCode::ProviderMalformedAnswer)?;
    failure.details.get(FAULT)?.as_str()
}

/// The version that is to be written anew, if one is.
pub(super) async fn previous<W: Written>(cx: &StageContext<W::Input>) -> Result<Option<W>, StageError> {
    if !W::asked(&cx.input).is_anew {
        return Ok(None);
    }
    let mut tx = cx.environment.database.begin_fast_in(cx.run.org_id).await?;
    let found = W::previous(&mut tx.enter(cx.run.org_id).await?, &cx.input).await?;
    tx.rollback().await?;
    match found {
        Some(previous) => Ok(Some(previous)),
        None => {
            let failure = Failure::new(W::NOT_FOUND, "the version that was to be written anew isn't there");
            Err(StageError::Fail(failure))
        }
    }
}
