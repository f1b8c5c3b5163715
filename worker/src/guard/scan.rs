//! The search: all rules at once, a character at a time, and at any moment what may yet match.
//!
//! A thread is a place in a rule and the character where it began. Dead threads vanish at once,
//! so the earliest thread is the earliest text that could still turn into a match.

use std::sync::Arc;

use super::automaton::Automaton;
use super::fold::{END, Fold, Place};

/// A match: its rule, and its bytes in the original text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Match {
    pub(super) rule: usize,
    pub(super) start: usize,
    pub(super) end: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Thread {
    state: u32,
    start: usize,
}

/// One search over one text; the same for any way of cutting the text into pieces.
#[derive(Clone, Debug)]
pub(super) struct Scan {
    automaton: Arc<Automaton>,
    fold: Fold,
    threads: Vec<Thread>,
    next: Vec<Thread>,
    best: Option<Match>,
    offset: usize,
    noise: Noise,
}

impl Scan {
    /// `noise_chars` is how many characters that show nothing a match may hold beyond one for
    /// each that does; None is any number (and then nothing bounds what is held).
    pub(super) fn new(automaton: Arc<Automaton>, noise_chars: Option<u32>) -> Self {
        Self {
            automaton,
            fold: Fold::new(),
            threads: Vec::new(),
            next: Vec::new(),
            best: None,
            offset: 0,
            noise: Noise { left: noise_chars.unwrap_or(0), limit: noise_chars },
        }
    }

    /// Reads one character.
    pub(super) fn push(&mut self, c: char) {
        let start = self.offset;
        self.offset = start.saturating_add(c.len_utf8());
        let folded = self.fold.push(c);
        if folded.is_empty() {
            if self.noise.spent() {
                self.threads.clear();
            }
            return;
        }
        self.noise.earned();
        for &(byte, place) in folded {
            step(
                &self.automaton,
                &mut self.threads,
                &mut self.next,
                &mut self.best,
                Input { byte, place, start, end: self.offset },
            );
        }
    }

    /// The text is over: a character of its own, so a rule may ask for the end of a word.
    pub(super) fn finish(&mut self) {
        let end = Input { byte: END, place: Place::Word, start: self.offset, end: self.offset };
        step(&self.automaton, &mut self.threads, &mut self.next, &mut self.best, end);
        self.threads.clear();
    }

    #[cfg(test)]
    pub(super) fn threads(&self) -> usize {
        self.threads.len()
    }

    /// The leftmost match, once nothing that began before it can still match.
    pub(super) fn decided(&self) -> Option<Match> {
        self.best.filter(|_| self.threads.is_empty())
    }

    /// The byte from which on text may still be part of a match; before it all is clear.
    pub(super) fn clear_until(&self) -> usize {
        let thread = self.threads.iter().map(|thread| thread.start).min();
        let found = self.best.map(|found| found.start);
        thread.into_iter().chain(found).min().unwrap_or(self.offset)
    }
}

/// The first match in a whole text.
pub(super) fn find(automaton: &Arc<Automaton>, noise_chars: Option<u32>, text: &str) -> Option<Match> {
    let mut scan = Scan::new(Arc::clone(automaton), noise_chars);
    for c in text.chars() {
        scan.push(c);
        if let Some(found) = scan.decided() {
            return Some(found);
        }
    }
    scan.finish();
    scan.decided()
}

#[derive(Clone, Copy)]
struct Input {
    byte: u8,
    place: Place,
    start: usize,
    end: usize,
}

fn step(
    automaton: &Automaton,
    threads: &mut Vec<Thread>,
    next: &mut Vec<Thread>,
    best: &mut Option<Match>,
    input: Input,
) {
    next.clear();
    let mut reach = |target: u32, start: usize, best: &mut Option<Match>| {
        let Some(closure) = automaton.closure(target) else {
            return;
        };
        if let Some(rule) = closure.matched {
            let found = Match { rule, start, end: input.end };
            if best.is_none_or(|best| (found.start, found.end, found.rule) < (best.start, best.end, best.rule)) {
                *best = Some(found);
            }
        }
        next.extend(closure.states.iter().map(|&state| Thread { state, start }));
    };
    for thread in threads.iter() {
        if let Some(target) = automaton.step(thread.state, input.byte) {
            reach(target, thread.start, best);
        }
    }
    // Once something matched, nothing that begins later can be the leftmost match.
    if best.is_none_or(|best| best.start == input.start) {
        for &target in automaton.begin(input.byte, input.place) {
            reach(target, input.start, best);
        }
    }
    std::mem::swap(threads, next);
    if let Some(best) = *best {
        threads.retain(|thread| thread.start < best.start);
    }
    // Two threads at the same place have the same future: the one that began first speaks for both.
    threads.sort_unstable();
    threads.dedup_by_key(|thread| thread.state);
}

/// A budget for characters that show nothing. Without it "a" and a million joiners would all be
/// held back as the beginning of some rule.
#[derive(Clone, Debug)]
struct Noise {
    left: u32,
    limit: Option<u32>,
}

impl Noise {
    /// Counts one such character; true if that was one too many.
    fn spent(&mut self) -> bool {
        let broke = self.limit.is_some() && self.left == 0;
        self.left = self.left.saturating_sub(1);
        broke
    }

    fn earned(&mut self) {
        if let Some(limit) = self.limit {
            self.left = self.left.saturating_add(1).min(limit);
        }
    }
}
