//! What a call costs: exact decimals from a table in a file (`prices.toml`), never a float.

use std::str::FromStr;
use std::sync::Arc;

use rust_decimal::{Decimal, RoundingStrategy};
use serde::Deserialize;

use super::{Message, Usage};

const EMBEDDED: &str = include_str!("../../prices.toml");

/// Prices by provider and model. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Prices {
    rows: Arc<[Row]>,
}

#[derive(Debug)]
struct Row {
    provider: String,
    model: String,
    tokens_in: Decimal,
    tokens_out: Decimal,
}

/// The table can't be used.
#[derive(Debug, thiserror::Error)]
pub enum PricesError {
    /// It isn't TOML of this shape.
    #[error("the price table can't be read")]
    Read(#[from] toml::de::Error),
    /// A price isn't a decimal of 0 or more.
    #[error("the price of {provider}/{model} is no decimal of 0 or more")]
    Price {
        /// Whose.
        provider: String,
        /// Of which model.
        model: String,
    },
    /// Somebody would have no price.
    #[error("the price table needs a last row for any provider and model")]
    NoLastRow,
}

impl Prices {
    /// The table that comes with the product.
    ///
    /// # Errors
    /// If it can't be used.
    pub fn embedded() -> Result<Self, PricesError> {
        Self::parse(EMBEDDED)
    }

    /// A table from its text.
    ///
    /// # Errors
    /// If it can't be used.
    pub fn parse(text: &str) -> Result<Self, PricesError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            price: Vec<RawRow>,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct RawRow {
            provider: String,
            model: String,
            tokens_in: String,
            tokens_out: String,
        }
        let table: Table = toml::from_str(text)?;
        let mut rows = Vec::with_capacity(table.price.len());
        for raw in table.price {
            let price = |text: &str| Decimal::from_str(text).ok().filter(|price| !price.is_sign_negative());
            let (Some(tokens_in), Some(tokens_out)) = (price(&raw.tokens_in), price(&raw.tokens_out)) else {
                return Err(PricesError::Price { provider: raw.provider, model: raw.model });
            };
            rows.push(Row { provider: raw.provider, model: raw.model, tokens_in, tokens_out });
        }
        if !rows.last().is_some_and(|row| row.provider == "*" && row.model == "*") {
            return Err(PricesError::NoLastRow);
        }
        Ok(Self { rows: rows.into() })
    }

    /// Whether a model has a price of its own, or its provider has one for all: not only the last row's.
    #[must_use]
    pub fn knows(&self, provider: &str, model: &str) -> bool {
        self.rows.iter().any(|row| row.provider == provider && (row.model == "*" || row.model == model))
    }

    /// What a call costs in US cents, to six places, as the ledger keeps it.
    #[must_use]
    pub fn cost_cents(&self, provider: &str, model: &str, usage: Usage) -> Decimal {
        let fits = |pattern: &str, name: &str| pattern == "*" || pattern == name;
        let row = self.rows.iter().find(|row| fits(&row.provider, provider) && fits(&row.model, model));
        let Some(row) = row else { return Decimal::ZERO };
        let micro_cents =
            row.tokens_in * Decimal::from(usage.tokens_in) + row.tokens_out * Decimal::from(usage.tokens_out);
        (micro_cents / Decimal::from(1_000_000)).round_dp_with_strategy(6, RoundingStrategy::MidpointAwayFromZero)
    }
}

/// How many tokens a text has, when nobody told: four ASCII characters make one, any other character is one. Close for
/// English, and rather too many than too few elsewhere.
#[must_use]
pub fn count_tokens(text: &str) -> u32 {
    let ascii = text.bytes().filter(u8::is_ascii).count();
    let other = text.chars().count().saturating_sub(ascii);
    u32::try_from(ascii.div_ceil(4).saturating_add(other)).unwrap_or(u32::MAX)
}

/// How many tokens a prompt has: its texts, and four for each message's frame.
#[must_use]
pub fn count_prompt(messages: &[Message]) -> u32 {
    messages.iter().fold(0, |sum: u32, message| sum.saturating_add(count_tokens(&message.content)).saturating_add(4))
}

