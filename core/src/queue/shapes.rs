//! Shapes: which steps a worker may ask for.

use std::collections::HashMap;

use crate::pipeline::{Pipeline, StageShape};

/// The stages that a worker has code for.
#[derive(Debug, Clone, Default)]
pub struct Shapes {
    by_kind: HashMap<String, (&'static Pipeline, usize)>,
}

impl Shapes {
    /// All stages of these pipelines.
    #[must_use]
    pub fn new(pipelines: &[&'static Pipeline]) -> Self {
        let by_kind = pipelines
            .iter()
            .flat_map(|&pipeline| {
                pipeline.stages.iter().enumerate().map(move |(n, stage)| (pipeline.kind(stage), (pipeline, n)))
            })
            .collect();
        Self { by_kind }
    }

    /// The kinds, as a claim asks for them.
    #[must_use]
    pub fn kinds(&self) -> Vec<String> {
        let mut kinds: Vec<String> = self.by_kind.keys().cloned().collect();
        kinds.sort_unstable();
        kinds
    }

    /// The first stages that call nothing outside the database, as a claim asks for them.
    #[must_use]
    pub fn inline_first_kinds(&self) -> Vec<String> {
        let kinds = self.by_kind.iter().filter(|(_, (pipeline, n))| {
            pipeline.first() & (1 << n) != 0 && pipeline.stages.get(*n).is_some_and(StageShape::is_inline)
        });
        let mut kinds: Vec<String> = kinds.map(|(kind, _)| kind.clone()).collect();
        kinds.sort_unstable();
        kinds
    }

    pub(super) fn find(&self, kind: &str) -> Option<(&'static Pipeline, usize, &'static StageShape)> {
        let &(pipeline, n) = self.by_kind.get(kind)?;
        Some((pipeline, n, pipeline.stages.get(n)?))
    }
}
