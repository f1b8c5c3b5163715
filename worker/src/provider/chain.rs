//! Chains: which models are asked in which quality mode, one after another, and what their limits are. From a file, which is
//! held against what is configured before anything starts.

mod file;

use std::sync::Arc;

use hellosales_core::limit::Limit;
use hellosales_core::run::QualityMode;

use super::call::Models;
use super::price::Prices;
use super::set::Providers;
pub use file::ChainsError;

const EMBEDDED: &str = include_str!("../../chains.toml");
/// So many calls of a model at a time, if nobody says otherwise.
pub const MOST_AT_ONCE: u32 = 256;

/// A model that may be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Whose, by the name of its client.
    pub provider: String,
    /// Which.
    pub model: String,
    /// How many tokens it reads, if that is known.
    pub context_tokens: Option<u32>,
}

/// What a model's calls are held to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// Requests and tokens a minute, of all workers.
    pub limit: Limit,
    /// Calls at a time, of one worker.
    pub at_once: u32,
}

/// Who is asked in which quality mode. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Chains {
    fast: Arc<[Target]>,
    balanced: Arc<[Target]>,
    quality: Arc<[Target]>,
    bounds: Arc<[Bounds]>,
}

impl Chains {
    /// One provider, with a model for each mode, and nobody after it.
    #[must_use]
    pub fn of_one(provider: &str, models: Models) -> Self {
        let chain = |model| Arc::from([Target { provider: provider.to_owned(), model, context_tokens: None }]);
        Self {
            fast: chain(models.fast),
            balanced: chain(models.balanced),
            quality: chain(models.quality),
            bounds: Arc::from([]),
        }
    }

    /// Chains from their text: each mode once, of providers that are configured and models that have a price.
    ///
    /// # Errors
    /// If it says anything else.
    pub fn parse(text: &str, providers: &Providers, prices: &Prices) -> Result<Self, ChainsError> {
        file::parse(text, |provider| providers.get(provider).is_some(), prices)
    }

    /// The chains that come with the product, without the providers that aren't configured.
    ///
    /// # Errors
    /// If they can't be used; or a mode has nobody left.
    pub fn embedded(providers: &Providers, prices: &Prices) -> Result<Self, ChainsError> {
        let all = file::parse(EMBEDDED, |_| true, prices)?;
        let known = |chain: &Arc<[Target]>| -> Arc<[Target]> {
            chain.iter().filter(|target| providers.get(&target.provider).is_some()).cloned().collect()
        };
        let chains =
            Self { fast: known(&all.fast), balanced: known(&all.balanced), quality: known(&all.quality), ..all };
        let is_empty = [&chains.fast, &chains.balanced, &chains.quality].into_iter().any(|chain| chain.is_empty());
        if is_empty { Err(ChainsError::Modes) } else { Ok(chains) }
    }

    /// Whom to ask, in order.
    #[must_use]
    pub const fn of(&self, mode: QualityMode) -> &Arc<[Target]> {
        match mode {
            QualityMode::Fast => &self.fast,
            QualityMode::Balanced => &self.balanced,
            QualityMode::Quality => &self.quality,
        }
    }

    /// Every model of any chain, once.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        let mut seen = std::collections::BTreeSet::new();
        let all = [&self.fast, &self.balanced, &self.quality].into_iter().flat_map(|chain| chain.iter());
        all.filter(move |target| seen.insert((&target.provider, &target.model)))
    }

    /// What the file says of limits.
    #[must_use]
    pub fn bounds(&self) -> &[Bounds] {
        &self.bounds
    }
}
