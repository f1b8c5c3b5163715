//! The code of every pipeline, held against its graph before a worker starts.

mod check;
mod erase;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use hellosales_core::pipeline::Pipeline;
use hellosales_core::queue::{ClaimedStep, Shapes};

pub use check::{Fault, RegistryError};
pub use erase::{ErasedStage, Executed, Work};

use crate::stage::Stage;

/// The code of one pipeline's stages.
#[derive(Default, Clone)]
pub struct Stages {
    list: Vec<Arc<dyn ErasedStage>>,
}

impl Stages {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// And this one.
    #[must_use]
    pub fn with<S: Stage>(mut self, stage: S) -> Self {
        self.list.push(erase::erase(stage));
        self
    }
}

/// What this process has code for.
#[derive(Default, Clone)]
pub struct Registry {
    pipelines: Vec<(&'static Pipeline, Stages)>,
}

impl Registry {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// And this pipeline. Versions of one are pipelines of their own.
    #[must_use]
    pub fn pipeline(mut self, graph: &'static Pipeline, stages: Stages) -> Self {
        self.pipelines.push((graph, stages));
        self
    }

    /// Holds the graphs against the code.
    ///
    /// # Errors
    /// With every fault, if there is one.
    pub fn check(self) -> Result<CheckedRegistry, RegistryError> {
        let faults: Vec<Fault> = check::pipelines(&self.pipelines)
            .into_iter()
            .chain(self.pipelines.iter().flat_map(check::pipeline))
            .collect();
        if !faults.is_empty() {
            return Err(RegistryError { faults });
        }
        let mut stages = HashMap::new();
        let mut never_skip = HashSet::new();
        for (graph, code) in &self.pipelines {
            let key = |n: usize| (graph.name, graph.version, n);
            for stage in &code.list {
                let Some(n) = graph.stage(stage.name()) else { continue };
                stages.insert(key(n), Arc::clone(stage));
                let needed = stage.needs().into_iter().filter(|(_, optional)| !optional);
                never_skip.extend(needed.filter_map(|(name, _)| graph.stage(name)).map(key));
            }
        }
        let pipelines = self.pipelines.iter().map(|(graph, _)| *graph).collect();
        Ok(CheckedRegistry { pipelines, stages, never_skip })
    }
}

type Key = (&'static str, i32, usize);

/// A registry whose graphs and code agree.
#[derive(Clone)]
pub struct CheckedRegistry {
    pipelines: Vec<&'static Pipeline>,
    stages: HashMap<Key, Arc<dyn ErasedStage>>,
    never_skip: HashSet<Key>,
}

impl CheckedRegistry {
    /// Its graphs.
    #[must_use]
    pub fn pipelines(&self) -> &[&'static Pipeline] {
        &self.pipelines
    }

    /// What its steps are called in the queue.
    #[must_use]
    pub fn shapes(&self) -> Shapes {
        Shapes::new(&self.pipelines)
    }

    /// The code of a stage.
    #[must_use]
    pub fn stage(&self, graph: &Pipeline, n: usize) -> Option<&Arc<dyn ErasedStage>> {
        self.stages.get(&(graph.name, graph.version, n))
    }

    /// The code of a step.
    #[must_use]
    pub fn of(&self, step: &ClaimedStep) -> Option<&Arc<dyn ErasedStage>> {
        self.stage(step.pipeline(), step.stage())
    }

    /// Whether a stage that skips would leave one that reads it without what it needs. Whether code skips
    /// can't be seen before it does: such a skip fails the run.
    #[must_use]
    pub fn may_skip(&self, graph: &Pipeline, n: usize) -> bool {
        !self.never_skip.contains(&(graph.name, graph.version, n))
    }
}

impl std::fmt::Debug for Stages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.list.iter().map(|stage| stage.name())).finish()
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.pipelines.iter().map(|(graph, stages)| (graph.topology(), stages))).finish()
    }
}

impl std::fmt::Debug for CheckedRegistry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.pipelines.iter().map(|graph| graph.topology())).finish()
    }
}
