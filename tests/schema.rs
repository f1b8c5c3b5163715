//! The schema: migrations, rights, and keys.

mod locks;
mod migrations;
mod rights;
