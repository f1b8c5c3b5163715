//! All rules of one direction, compiled into one table of states over folded bytes.

use std::collections::HashMap;

use regex_automata::nfa::thompson::{BuildError, Compiler, Config, NFA, State as NfaState, WhichCaptures};
use regex_automata::util::primitives::StateID;
use regex_syntax::hir::Hir;

use super::fold::Place;

/// Bytes one rule may take while it is compiled.
const NFA_BYTES_MAX: usize = 1 << 20;
const FOLDED_BYTES: usize = 128;

/// Where one step may lead, with every empty transition already taken.
#[derive(Clone, Debug, Default)]
pub(super) struct Closure {
    /// States that wait for a byte.
    pub(super) states: Vec<u32>,
    /// The rule that is matched here.
    pub(super) matched: Option<usize>,
}

/// Byte ranges, ordered, and the closure each leads to.
#[derive(Clone, Debug)]
struct State(Vec<(u8, u8, u32)>);

/// The compiled rules.
#[derive(Clone, Debug)]
pub(super) struct Automaton {
    states: Vec<State>,
    closures: Vec<Closure>,
    /// By place (inside a word, at a word, at a line), then by byte.
    begins: [Vec<Vec<u32>>; 3],
}

impl Automaton {
    pub(super) fn new() -> Self {
        let begins = || vec![Vec::new(); FOLDED_BYTES];
        Self { states: Vec::new(), closures: Vec::new(), begins: [begins(), begins(), begins()] }
    }

    /// Adds a rule whose matches start at `from` or a stricter place.
    pub(super) fn add(&mut self, rule: usize, hir: &Hir, from: Place) -> Result<(), Box<BuildError>> {
        let config = Config::new().utf8(false).which_captures(WhichCaptures::None).nfa_size_limit(Some(NFA_BYTES_MAX));
        let nfa = Compiler::new().configure(config).build_from_hir(hir).map_err(Box::new)?;
        let start = Adding { automaton: self, nfa: &nfa, rule, closures: HashMap::new(), states: HashMap::new() }.add();
        let first = self.closure(start).cloned().unwrap_or_default();
        for (place, begins) in [Place::Inside, Place::Word, Place::Line].into_iter().zip(&mut self.begins) {
            if place < from {
                continue;
            }
            for (byte, targets) in (0u8..).zip(begins) {
                for state in &first.states {
                    targets.extend(self.states.get(*state as usize).and_then(|state| state.step(byte)));
                }
            }
        }
        Ok(())
    }

    /// The number of states; it bounds the work for one byte.
    pub(super) fn len(&self) -> usize {
        self.states.len()
    }

    pub(super) fn closure(&self, id: u32) -> Option<&Closure> {
        self.closures.get(id as usize)
    }

    /// Where `state` goes with `byte`; None is the end of this thread.
    pub(super) fn step(&self, state: u32, byte: u8) -> Option<u32> {
        self.states.get(state as usize)?.step(byte)
    }

    /// Where the rules that may start at `place` go with their first byte.
    pub(super) fn begin(&self, byte: u8, place: Place) -> &[u32] {
        let [inside, word, line] = &self.begins;
        let begins = match place {
            Place::Inside => inside,
            Place::Word => word,
            Place::Line => line,
        };
        begins.get(usize::from(byte)).map_or(&[], Vec::as_slice)
    }
}

impl State {
    fn step(&self, byte: u8) -> Option<u32> {
        self.0.iter().find(|(low, high, _)| (*low..=*high).contains(&byte)).map(|(_, _, target)| *target)
    }
}

/// One rule on its way into the table.
struct Adding<'a> {
    automaton: &'a mut Automaton,
    nfa: &'a NFA,
    rule: usize,
    closures: HashMap<StateID, u32>,
    states: HashMap<StateID, u32>,
}

impl Adding<'_> {
    /// Walks all states from the start; the answer is the closure of the start.
    fn add(mut self) -> u32 {
        let mut todo = Vec::new();
        let start = self.closure(self.nfa.start_anchored(), &mut todo);
        while let Some(id) = todo.pop() {
            let ranges: Vec<_> = match self.nfa.state(id) {
                NfaState::ByteRange { trans } => vec![(trans.start, trans.end, trans.next)],
                NfaState::Sparse(sparse) => sparse.transitions.iter().map(|t| (t.start, t.end, t.next)).collect(),
                NfaState::Dense(dense) => {
                    (0u8..=u8::MAX).filter_map(|byte| Some((byte, byte, dense.matches_byte(byte)?))).collect()
                }
                _ => Vec::new(),
            };
            let ranges =
                ranges.into_iter().map(|(low, high, next)| (low, high, self.closure(next, &mut todo))).collect();
            if let Some(state) = self.states.get(&id).and_then(|at| self.automaton.states.get_mut(*at as usize)) {
                *state = State(ranges);
            }
        }
        start
    }

    fn closure(&mut self, from: StateID, todo: &mut Vec<StateID>) -> u32 {
        if let Some(known) = self.closures.get(&from) {
            return *known;
        }
        let mut closure = Closure::default();
        let mut seen = Vec::new();
        let mut stack = vec![from];
        while let Some(id) = stack.pop() {
            if seen.contains(&id) {
                continue;
            }
            seen.push(id);
            match self.nfa.state(id) {
                NfaState::Union { alternates } => stack.extend(alternates.iter()),
                NfaState::BinaryUnion { alt1, alt2 } => stack.extend([*alt1, *alt2]),
                NfaState::Capture { next, .. } => stack.push(*next),
                NfaState::Match { .. } => closure.matched = Some(self.rule),
                // Look-around is refused before: nothing follows such a state.
                NfaState::Fail | NfaState::Look { .. } => {}
                NfaState::ByteRange { .. } | NfaState::Sparse(_) | NfaState::Dense(_) => {
                    closure.states.push(self.state(id, todo));
                }
            }
        }
        let id = u32::try_from(self.automaton.closures.len()).unwrap_or(u32::MAX);
        self.automaton.closures.push(closure);
        self.closures.insert(from, id);
        id
    }

    fn state(&mut self, id: StateID, todo: &mut Vec<StateID>) -> u32 {
        if let Some(known) = self.states.get(&id) {
            return *known;
        }
        let at = u32::try_from(self.automaton.states.len()).unwrap_or(u32::MAX);
        self.automaton.states.push(State(Vec::new()));
        self.states.insert(id, at);
        todo.push(id);
        at
    }
}
