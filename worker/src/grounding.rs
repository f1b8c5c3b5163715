//! Whether a text is worth sending: what it says that stands in none of its sources, and what it was left with by a
//! template. Rules alone, no model: the same text and sources give the same warnings. Where a rule can't be sure it keeps
//! quiet, for a warning that is often wrong is not read.

mod company;
mod leftover;
mod mask;
mod name;
mod number;
#[cfg(test)]
mod tests;
mod twin;
mod url;
mod vocabulary;
mod word;

use std::collections::HashSet;

use hellosales_core::content::generated::Warning;

pub use company::{key as company_key, spellings as company_spellings};
pub use twin::{MAX_NEIGHBOURS, TwinCandidate, twins};

use mask::Masked;
use number::Number;
use url::Link;

/// More warnings than this say no more.
pub const MAX_WARNINGS: usize = 20;
/// The words in question, cut here.
const MAX_TEXT_CHARS: usize = 100;

/// What a warning is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// A number that no source has.
    UnsupportedNumber,
    /// A price that no source has.
    UnsupportedPrice,
    /// A link, a domain or an email address that no source has.
    UnsupportedUrl,
    /// A name of somebody or something that no source has.
    UnsupportedName,
    /// What a template left open: `[Your Name]`.
    TemplateLeftover,
    /// `{{}}`.
    EmptyMergeField,
    /// A merge field that is in the text alone, or in the list alone.
    UnlistedMergeField,
    /// Nearly the same email went to somebody else of the company.
    NearTwin,
}

impl Code {
    /// The code that clients see.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnsupportedNumber => "UNSUPPORTED_NUMBER",
            Self::UnsupportedPrice => "UNSUPPORTED_PRICE",
            Self::UnsupportedUrl => "UNSUPPORTED_URL",
            Self::UnsupportedName => "UNSUPPORTED_NAME",
            Self::TemplateLeftover => "TEMPLATE_LEFTOVER",
            Self::EmptyMergeField => "EMPTY_MERGE_FIELD",
            Self::UnlistedMergeField => "UNLISTED_MERGE_FIELD",
            Self::NearTwin => "NEAR_TWIN",
        }
    }
}

/// A warning about these words.
#[must_use]
pub fn warning(code: Code, text: &str) -> Warning {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    Warning { code: code.as_str().to_owned(), text: text.chars().take(MAX_TEXT_CHARS).collect() }
}

/// What a text may be made of: facts, instructions, the sender, the version before.
#[derive(Debug, Default)]
pub struct Sources {
    words: HashSet<String>,
    numbers: Vec<Number>,
    links: Vec<Link>,
}

impl Sources {
    /// Reads them.
    #[must_use]
    pub fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut sources = Self::default();
        for text in texts {
            sources.links.extend(url::find(text).into_iter().map(|(_, link)| link));
            sources.numbers.extend(number::find(text));
            sources.words.extend(word::split(text).map(word::fold));
        }
        sources
    }
}

/// What speaks against sending these texts. `merge_fields` are those that are listed, where there is a list.
#[must_use]
pub fn check(texts: &[&str], merge_fields: Option<&[String]>, sources: &Sources) -> Vec<Warning> {
    let mut found = Vec::new();
    let common = name::Common::of(texts);
    for text in texts {
        let mut masked = Masked::new(text);
        leftover::find(&mut masked, &mut found);
        for (span, link) in url::find(masked.text()) {
            if !link.is_in(&sources.links) {
                found.push(warning(Code::UnsupportedUrl, masked.text().get(span.clone()).unwrap_or_default()));
            }
            masked.hide(span);
        }
        for number in number::find(masked.text()) {
            if number.is_claim && !number.is_in(&sources.numbers) {
                let code = if number.is_price() { Code::UnsupportedPrice } else { Code::UnsupportedNumber };
                found.push(warning(code, &number.text));
            }
        }
        found.extend(
            name::find(masked.text(), &sources.words, &common).iter().map(|name| warning(Code::UnsupportedName, name)),
        );
    }
    if let Some(listed) = merge_fields {
        leftover::compare(texts, listed, &mut found);
    }
    let mut seen = HashSet::new();
    found.retain(|warning| seen.insert((warning.code.clone(), warning.text.clone())));
    found.truncate(MAX_WARNINGS);
    found
}
