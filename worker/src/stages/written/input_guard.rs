//! Lets what the user asks for pass, or fails the run. Facts are the organisation's own records: they are told as data, and
//! not blocked.

use hellosales_core::{ErrorCode, Failure};
use serde::{Deserialize, Serialize};

use super::{Written, stage_of};
use crate::guard::{Finding, Verdict};
use crate::stage::{Outcome, Stage, StageContext, StageError, Values};

stage_of! {
    /// The stage.
    InputGuard
}

/// What was asked for may be sent to a model.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Passed {}

impl<W: Written> Stage for InputGuard<W> {
    const NAME: &'static str = "input_guard";
    type Run = W::Input;
    type Needs = ();
    type Output = Passed;

    async fn execute(&self, cx: &StageContext<W::Input>, (): Values<Self>) -> Result<Outcome<Passed>, StageError> {
        let asked = W::asked(&cx.input);
        let said = [("instructions", asked.instructions), ("name", asked.name), ("description", asked.description)];
        let filled = said.into_iter().filter_map(|(field, text)| Some((field, text?)));
        for (field, text) in filled.filter(|(_, text)| !text.trim().is_empty()) {
            if let Verdict::Block(finding) = cx.environment.guard.check_input(text) {
                let (rule, category) = (finding.rule.as_ref(), finding.category.as_str());
                tracing::info!(run_id = %cx.run.id, org_id = %cx.run.org_id, field, rule, category, "a guard refused an input");
                return Err(refused(field, &finding));
            }
        }
        Ok(Outcome::Done(Passed {}))
    }
}

/// A run that a guard refuses fails: an apology is never stored as an email.
pub(super) fn refused(field: &str, finding: &Finding) -> StageError {
    let mut failure = Failure::new(ErrorCode::GuardBlocked, format!("a guard refused the text of {field}"));
    failure.details.insert("field".to_owned(), field.into());
    failure.details.insert("category".to_owned(), finding.category.as_str().into());
    StageError::Fail(failure)
}
