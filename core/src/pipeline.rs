//! Pipelines: named, versioned graphs of stages. The graph is here, its code is the worker's.
//!
//! A graph is checked when it is compiled: an unknown need, a cycle, two last stages, or a stage beside a
//! streaming one do not build. A changed shape gets a new version; runs in flight keep theirs.

mod chat;
mod email;
mod graph;
mod input;
mod script;
mod summary;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use chat::{CHAT, ChatInput};
pub use email::{EMAIL, EmailInput};
pub use input::{InputFault, edited};
pub use script::{SCRIPT, ScriptInput};
pub use summary::{SUMMARY, SummaryInput};

use crate::run::Lane;

/// Every pipeline of the product.
pub static ALL: [&Pipeline; 4] = [&CHAT, &SUMMARY, &SCRIPT, &EMAIL];

/// The most stages that a shape may have: one bit each in `done` and `made`.
pub const MAX_STAGES: usize = 62;

/// What a pipeline is given, and all that the api and the worker share of it.
pub trait PipelineInput: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// The pipeline that this is the input of.
    const PIPELINE: &'static Pipeline;
}

/// What a stage does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StageKind {
    /// Lets a text pass, or ends or replaces it. Never fails open.
    Guard,
    /// Loads what the work needs to know.
    Enrich,
    /// Makes something new, mostly with a provider.
    Transform,
    /// Has effects on content.
    Work,
}

impl StageKind {
    /// The plan's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Guard => "GUARD",
            Self::Enrich => "ENRICH",
            Self::Transform => "TRANSFORM",
            Self::Work => "WORK",
        }
    }
}

/// One node of a graph.
#[derive(Debug, Clone, Copy)]
pub struct StageShape {
    /// Its name, its own within the pipeline.
    pub name: &'static str,
    /// What it does.
    pub kind: StageKind,
    /// The stages that must be done before it; each stands before it in the list.
    pub needs: &'static [&'static str],
    /// After this many counted failures it is dead.
    pub max_attempts: i16,
    /// An attempt may take this long. `None`: the worker's `STAGE_TIMEOUT_MS`.
    pub timeout_ms: Option<i32>,
    /// It writes its output to the run's stream while it works.
    pub streams: bool,
}

impl StageShape {
    const fn new(name: &'static str, kind: StageKind) -> Self {
        Self { name, kind, needs: &[], max_attempts: 3, timeout_ms: None, streams: false }
    }

    /// What must be done before.
    #[must_use]
    pub const fn needs(mut self, needs: &'static [&'static str]) -> Self {
        self.needs = needs;
        self
    }

    /// How often it may fail.
    #[must_use]
    pub const fn max_attempts(mut self, attempts: i16) -> Self {
        self.max_attempts = attempts;
        self
    }

    /// How long an attempt may take.
    #[must_use]
    pub const fn timeout_ms(mut self, timeout_ms: i32) -> Self {
        self.timeout_ms = Some(timeout_ms);
        self
    }

    /// It calls nothing outside the database: only transforms do. It is fast, and a worker may go on with it before it
    /// settles what comes before.
    #[must_use]
    pub const fn is_inline(&self) -> bool {
        !self.streams && !matches!(self.kind, StageKind::Transform)
    }

    /// It writes to the run's stream while it works, and nothing runs beside it.
    #[must_use]
    pub const fn streams(mut self) -> Self {
        self.streams = true;
        self
    }
}

/// A stage that lets pass or blocks.
#[must_use]
pub const fn guard(name: &'static str) -> StageShape {
    StageShape::new(name, StageKind::Guard)
}

/// A stage that loads.
#[must_use]
pub const fn enrich(name: &'static str) -> StageShape {
    StageShape::new(name, StageKind::Enrich)
}

/// A stage that makes.
#[must_use]
pub const fn transform(name: &'static str) -> StageShape {
    StageShape::new(name, StageKind::Transform)
}

/// A stage with effects on content.
#[must_use]
pub const fn work(name: &'static str) -> StageShape {
    StageShape::new(name, StageKind::Work)
}

