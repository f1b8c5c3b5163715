//! The file of chains, strictly read.

use std::collections::BTreeSet;
use std::sync::Arc;

use hellosales_core::limit::Limit;
use hellosales_core::run::QualityMode;
use serde::Deserialize;

use super::super::price::Prices;
use super::{Bounds, Chains, MOST_AT_ONCE, Target};

/// More targets help nobody: each may cost a first token's time.
const MOST_TARGETS: usize = 8;

/// The chains can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ChainsError {
    /// It isn't TOML of this shape.
    #[error("it can't be read: {0}")]
    Read(#[from] toml::de::Error),
    /// A mode is missing, or there twice.
    #[error("it needs one chain for each of fast, balanced and quality")]
    Modes,
    /// A chain has nobody, or too many.
    #[error("the chain of {0} needs 1 to {MOST_TARGETS} targets")]
    Length(QualityMode),
    /// A chain names a model twice.
    #[error("the chain of {mode} names {provider}/{model} twice")]
    Twice {
        /// Which chain.
        mode: QualityMode,
        /// Whose.
        provider: String,
        /// Which model.
        model: String,
    },
    /// Nobody is configured by this name.
    #[error("it names the provider {0}, which has no key and no server: set them, or leave it out")]
    Provider(String),
    /// What it would cost is not known.
    #[error("it names {provider}/{model}, which has no price in prices.toml")]
    Price {
        /// Whose.
        provider: String,
        /// Which model.
        model: String,
    },
    /// A limit is of a model that is in no chain, or there twice.
    #[error("the limit of {provider}/{model} needs a model that is in a chain, once")]
    Stray {
        /// Whose.
        provider: String,
        /// Which model.
        model: String,
    },
    /// A number is out of range.
    #[error("{name} of {provider}/{model} must be a whole number from 1 to {most}")]
    Number {
        /// Which.
        name: &'static str,
        /// Whose.
        provider: String,
        /// Of which model.
        model: String,
        /// The most that it may be.
        most: u32,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    chain: Vec<RawChain>,
    #[serde(default)]
    limit: Vec<RawLimit>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawChain {
    quality_mode: QualityMode,
    targets: Vec<RawTarget>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTarget {
    provider: String,
    model: String,
    context_tokens: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLimit {
    provider: String,
    model: String,
    requests_per_minute: Option<i64>,
    request_burst: Option<i64>,
    tokens_per_minute: Option<i64>,
    token_burst: Option<i64>,
    max_concurrency: Option<i64>,
}

pub(super) fn parse(text: &str, is_configured: impl Fn(&str) -> bool, prices: &Prices) -> Result<Chains, ChainsError> {
    let file: File = toml::from_str(text)?;
    let mut chains: Vec<(QualityMode, Arc<[Target]>)> = Vec::new();
    for raw in file.chain {
        let mode = raw.quality_mode;
        if chains.iter().any(|(other, _)| *other == mode) {
            return Err(ChainsError::Modes);
        }
        chains.push((mode, chain(raw, &is_configured, prices)?));
    }
    let mut of = |mode| {
        let at = chains.iter().position(|(other, _)| *other == mode).ok_or(ChainsError::Modes)?;
        Ok::<_, ChainsError>(chains.swap_remove(at).1)
    };
    let chains = Chains {
        fast: of(QualityMode::Fast)?,
        balanced: of(QualityMode::Balanced)?,
        quality: of(QualityMode::Quality)?,
        bounds: Arc::from([]),
    };
    let known: BTreeSet<(String, String)> =
        chains.targets().map(|target| (target.provider.clone(), target.model.clone())).collect();
    Ok(Chains { bounds: bounds(file.limit, known)?.into(), ..chains })
}

fn chain(raw: RawChain, is_configured: impl Fn(&str) -> bool, prices: &Prices) -> Result<Arc<[Target]>, ChainsError> {
    let mode = raw.quality_mode;
    if !(1..=MOST_TARGETS).contains(&raw.targets.len()) {
        return Err(ChainsError::Length(mode));
    }
    let mut chain: Vec<Target> = Vec::with_capacity(raw.targets.len());
    for RawTarget { provider, model, context_tokens } in raw.targets {
        if !is_configured(&provider) {
            return Err(ChainsError::Provider(provider));
        }
        if model.is_empty() || model.len() > 100 || !prices.knows(&provider, &model) {
            return Err(ChainsError::Price { provider, model });
        }
        if chain.iter().any(|target| target.provider == provider && target.model == model) {
            return Err(ChainsError::Twice { mode, provider, model });
        }
        let context_tokens = number(("context_tokens", context_tokens), u32::MAX, &provider, &model)?;
        chain.push(Target { provider, model, context_tokens });
    }
    Ok(chain.into())
}

/// A number, if it is given and in its range.
fn number(
    (name, value): (&'static str, Option<i64>),
    most: u32,
    provider: &str,
    model: &str,
) -> Result<Option<u32>, ChainsError> {
    let Some(value) = value else { return Ok(None) };
    let fits = u32::try_from(value).ok().filter(|value| (1..=most).contains(value));
    let (provider, model) = (provider.to_owned(), model.to_owned());
    fits.map(Some).ok_or(ChainsError::Number { name, provider, model, most })
}

fn bounds(raw: Vec<RawLimit>, mut known: BTreeSet<(String, String)>) -> Result<Vec<Bounds>, ChainsError> {
    const MOST: u32 = 1_000_000_000;
    let mut bounds = Vec::with_capacity(raw.len());
    for raw in raw {
        let RawLimit { provider, model, .. } = &raw;
        if !known.remove(&(provider.clone(), model.clone())) {
            return Err(ChainsError::Stray { provider: provider.clone(), model: model.clone() });
        }
        let of = |name, value, most| number((name, value), most, provider, model);
        let limit =
            |name, value| Ok::<_, ChainsError>(of(name, value, MOST)?.and_then(|value| i32::try_from(value).ok()));
        bounds.push(Bounds {
            limit: Limit {
                requests_per_minute: limit("requests_per_minute", raw.requests_per_minute)?,
                request_burst: limit("request_burst", raw.request_burst)?,
                tokens_per_minute: limit("tokens_per_minute", raw.tokens_per_minute)?,
                token_burst: limit("token_burst", raw.token_burst)?,
                provider: provider.clone(),
                model: model.clone(),
            },
            at_once: of("max_concurrency", raw.max_concurrency, 4_096)?.unwrap_or(MOST_AT_ONCE),
        });
    }
    Ok(bounds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Chains, ChainsError> {
        parse(text, |name| name == "groq" || name == "local", &Prices::embedded().unwrap())
    }

    fn file(fast: &str, more: &str) -> String {
        let chain = |mode: &str, targets: &str| format!("[[chain]]\nquality_mode = '{mode}'\ntargets = [{targets}]\n");
        let usual = "{ provider = 'local', model = 'm' }";
        format!("{}{}{}{more}", chain("fast", fast), chain("balanced", usual), chain("quality", usual))
    }

    fn why(text: &str) -> String {
        read(text).map(drop).unwrap_err().to_string()
    }

    const GOOD: &str = "{ provider = 'groq', model = 'llama-3.1-8b-instant', context_tokens = 131072 }, { provider = 'local', model = 'm' }";

    #[test]
    fn a_chain_is_in_the_order_of_its_file_with_its_limits() {
        let limit =
            "[[limit]]\nprovider='groq'\nmodel='llama-3.1-8b-instant'\nrequests_per_minute=30\nmax_concurrency=4\n";
        let chains = read(&file(GOOD, limit)).unwrap();
        let names: Vec<&str> = chains.of(QualityMode::Fast).iter().map(|target| target.provider.as_str()).collect();
        assert_eq!(names, ["groq", "local"]);
        assert_eq!(chains.of(QualityMode::Fast)[0].context_tokens, Some(131_072));
        assert_eq!(chains.targets().count(), 2);
        let [bounds] = chains.bounds() else { panic!("one limit") };
        assert_eq!(
            (bounds.limit.requests_per_minute, bounds.limit.tokens_per_minute, bounds.at_once),
            (Some(30), None, 4)
        );
    }

    #[test]
    fn the_chains_that_come_with_the_product_can_be_used() {
        let chains = parse(super::super::EMBEDDED, |_| true, &Prices::embedded().unwrap()).unwrap();
        for mode in [QualityMode::Fast, QualityMode::Balanced, QualityMode::Quality] {
            assert!(chains.of(mode).len() > 1, "{mode}: somebody to fall back to");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_and_named() {
        let unknown = "{ provider = 'acme', model = 'm' }";
        let priceless = "{ provider = 'groq', model = '' }";
        for (text, says) in [
            (String::new(), "can't be read"),
            ("chain = []".to_owned(), "each of fast, balanced and quality"),
            (file(GOOD, "[[chain]]\nquality_mode='fast'\ntargets=[]"), "each of fast, balanced and quality"),
            (file(GOOD, "[[chain]]\nquality_mode='best'\ntargets=[]"), "can't be read"),
            (file("", ""), "1 to 8 targets"),
            (file(unknown, ""), "the provider acme"),
            (file(priceless, ""), "no price"),
            (file(&format!("{GOOD}, {GOOD}"), ""), "twice"),
            (file("{ provider = 'local', model = 'm', weight = 1 }", ""), "can't be read"),
            (file("{ provider = 'local', model = 'm', context_tokens = 0 }", ""), "context_tokens of local/m"),
            (file(GOOD, "[[limit]]\nprovider='groq'\nmodel='x'\nrequests_per_minute=1"), "in a chain"),
            (
                file(GOOD, "[[limit]]\nprovider='local'\nmodel='m'\nrequests_per_minute=-1"),
                "requests_per_minute of local/m",
            ),
            (file(GOOD, "[[limit]]\nprovider='local'\nmodel='m'\nrpm=1"), "can't be read"),
        ] {
            assert!(why(&text).contains(says), "{says}: {}", why(&text));
        }
    }

    #[test]
    fn a_model_without_a_price_of_its_own_or_its_providers_is_refused() {
        let text = file("{ provider = 'acme', model = 'm' }", "");
        let error = parse(&text, |_| true, &Prices::embedded().unwrap()).map(drop).unwrap_err();
        assert!(matches!(error, ChainsError::Price { .. }), "{error}");
    }
}
