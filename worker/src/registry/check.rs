//! What a registry is refused for.

use std::collections::HashSet;

use hellosales_core::pipeline::{Pipeline, StageKind};
use hellosales_core::run::Lane;

use super::Stages;

/// One thing in which graph and code differ.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A pipeline of this name and version stands there twice.
    #[error("{0} is registered twice")]
    Twice(String),
    /// The graph has a stage that nobody wrote.
    #[error("{0}: stage {1} has no code")]
    NoCode(String, &'static str),
    /// Code for a stage that the graph does not have.
    #[error("{0}: there is code for {1}, which the graph does not have")]
    NoPlace(String, &'static str),
    /// Two codes for one stage.
    #[error("{0}: stage {1} has code twice")]
    CodeTwice(String, &'static str),
    /// Code that takes another pipeline's input.
    #[error("{0}: stage {1} takes the input of {2}")]
    OtherInput(String, &'static str, &'static str),
    /// It reads what the graph does not promise to be done.
    #[error("{0}: stage {1} reads {2}, which the graph does not say that it needs")]
    UnknownNeed(String, &'static str, &'static str),
    /// Two stages of a turn with effects could run side by side.
    #[error("{0}: {1} and {2} have effects and would run side by side")]
    EffectsBeside(String, &'static str, &'static str),
}

/// A worker with this registry would not do what its graphs say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryError {
    /// All of it.
    pub faults: Vec<Fault>,
}

impl std::fmt::Display for RegistryError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the registry does not fit its graphs: ")?;
        for (n, fault) in self.faults.iter().enumerate() {
            write!(f, "{}{fault}", if n == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl std::error::Error for RegistryError {}

pub(super) fn pipelines(all: &[(&'static Pipeline, Stages)]) -> Vec<Fault> {
    let mut seen = HashSet::new();
    all.iter()
        .map(|(graph, _)| graph.topology())
        .filter(|topology| !seen.insert(topology.clone()))
        .map(Fault::Twice)
        .collect()
}

pub(super) fn pipeline((graph, stages): &(&'static Pipeline, Stages)) -> Vec<Fault> {
    let mut faults = Vec::new();
    for shape in graph.stages {
        match stages.list.iter().filter(|stage| stage.name() == shape.name).count() {
            0 => faults.push(Fault::NoCode(graph.topology(), shape.name)),
            1 => {}
            _ => faults.push(Fault::CodeTwice(graph.topology(), shape.name)),
        }
    }
    for stage in &stages.list {
        let Some(shape) = graph.stages.iter().find(|shape| shape.name == stage.name()) else {
            faults.push(Fault::NoPlace(graph.topology(), stage.name()));
            continue;
        };
        if stage.input_of() != graph.name {
            faults.push(Fault::OtherInput(graph.topology(), stage.name(), stage.input_of()));
        }
        let unknown = stage.needs().into_iter().map(|(need, _)| need).filter(|need| !shape.needs.contains(need));
        faults.extend(unknown.map(|need| Fault::UnknownNeed(graph.topology(), stage.name(), need)));
    }
    faults.extend(effects_beside(graph));
    faults
}

/// In a pipeline with turns no stage with effects runs beside another: their settlements would wait for one
/// session's lock.
fn effects_beside(graph: &'static Pipeline) -> Vec<Fault> {
    if graph.lane != Lane::Interactive {
        return Vec::new();
    }
    let works: Vec<usize> = (0..graph.stages.len()).filter(|&n| is_work(graph, n)).collect();
    let mut faults = Vec::new();
    for (place, &b) in works.iter().enumerate() {
        for &a in works.iter().take(place).filter(|&&a| before(graph, b) & (1 << a) == 0) {
            if let (Some(a), Some(b)) = (graph.stages.get(a), graph.stages.get(b)) {
                faults.push(Fault::EffectsBeside(graph.topology(), a.name, b.name));
            }
        }
    }
    faults
}

fn is_work(graph: &Pipeline, n: usize) -> bool {
    graph.stages.get(n).is_some_and(|shape| shape.kind == StageKind::Work)
}

/// Every stage that is done before `n`, as bits. Needs stand before their stage, so one pass backwards is enough.
fn before(graph: &Pipeline, n: usize) -> u64 {
    (0..n).rev().fold(graph.deps(n), |bits, k| if bits & (1 << k) == 0 { bits } else { bits | graph.deps(k) })
}

#[cfg(test)]
mod tests;
