//! Lets every text of what was written pass, or fails the run.

use super::input_guard::refused;
use super::{Generated, Llm, Written, stage_of};
use crate::guard::{Finding, Guard, Verdict};
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
        match refusal(&cx.environment.guard, &generated.written) {
            Some(refusal) => Err(refusal.ends(cx)),
            None => Ok(Outcome::Done(generated)),
        }
    }
}

/// A text that may not be stored.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) field: &'static str,
    pub(super) finding: Finding,
}

impl Refusal {
    /// It fails its run.
    pub(super) fn ends<R>(&self, cx: &StageContext<R>) -> StageError {
        let Self { field, finding } = self;
        let (rule, category) = (finding.rule.as_ref(), finding.category.as_str());
        tracing::info!(run_id = %cx.run.id, org_id = %cx.run.org_id, field, rule, category, "a guard refused an answer");
        refused(field, finding)
    }
}

/// The first of its texts that may not be stored.
pub(super) fn refusal<W: Written>(guard: &Guard, written: &W) -> Option<Refusal> {
    written.texts().into_iter().find_map(|(field, text)| match guard.check_output(text) {
        Verdict::Block(finding) => Some(Refusal { field, finding }),
        Verdict::Pass => None,
    })
}
