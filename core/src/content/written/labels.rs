//! What a lineage is labelled with: it is the same for all its versions, and a change of it makes none.

use crate::id::{ClientId, ProductId};

/// The labels of a script or an email.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What it sells.
    pub product_id: Option<ProductId>,
    /// Whom it is for.
    pub client_id: Option<ClientId>,
    /// Whether it is in use.
    pub is_active: bool,
}

/// What is to change; `None` leaves a label as it is.
#[derive(Debug, Clone, Default)]
pub struct LabelChange {
    /// What it is called.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<Option<String>>,
    /// What it sells.
    pub product_id: Option<Option<ProductId>>,
    /// Whom it is for.
    pub client_id: Option<Option<ClientId>>,
    /// Whether it is in use.
    pub is_active: Option<bool>,
}

impl LabelChange {
    /// The labels after the change.
    #[must_use]
    pub fn on(&self, before: Labels) -> Labels {
        Labels {
            name: self.name.clone().unwrap_or(before.name),
            description: self.description.clone().unwrap_or(before.description),
            product_id: self.product_id.unwrap_or(before.product_id),
            client_id: self.client_id.unwrap_or(before.client_id),
            is_active: self.is_active.unwrap_or(before.is_active),
        }
    }
}
