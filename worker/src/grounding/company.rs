//! A company by its name, however its legal form is written.

use super::word;

/// Forms that a name may end in, folded and without points; and what joins them.
const FORMS: [&str; 52] = [
    "inc",
    "incorporated",
    "corp",
    "corporation",
    "co",
    "company",
    "ltd",
    "limited",
    "llc",
    "llp",
    "lp",
    "plc",
    "pllc",
    "gmbh",
    "mbh",
    "ag",
    "kg",
    "kgaa",
    "ohg",
    "gbr",
    "ug",
    "ev",
    "eg",
    "se",
    "sa",
    "sas",
    "sasu",
    "sarl",
    "eurl",
    "snc",
    "srl",
    "spa",
    "sl",
    "slu",
    "sc",
    "scs",
    "bv",
    "nv",
    "vof",
    "ab",
    "as",
    "asa",
    "aps",
    "oy",
    "oyj",
    "pty",
    "pte",
    "kk",
    "lda",
    "ltda",
    "and",
    "und",
];
/// How forms are written after a name.
const ENDINGS: [&str; 44] = [
    "",
    " inc",
    " inc.",
    ", inc.",
    ", inc",
    " incorporated",
    " corp",
    " corp.",
    ", corp.",
    " corporation",
    " co",
    " co.",
    " company",
    " ltd",
    " ltd.",
    ", ltd.",
    ", ltd",
    " limited",
    " llc",
    ", llc",
    " l.l.c.",
    " llp",
    " plc",
    " gmbh",
    " gmbh & co. kg",
    " gmbh & co kg",
    " ag",
    " kg",
    " se",
    " sa",
    " s.a.",
    " sas",
    " s.a.s.",
    " sarl",
    " s.à r.l.",
    " srl",
    " s.r.l.",
    " s.p.a.",
    " spa",
    " sl",
    " s.l.",
    " bv",
    " b.v.",
    " ab",
];

/// What two spellings of one company have in common: its words in lower case, its legal form cut off.
#[must_use]
pub fn key(name: &str) -> String {
    // "S.A." is one form of three letters' worth, not two words.
    let dotless: String = name.chars().filter(|c| *c != '.').collect();
    let words: Vec<String> = word::split(&dotless).map(word::fold).filter(|word| !word.is_empty()).collect();
    let mut end = words.len();
    while end > 1 && words.get(end - 1).is_some_and(|word| is_form(word)) {
        end -= 1;
    }
    words.get(..end).unwrap_or_default().join(" ")
}

/// Whether a folded word says what form a company has.
pub(super) fn is_form(word: &str) -> bool {
    FORMS.contains(&word)
}

/// How the company may be written elsewhere, in lower case: to find its rows by an index. Names in which more than the legal
/// form differs are not found.
#[must_use]
pub fn spellings(name: &str) -> Vec<String> {
    let lower = name.trim().to_lowercase();
    if lower.is_empty() {
        return Vec::new();
    }
    let endings = ENDINGS.iter().filter(|ending| !ending.is_empty());
    let longest = endings.filter_map(|ending| lower.strip_suffix(ending)).min_by_key(|stem| stem.len());
    let stem = longest.map(str::trim_end).filter(|stem| !stem.is_empty()).unwrap_or(&lower).to_owned();
    let mut all: Vec<String> = ENDINGS.iter().map(|ending| format!("{stem}{ending}")).collect();
    all.push(lower);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_company_is_the_same_with_and_without_its_legal_form() {
        for name in
            ["Acme", "ACME Inc.", "acme, inc", "Acme Ltd", "Acme GmbH", "Acme GmbH & Co. KG", "Acme S.A.", "Acmé  AG"]
        {
            assert_eq!(key(name), "acme", "{name}");
        }
        assert_eq!(key("Müller & Söhne OHG"), "muller sohne");
        assert_eq!(key("Limited"), "limited", "a name is never cut off whole");
        assert_ne!(key("Acme Nord"), key("Acme Süd"));
        assert_eq!(key("  "), "");
    }

    #[test]
    fn spellings_hold_the_name_itself_and_its_other_forms() {
        for name in ["Acme", "Acme Inc.", "ACME GmbH & Co. KG"] {
            let all = spellings(name);
            for other in ["acme", "acme inc.", "acme gmbh", "acme ltd"] {
                assert!(all.iter().any(|spelling| spelling == other), "{name}: {other}");
            }
            assert!(all.contains(&name.to_lowercase()));
        }
        assert!(spellings(" ").is_empty());
        assert!(spellings("Co").contains(&"co".to_owned()));
    }
}
