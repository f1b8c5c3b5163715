//! Settings from the environment: the only place that reads it. `.env.example` has them all.

/// A setting, if it is there and not empty.
#[expect(clippy::disallowed_methods, reason = "this is config")]
pub(crate) fn optional(name: &str) -> Option<String> {
    std::env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// Keys of providers: one of them in the environment, and a real provider answers.
pub(crate) const KEYS: &[&str] = &["LLM_API_KEY", "GROQ_API_KEY"];