/// A prompt has at most this many tokens, whatever cuts it into tokens: none is shorter than a byte, and what frames a
/// message is a handful.
#[must_use]
pub fn most_prompt_tokens(messages: &[Message], schema_bytes: usize) -> u32 {
    const FRAME: usize = 16;
    const PREAMBLE: usize = 64;
    let most = messages
        .iter()
        .fold(PREAMBLE.saturating_add(schema_bytes), |sum, message| sum.saturating_add(message.content.len() + FRAME));
    u32::try_from(most).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(provider: &str, model: &str, tokens_in: u32, tokens_out: u32) -> String {
        Prices::embedded().unwrap().cost_cents(provider, model, Usage { tokens_in, tokens_out }).to_string()
    }

    #[test]
    fn a_call_costs_exactly_what_the_table_says() {
        // 412 * 5 / 10^6 + 230 * 8 / 10^6
        assert_eq!(cost("groq", "llama-3.1-8b-instant", 412, 230), "0.0039");
        assert_eq!(cost("groq", "llama-3.1-8b-instant", 1, 0), "0.000005");
        assert_eq!(cost("groq", "llama-3.3-70b-versatile", 1_000_000, 1_000_000), "138");
        assert_eq!(cost("groq", "openai/gpt-oss-20b", 1, 0), "0.000008", "half a millionth is rounded up, once");
        assert_eq!(cost("groq", "openai/gpt-oss-20b", 3, 0), "0.000023");
        assert_eq!(cost("google", "gemini-2.5-flash", 1_000, 100), "0.055");
        assert_eq!(cost("google", "gemini-9", 1_000_000, 0), "200", "one that is new is dear");
    }

    #[test]
    fn a_thousand_calls_add_up_without_a_rest() {
        let prices = Prices::embedded().unwrap();
        let one = prices.cost_cents("simulator", "any", Usage { tokens_in: 7, tokens_out: 3 });
        let sum: Decimal = (0..1000).map(|_| one).sum();
        assert_eq!(sum, Decimal::from_str("0.059").unwrap());
    }

    #[test]
    fn whoever_is_not_in_the_table_has_a_price_and_only_a_local_model_is_free() {
        assert_eq!(cost("groq", "new-model", 1_000_000, 0), "59");
        assert_eq!(cost("acme", "x", 0, 1_000_000), "79");
        assert_ne!(cost("simulator", "x", 1, 1), "0");
        assert_eq!(cost("local", "smollm", 1_000_000, 1_000_000), "0");
        assert_eq!(cost("simulator", "x", u32::MAX, u32::MAX), "55834.574835");
    }

    #[test]
    fn a_table_that_leaves_somebody_without_a_price_is_refused() {
        assert!(matches!(Prices::parse("price = []"), Err(PricesError::NoLastRow)));
        let row = |price: &str| format!("[[price]]\nprovider='*'\nmodel='*'\ntokens_in='{price}'\ntokens_out='1'");
        assert!(Prices::parse(&row("0.5")).is_ok());
        assert!(matches!(Prices::parse(&row("-1")), Err(PricesError::Price { .. })));
        assert!(matches!(Prices::parse(&row("cheap")), Err(PricesError::Price { .. })));
        assert!(matches!(Prices::parse("[[price]]\nprovider='*'"), Err(PricesError::Read(_))));
    }

    #[test]
    fn no_prompt_has_more_tokens_than_we_reserve_for() {
        let message = |content: &str| Message { role: crate::provider::Speaker::User, content: content.to_owned() };
        for text in ["", "a", "日本語", "🙂🙂", "four words of text"] {
            let messages = [message(text), message(text)];
            assert!(most_prompt_tokens(&messages, 7) as usize >= 2 * text.len() + 7);
            assert!(most_prompt_tokens(&messages, 0) >= count_prompt(&messages));
        }
    }

    #[test]
    fn tokens_are_counted_from_the_text() {
        assert_eq!((count_tokens(""), count_tokens("abcd"), count_tokens("abcde"), count_tokens("日本")), (0, 1, 2, 2));
    }
}
