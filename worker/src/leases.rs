//! The lease: the beat that keeps it, and the look at what is still this worker's.

mod contact;

pub use contact::Contact;
