//! The providers that are configured, by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Llm;

/// Every provider that can be called, under the name that the ledger, the price table and chains of models call it by.
/// Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Providers(BTreeMap<String, Arc<dyn Llm>>);

impl Providers {
    /// A set of these; of two with the same name the later one counts.
    #[must_use]
    pub fn new(clients: impl IntoIterator<Item = Arc<dyn Llm>>) -> Self {
        Self(clients.into_iter().map(|client| (client.provider().to_owned(), client)).collect())
    }

    /// The client of this name, if it is configured.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Llm>> {
        self.0.get(name)
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
