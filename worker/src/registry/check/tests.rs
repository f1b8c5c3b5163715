use hellosales_core::pipeline::{
    CHAT, ChatInput, Pipeline, PipelineInput, SUMMARY, SummaryInput, enrich, transform, work,
};
use serde::{Deserialize, Serialize};

use super::*;
use crate::registry::Registry;
use crate::stage::{Needs, Outcome, Stage, StageContext, StageError, Values};

static DIAMOND: Pipeline = Pipeline::new(
    "diamond",
    1,
    Lane::Interactive,
    &[enrich("a"), transform("b").needs(&["a"]), transform("c").needs(&["a"]), work("d").needs(&["b", "c"])],
);

static TWO_WORKS: Pipeline = Pipeline::new(
    "diamond",
    2,
    Lane::Interactive,
    &[enrich("a"), work("b").needs(&["a"]), work("c").needs(&["a"]), work("d").needs(&["b", "c"])],
);

#[derive(Clone, Serialize, Deserialize)]
struct Nothing {}

impl PipelineInput for Nothing {
    const PIPELINE: &'static Pipeline = &DIAMOND;
}

macro_rules! stage {
    ($name:ident, $text:literal, $run:ty, $needs:ty) => {
        struct $name;

        impl Stage for $name {
            const NAME: &'static str = $text;
            type Run = $run;
            type Needs = $needs;
            type Output = u32;

            async fn execute(
                &self,
                _cx: &StageContext<$run>,
                _needs: Values<Self>,
            ) -> Result<Outcome<u32>, StageError> {
                Ok(Outcome::Done(1))
            }
        }
    };
}

stage!(A, "a", Nothing, ());
stage!(B, "b", Nothing, (A,));
stage!(C, "c", Nothing, (Option<A>,));
stage!(D, "d", Nothing, (B, Option<C>));
stage!(Reaching, "d", Nothing, (A, B));
stage!(Foreign, "d", SummaryInput, ());
stage!(Nowhere, "e", Nothing, ());
stage!(Guard, "input_guard", ChatInput, ());

fn whole() -> Stages {
    Stages::new().with(A).with(B).with(C).with(D)
}

fn faults(registry: Registry) -> Vec<Fault> {
    registry.check().err().map(|error| error.faults).unwrap_or_default()
}

fn at(version: i32) -> String {
    format!("diamond@{version}")
}

#[test]
fn a_registry_that_fits_its_graphs_is_accepted_and_knows_who_may_skip() {
    let registry = Registry::new().pipeline(&DIAMOND, whole()).check().unwrap();
    assert_eq!(registry.shapes().kinds(), ["diamond@1/a", "diamond@1/b", "diamond@1/c", "diamond@1/d"]);
    assert!(!registry.may_skip(&DIAMOND, 0), "b needs a, though c can do without");
    assert!(!registry.may_skip(&DIAMOND, 1));
    assert!(registry.may_skip(&DIAMOND, 2));
    assert!(registry.may_skip(&DIAMOND, 3));
    assert_eq!(registry.stage(&DIAMOND, 3).map(|stage| stage.name()), Some("d"));
    assert_eq!(D::NAME, "d");
    assert_eq!(<(B, Option<C>)>::declared(), [("b", false), ("c", true)]);
}

#[test]
fn a_stage_without_code_and_code_without_a_stage_are_refused() {
    let stages = Stages::new().with(A).with(B).with(D).with(Nowhere).with(A);
    assert_eq!(
        faults(Registry::new().pipeline(&DIAMOND, stages)),
        [Fault::CodeTwice(at(1), "a"), Fault::NoCode(at(1), "c"), Fault::NoPlace(at(1), "e")]
    );
    assert!(faults(Registry::new().pipeline(&SUMMARY, Stages::new())).len() == SUMMARY.stages.len());
}

#[test]
fn code_that_reads_what_the_graph_does_not_promise_is_refused() {
    let stages = Stages::new().with(A).with(B).with(C).with(Reaching);
    assert_eq!(faults(Registry::new().pipeline(&DIAMOND, stages)), [Fault::UnknownNeed(at(1), "d", "a")]);
}

#[test]
fn code_for_another_pipelines_input_is_refused() {
    let stages = Stages::new().with(A).with(B).with(C).with(Foreign);
    assert_eq!(faults(Registry::new().pipeline(&DIAMOND, stages)), [Fault::OtherInput(at(1), "d", "summary")]);
    let chat = faults(Registry::new().pipeline(&CHAT, Stages::new().with(Guard)));
    assert_eq!(chat.len(), CHAT.stages.len() - 1);
}

#[test]
fn a_pipeline_registered_twice_is_refused() {
    let registry = Registry::new().pipeline(&DIAMOND, whole()).pipeline(&DIAMOND, whole());
    assert_eq!(faults(registry), [Fault::Twice(at(1))]);
}

#[test]
fn in_a_pipeline_with_turns_no_stage_with_effects_runs_beside_another() {
    assert_eq!(faults(Registry::new().pipeline(&TWO_WORKS, whole())), [Fault::EffectsBeside(at(2), "b", "c")]);
}
