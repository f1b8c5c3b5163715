//! The checks, in `const`: they run in the compiler.
#![expect(clippy::indexing_slicing, reason = "no iterator works in const; a bad index is a compile error")]

use super::{MAX_STAGES, StageShape};

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

pub(super) const fn check_names(stages: &[StageShape]) {
    let mut n = 0;
    while n < stages.len() {
        let mut before = 0;
        while before < n {
            assert!(!same(stages[n].name, stages[before].name), "two stages have the same name");
            before += 1;
        }
        n += 1;
    }
}

/// A need must stand before its stage: so an unknown one and a cycle are one error.
pub(super) const fn direct(stages: &[StageShape]) -> [u64; MAX_STAGES] {
    let mut deps = [0; MAX_STAGES];
    let mut n = 0;
    while n < stages.len() {
        let mut k = 0;
        while k < stages[n].needs.len() {
            let mut found = false;
            let mut before = 0;
            while before < n {
                if same(stages[before].name, stages[n].needs[k]) {
                    deps[n] |= 1 << before;
                    found = true;
                }
                before += 1;
            }
            assert!(found, "a stage needs one that doesn't stand before it");
            k += 1;
        }
        n += 1;
    }
    deps
}

/// One last stage: then its end is the run's, and every other stage lies before it.
pub(super) const fn check_one_last(count: usize, deps: &[u64; MAX_STAGES]) {
    let mut needed = 0;
    let mut n = 0;
    while n < count {
        needed |= deps[n];
        n += 1;
    }
    assert!(needed == (1 << (count - 1)) - 1, "exactly one stage, the last in the list, is needed by none");
}

/// While a streaming stage runs nothing else of its run does, so that no event overtakes a token.
pub(super) const fn check_streaming_alone(stages: &[StageShape], deps: &[u64; MAX_STAGES]) {
    let mut reach = [0; MAX_STAGES];
    let mut n = 0;
    while n < stages.len() {
        reach[n] = deps[n];
        let mut before = 0;
        while before < n {
            if deps[n] & (1 << before) != 0 {
                reach[n] |= reach[before];
            }
            before += 1;
        }
        n += 1;
    }
    let mut s = 0;
    while s < stages.len() {
        let mut other = 0;
        while stages[s].streams && other < stages.len() {
            let ordered = other == s || reach[s] & (1 << other) != 0 || reach[other] & (1 << s) != 0;
            assert!(ordered, "a stage would run beside a streaming one");
            other += 1;
        }
        s += 1;
    }
}
