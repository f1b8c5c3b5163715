//! What the window promises: a stream and a whole text are judged alike, however the stream is cut.

use proptest::prelude::*;

use super::*;

/// Streams a text; the answer is what left, and where it was stopped.
fn stream<'a>(guard: &Guard, pieces: impl Iterator<Item = &'a str>) -> (String, Option<Finding>) {
    let mut window = OutputWindow::new(guard);
    let bound = guard.rules().window_chars();
    let mut left = String::new();
    for piece in pieces {
        match window.push(piece) {
            Release::Text(text) => left.push_str(&text),
            Release::Blocked { finding, safe } => {
                left.push_str(&safe);
                assert_eq!(window.push("more"), Release::Text(String::new()));
                assert_eq!(window.finish(), Release::Text(String::new()));
                return (left, Some(finding));
            }
        }
        assert!(window.held().chars().count() <= bound, "held {} of {bound}", window.held().len());
    }
    match window.finish() {
        Release::Text(text) => (left + &text, None),
        Release::Blocked { finding, safe } => (left + &safe, Some(finding)),
    }
}

/// The promise of the window, for one text and one way of cutting it.
pub(super) fn assert_same<'a>(guard: &Guard, text: &str, pieces: impl Iterator<Item = &'a str>) {
    let (left, finding) = stream(guard, pieces);
    match guard.check_output(text) {
        Verdict::Pass => assert_eq!((left.as_str(), finding), (text, None)),
        Verdict::Block(expected) => {
            assert_eq!(left.as_str(), text.get(..expected.start).unwrap());
            assert_eq!(finding, Some(expected));
        }
    }
}

pub(super) fn chars(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(|_: char| true)
}

#[test]
fn the_leftmost_match_is_named_though_another_ends_first() {
    let rules = Rules::parse(&small_rules("abc.{5}z", "cd")).unwrap();
    let guard = Guard::from_rules(rules, true);
    for (text, start) in [("__abcd....z", 2), ("__abcd....y", 4), ("__abcd", 4), ("__abcd....", 4)] {
        assert_eq!(guard.check_output(text).finding().unwrap().start, start, "{text}");
        assert_same(&guard, text, chars(text));
    }
}

#[test]
fn merge_fields_survive_and_stream() {
    let guard = strict();
    for field in [
        "{{first_name}}",
        "{{company.name}}",
        "<First Name>",
        "[Company]",
        "{{ deal.value | currency }}",
        "%FIRSTNAME%",
        "<<Product>>",
        "[[Meeting Link]]",
        "*|FNAME|*",
    ] {
        let text = format!("Hi {field}, how is {field}?\n{field}");
        assert_eq!(guard.check_input(&text), Verdict::Pass, "{text}");
        assert_same(&guard, &text, chars(&text));
    }
}

#[test]
fn ordinary_text_is_hardly_held() {
    let guard = guard();
    let (mut held, mut steps) = (0, 0);
    for text in corpus(GOOD_ANSWERS).into_iter().chain(corpus(SALES)) {
        let mut window = OutputWindow::new(&guard);
        for piece in chars(&text) {
            assert!(matches!(window.push(piece), Release::Text(_)));
            held += window.held().chars().count();
            steps += 1;
        }
    }
    assert!(held < steps * 2, "{held} characters held over {steps} steps");
}

#[test]
fn a_long_answer_costs_the_same_for_each_character() {
    let guard = strict();
    let bound = guard.rules().window_chars();
    for unit in ["ignore all of the ", "<a \u{200b}", "a\u{301}\u{200b} ", "eyj", "Our plan fits your team. "] {
        let text = unit.repeat(65_536 / unit.len());
        let mut window = OutputWindow::new(&guard);
        let mut most = 0;
        for piece in chars(&text) {
            assert!(matches!(window.push(piece), Release::Text(_)), "{unit}");
            assert!(window.held().chars().count() <= bound);
            most = most.max(window.threads());
        }
        assert!(most < 2_000, "{most} threads for {unit:?}");
    }
}

#[test]
fn corpora_stream_alike_one_character_at_a_time() {
    for guard in [guard(), strict()] {
        for text in [ATTACKS, SALES, BAD_ANSWERS, GOOD_ANSWERS].into_iter().flat_map(corpus) {
            assert_same(&guard, &text, chars(&text));
            let framed = format!("Sure, ünd so: {text} — that's it. 👍");
            assert_same(&guard, &framed, chars(&framed));
        }
    }
}

fn fragments() -> impl Strategy<Value = String> {
    let bits: Vec<String> = corpus(ATTACKS).into_iter().chain(corpus(BAD_ANSWERS)).chain(corpus(SALES)).collect();
    let cut = (prop::sample::select(bits), any::<prop::sample::Index>(), any::<prop::sample::Index>()).prop_map(
        |(text, a, b)| {
            let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let (a, b) = (a.index(ends.len()), b.index(ends.len()));
            text.get(ends[a.min(b)]..ends[a.max(b)]).unwrap().to_owned()
        },
    );
    let words = prop::sample::select(vec![
        "ignore",
        " all",
        " previous",
        " instructions",
        "<",
        "<scr",
        "ipt>",
        "![",
        "](",
        "//",
        "sk-",
        "eyJ",
        "\u{200b}",
        "é",
        "👍",
        "\n",
        " ",
        "　",
        "i\u{301}",
        "İ",
        "ﷺ",
        "{{x}}",
        "system",
        "###",
    ]);
    prop_oneof![3 => cut, 4 => words.prop_map(str::to_owned), 1 => any::<char>().prop_map(String::from), 1 => "\u{200b}{1,200}", 1 => " {1,100}"]
}

/// Cuts a text at the given places.
fn pieces<'a>(text: &'a str, cuts: &[prop::sample::Index]) -> Vec<&'a str> {
    let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let mut places: Vec<usize> = cuts.iter().map(|cut| ends[cut.index(ends.len())]).chain([0, text.len()]).collect();
    places.sort_unstable();
    places.windows(2).map(|pair| text.get(pair[0]..pair[1]).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_window_lets_through_what_the_guard_passes(
        parts in prop::collection::vec(fragments(), 0..12),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let text = parts.concat();
        for guard in GUARDS.iter() {
            assert_same(guard, &text, pieces(&text, &cuts).into_iter());
            assert_same(guard, &text, chars(&text));
            assert_same(guard, &text, std::iter::once(text.as_str()));
        }
    }

    /// Another engine names the same first byte, rule by rule.
    #[test]
    fn the_search_agrees_with_a_regex_engine(text in "[abcde]{0,40}") {
        let patterns = ["a(b|cd){1,4}e", "dc.{0,3}bb[^a]"];
        let guard = Guard::from_rules(Rules::parse(&small_rules(patterns[0], patterns[1])).unwrap(), true);
        let ended = format!("{text}!");
        let starts = patterns.map(|pattern| regex::Regex::new(pattern).unwrap().find(&ended).map(|found| found.start()));
        let first = starts.into_iter().flatten().min();
        assert_eq!(guard.check_output(&text).finding().map(|finding| finding.start), first);
        assert_same(&guard, &text, chars(&text));
    }
}

static GUARDS: std::sync::LazyLock<[Guard; 2]> = std::sync::LazyLock::new(|| [guard(), strict()]);
