//! Numbers in words: `twenty percent`, `three months`, `fünfundzwanzig Prozent` as far as it is one of the words below.

use std::ops::Range;

use crate::grounding::word;

/// One says little by itself, and a hundred percent is an idiom.
const WORDS: [(&str, u32); 83] = [
    ("two", 2),
    ("three", 3),
    ("four", 4),
    ("five", 5),
    ("six", 6),
    ("seven", 7),
    ("eight", 8),
    ("nine", 9),
    ("ten", 10),
    ("eleven", 11),
    ("twelve", 12),
    ("thirteen", 13),
    ("fourteen", 14),
    ("fifteen", 15),
    ("sixteen", 16),
    ("eighteen", 18),
    ("twenty", 20),
    ("thirty", 30),
    ("forty", 40),
    ("fifty", 50),
    ("sixty", 60),
    ("seventy", 70),
    ("eighty", 80),
    ("ninety", 90),
    ("zwei", 2),
    ("drei", 3),
    ("vier", 4),
    ("fünf", 5),
    ("sechs", 6),
    ("sieben", 7),
    ("acht", 8),
    ("neun", 9),
    ("zehn", 10),
    ("zwölf", 12),
    ("fünfzehn", 15),
    ("achtzehn", 18),
    ("zwanzig", 20),
    ("fünfundzwanzig", 25),
    ("dreißig", 30),
    ("vierzig", 40),
    ("fünfzig", 50),
    ("sechzig", 60),
    ("siebzig", 70),
    ("achtzig", 80),
    ("neunzig", 90),
    ("deux", 2),
    ("trois", 3),
    ("quatre", 4),
    ("cinq", 5),
    ("sept", 7),
    ("huit", 8),
    ("neuf", 9),
    ("dix", 10),
    ("douze", 12),
    ("quinze", 15),
    ("vingt", 20),
    ("trente", 30),
    ("quarante", 40),
    ("cinquante", 50),
    ("soixante", 60),
    ("dos", 2),
    ("tres", 3),
    ("cuatro", 4),
    ("cinco", 5),
    ("seis", 6),
    ("siete", 7),
    ("ocho", 8),
    ("nueve", 9),
    ("diez", 10),
    ("doce", 12),
    ("quince", 15),
    ("dieciocho", 18),
    ("veinte", 20),
    ("veinticinco", 25),
    ("treinta", 30),
    ("cuarenta", 40),
    ("cincuenta", 50),
    ("sesenta", 60),
    ("setenta", 70),
    ("ochenta", 80),
    ("noventa", 90),
    ("hundred", 100),
    ("hundert", 100),
];

/// The numbers in words, and where they stand: `twenty-five` is one.
pub(super) fn find(text: &str) -> Vec<(Range<usize>, u32)> {
    let mut found: Vec<(Range<usize>, u32)> = Vec::new();
    for word in word::split(text) {
        // Both are parts of the text: their distance is the place.
        let start = word.as_ptr().addr() - text.as_ptr().addr();
        let lower = word.to_lowercase();
        let Some((_, value)) = WORDS.iter().find(|(name, _)| *name == lower) else { continue };
        let goes_on = found.last_mut().filter(|(span, tens)| {
            let between = text.get(span.end..start).unwrap_or_default();
            *tens >= 20 && *tens % 10 == 0 && *tens < 100 && *value < 10 && matches!(between, "-" | " " | "‑")
        });
        match goes_on {
            Some((span, tens)) => {
                span.end = start + word.len();
                *tens += value;
            }
            None => found.push((start..start + word.len(), *value)),
        }
    }
    found
}
