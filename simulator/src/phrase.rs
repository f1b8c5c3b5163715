//! A fact in the midst of a sentence: a noun phrase fits as it is, a clause is quoted.

/// Where one of these follows the first word, something is being said of it.
const VERBS: [&str; 34] = [
    "is", "are", "was", "were", "has", "have", "had", "can", "can't", "cannot", "could", "will", "won't", "must",
    "should", "would", "do", "don't", "does", "doesn't", "isn't", "aren't", "take", "takes", "get", "gets", "come",
    "comes", "lose", "loses", "spend", "spends", "want", "wants",
];
/// What begins with one of these says what somebody does, or is to do.
const STARTS: [&str; 58] = [
    "i", "we", "they", "he", "she", "it", "you", "there", "nobody", "everyone", "to", "plan", "reduce", "increase",
    "grow", "cut", "keep", "win", "get", "make", "find", "hire", "open", "save", "improve", "build", "lower", "raise",
    "answer", "reach", "stop", "start", "be", "become", "double", "halve", "move", "replace", "know", "see", "give",
    "help", "avoid", "expand", "launch", "automate", "shorten", "speed", "close", "sell", "serve", "bring", "have",
    "want", "need", "spend", "use", "write",
];

/// The fact as part of a sentence. Its words stay as the prompt has them.
pub(crate) fn fitted(fact: &str) -> String {
    if is_clause(fact) { format!("“{}”", fact.trim_end_matches(['.', '!'])) } else { fact.to_owned() }
}

fn is_clause(fact: &str) -> bool {
    let mut words = fact
        .split_whitespace()
        .map(|word| word.trim_matches(|c: char| !(c.is_alphanumeric() || c == '\'')).replace('’', "'").to_lowercase());
    let Some(first) = words.next() else { return false };
    let rest: Vec<String> = words.collect();
    // "plan" alone, and "open questions", are things.
    let begins = STARTS.contains(&first.as_str()) && rest.len() > 1;
    begins || rest.iter().any(|word| VERBS.contains(&word.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clause_is_quoted_and_a_noun_phrase_is_not() {
        for clause in [
            "Visits are planned on paper",
            "they lose tickets",
            "Nobody knows who answers",
            "Plan all visits by spring",
            "reduce churn by half",
            "Answers take too long.",
        ] {
            assert_eq!(fitted(clause), format!("“{}”", clause.trim_end_matches('.')));
        }
        for noun in ["slow answers", "lost tickets", "instant alerts", "open questions", "calm", "the audit trail", ""]
        {
            assert_eq!(fitted(noun), noun);
        }
    }
}
