//! Lets every text of what was written pass, or fails the run.

use super::input_guard::refused;
use super::{Generated, Llm, Written, stage_of};
use crate::guard::Verdict;
use crate::stage::{Outcome, Stage, StageContext, StageError, Values};

stage_of! {
    /// The stage.
    OutputGuard
}

impl<W: Written> Stage for OutputGuard<W> {
    const NAME: &'static str = "output_guard";
    type Run = W::Input;
    type Needs = (Llm<W>,);
    type Output = Generated<W>;

    async fn execute(
        &self,
        cx: &StageContext<W::Input>,
        (generated,): Values<Self>,
    ) -> Result<Outcome<Generated<W>>, StageError> {
        for (field, text) in generated.written.texts() {
            if let Verdict::Block(finding) = cx.environment.guard.check_output(text) {
                let (rule, category) = (finding.rule.as_ref(), finding.category.as_str());
                tracing::info!(run_id = %cx.run.id, org_id = %cx.run.org_id, field, rule, category, "a guard refused an answer");
                return Err(refused(field, &finding));
            }
        }
        Ok(Outcome::Done(generated))
    }
}
