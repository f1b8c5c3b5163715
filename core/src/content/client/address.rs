//! Whether a text looks like an address that can be written to. Only the mail itself can tell whether it arrives.

const MAX_LOCAL_CHARS: usize = 64;
const MAX_LABEL_CHARS: usize = 63;

/// Whether this looks like one email address, without a name or brackets: `ana@lumen-retail.example`, in any script.
#[must_use]
pub fn is_email_address(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let is_local = (1..=MAX_LOCAL_CHARS).contains(&local.chars().count())
        && local.split('.').all(|part| !part.is_empty())
        && local.chars().all(|c| !c.is_whitespace() && !c.is_control() && !r#"()<>[],;:\"@"#.contains(c));
    is_local && is_domain(domain)
}

/// Whether this looks like a host on the internet: at least two labels.
#[must_use]
pub fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=MAX_LABEL_CHARS).contains(&label.chars().count())
            && label
                .chars()
                .all(|c| if c.is_ascii() { c.is_ascii_alphanumeric() || c == '-' } else { c.is_alphanumeric() })
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.contains('.') && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_from_what_is_none() {
        for text in
            ["ana@acme.example", "Ana.Ferreira+crm@Lumen-Retail.example", "o'brien@a.co", "анна@почта.рф", "a@1.2.3.4"]
        {
            assert!(is_email_address(text), "{text}");
        }
        for text in [
            "",
            "ana",
            "ana@",
            "@acme.example",
            "ana@acme",
            "ana@acme..example",
            "ana@-acme.example",
            "ana@acme.example.",
            "ana @acme.example",
            "ana@acme.example\nBcc: all@acme.example",
            "Ana <ana@acme.example>",
            "ana@b@acme.example",
            "ana,bo@acme.example",
            ".ana@acme.example",
            "=HYPERLINK(\"http://x.example\")",
        ] {
            assert!(!is_email_address(text), "{text}");
        }
        assert!(!is_email_address(&format!("{}@acme.example", "a".repeat(65))));
    }
}