/// A named, versioned graph of stages.
#[derive(Debug)]
pub struct Pipeline {
    /// Its name: the run's `pipeline`.
    pub name: &'static str,
    /// Grows with each change of shape.
    pub version: i32,
    /// The lane its runs go in, unless they are part of a batch.
    pub lane: Lane,
    /// Its stages; a stage's place is its bit.
    pub stages: &'static [StageShape],
    /// The fields by which its streaming stage tells its answer; none: the answer is one text.
    pub fields: &'static [&'static str],
    deps: [u64; MAX_STAGES],
}

impl Pipeline {
    /// Checks a graph and makes it a pipeline.
    ///
    /// # Panics
    /// If the graph is unsound; in a `static` that is a compile error.
    #[must_use]
    pub const fn new(name: &'static str, version: i32, lane: Lane, stages: &'static [StageShape]) -> Self {
        assert!(!stages.is_empty() && stages.len() <= MAX_STAGES, "a pipeline has 1 to 62 stages");
        let deps = graph::direct(stages);
        graph::check_names(stages);
        graph::check_one_last(stages.len(), &deps);
        graph::check_streaming_alone(stages, &deps);
        Self { name, version, lane, stages, fields: &[], deps }
    }

    /// Its answer is structured: readers get the text of these members, each by its name. What isn't text to read
    /// (the names of merge fields) is not among them.
    #[must_use]
    pub const fn tells(mut self, fields: &'static [&'static str]) -> Self {
        self.fields = fields;
        self
    }

    /// The bits of the stages that stage `n` needs.
    #[must_use]
    pub fn deps(&self, n: usize) -> u64 {
        self.deps.get(n).copied().unwrap_or(u64::MAX)
    }

    /// The stages that need nothing, as bits.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.successors(0, 0)
    }

    /// The stages that may run now and have no step yet, as bits.
    #[must_use]
    pub fn successors(&self, done: u64, made: u64) -> u64 {
        (0..self.stages.len())
            .filter(|&n| self.deps(n) & done == self.deps(n) && made & (1 << n) == 0)
            .fold(0, |bits, n| bits | 1 << n)
    }

    /// All stages, as bits.
    #[must_use]
    pub fn all(&self) -> u64 {
        (1 << self.stages.len()) - 1
    }

    /// The place of a stage.
    #[must_use]
    pub fn stage(&self, name: &str) -> Option<usize> {
        self.stages.iter().position(|stage| stage.name == name)
    }

    /// `chat@1`.
    #[must_use]
    pub fn topology(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    /// `chat@1/llm`: what a step is, and what a worker says that it knows.
    #[must_use]
    pub fn kind(&self, stage: &StageShape) -> String {
        format!("{}@{}/{}", self.name, self.version, stage.name)
    }
}

/// A pipeline of the product by name and version.
#[must_use]
pub fn find(name: &str, version: i32) -> Option<&'static Pipeline> {
    ALL.iter().copied().find(|pipeline| pipeline.name == name && pipeline.version == version)
}

/// The stage's name in a step's kind.
#[must_use]
pub fn stage_of_kind(kind: &str) -> &str {
    kind.rsplit_once('/').map_or(kind, |(_, stage)| stage)
}

#[cfg(test)]
mod tests {
    use super::*;

    static DIAMOND: Pipeline = Pipeline::new(
        "diamond",
        1,
        Lane::Standard,
        &[enrich("a"), transform("b").needs(&["a"]), transform("c").needs(&["a"]), work("d").needs(&["b", "c"])],
    );

    #[test]
    fn a_stage_follows_when_all_that_it_needs_is_done() {
        assert_eq!(DIAMOND.first(), 0b0001);
        assert_eq!(DIAMOND.successors(0b0001, 0b0001), 0b0110);
        assert_eq!(DIAMOND.successors(0b0011, 0b0111), 0);
        assert_eq!(DIAMOND.successors(0b0111, 0b0111), 0b1000);
    }

    #[test]
    fn an_unsound_graph_is_refused() {
        for stages in [
            &[transform("b").needs(&["a"]), enrich("a")][..],
            &[enrich("a"), enrich("b")],
            &[enrich("a"), enrich("a").needs(&["a"])],
            &[transform("a").streams(), enrich("b"), work("c").needs(&["a", "b"])],
        ] {
            let stages: &'static [StageShape] = Vec::leak(stages.to_vec());
            assert!(std::panic::catch_unwind(|| Pipeline::new("bad", 1, Lane::Standard, stages)).is_err());
        }
    }
}
