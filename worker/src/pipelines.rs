//! The code of the pipelines: a folder each, a file a stage.

pub mod chat;
pub mod email;
pub mod script;
pub mod summary;

use hellosales_core::pipeline::{CHAT, EMAIL, SCRIPT, SUMMARY};

use crate::registry::Registry;

/// Every pipeline of the product.
#[must_use]
pub fn registry() -> Registry {
    Registry::new()
        .pipeline(&CHAT, chat::stages())
        .pipeline(&SUMMARY, summary::stages())
        .pipeline(&SCRIPT, script::stages())
        .pipeline(&EMAIL, email::stages())
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_pipeline_has_the_code_that_its_graph_asks_for() {
        let registry = super::registry().check().unwrap();
        assert_eq!(registry.pipelines().len(), hellosales_core::pipeline::ALL.len());
    }
}
