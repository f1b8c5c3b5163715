//! Content: what organisations sell, to whom, and what was said. One noun a file; every function works inside
//! one organisation.

pub mod answer;
pub mod client;
pub mod company_profile;
pub mod member;
pub mod product;
pub mod summary;
pub mod turn_history;
