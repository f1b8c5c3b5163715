//! The schema: migrations, rights, and keys.

mod migrations;
mod rights;
