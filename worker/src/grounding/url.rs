//! Links, domains and email addresses.

use std::ops::Range;

use super::vocabulary::TOP_LEVEL_DOMAINS;

/// An address, as it is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Link {
    /// `somebody@example.com`
    Email(String),
    /// A host, and what follows it.
    Web {
        /// Without `www.`
        host: String,
        /// Without a slash at either end.
        path: String,
    },
}

impl Link {
    /// Whether a source has it: a host alone by its host, a page only as it stands there.
    pub(super) fn is_in(&self, sources: &[Self]) -> bool {
        sources.iter().any(|source| match (self, source) {
            (Self::Web { host, path }, Self::Web { host: known, path: known_path }) => {
                host == known && (path.is_empty() || path == known_path)
            }
            // Who may be written to at a domain may be found there.
            (Self::Web { host, path }, Self::Email(email)) => {
                path.is_empty() && email.rsplit_once('@').is_some_and(|(_, domain)| domain == host)
            }
            (said, known) => said == known,
        })
    }
}

/// All addresses of a text, with where they stand.
pub(super) fn find(text: &str) -> Vec<(Range<usize>, Link)> {
    let mut found = Vec::new();
    let mut start = 0;
    for piece in text.split_inclusive(is_border) {
        let token = piece.trim_end_matches(is_border);
        let bare = token.trim_end_matches(['.', ',', ';', ':', '!', '?', '…']);
        if let Some(link) = read(bare) {
            found.push((start..start + bare.len(), link));
        }
        start += piece.len();
    }
    found
}

fn is_border(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '<' | '>' | '(' | ')' | '[' | ']' | '{' | '}' | '"' | '“' | '”' | '„' | '«' | '»' | '|' | ',' | '\''
        )
}

fn read(token: &str) -> Option<Link> {
    if let Some((before, domain)) = token.rsplit_once('@') {
        let name = before.strip_prefix("mailto:").unwrap_or(before);
        let is_email = !name.is_empty() && !name.contains(['/', '@']) && is_domain(domain);
        return is_email.then(|| Link::Email(format!("{}@{}", name.to_lowercase(), domain.to_lowercase())));
    }
    let (rest, is_sure) = match token.split_once("://") {
        Some((scheme, rest)) if matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https" | "ftp") => {
            (rest, true)
        }
        Some(_) => return None,
        None => (token, token.to_ascii_lowercase().starts_with("www.")),
    };
    let cut = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, path) = rest.split_at_checked(cut)?;
    let host = host.split(':').next().unwrap_or_default();
    if host.is_empty() || !(is_sure || is_domain(host)) {
        return None;
    }
    let host = host.to_lowercase();
    let host = host.strip_prefix("www.").unwrap_or(&host).to_owned();
    Some(Link::Web { host, path: path.trim_matches('/').to_owned() })
}

/// Names with dots between them, of which the last is one that domains end in. What ends in capitals is a name: `ASP.NET`.
fn is_domain(text: &str) -> bool {
    let labels: Vec<&str> = text.split('.').collect();
    let is_label =
        |label: &&str| !label.is_empty() && label.len() <= 63 && label.chars().all(|c| c.is_alphanumeric() || c == '-');
    labels.len() >= 2
        && labels.iter().all(is_label)
        && labels.first().is_some_and(|first| first.chars().count() > 1)
        && labels.last().is_some_and(|last| TOP_LEVEL_DOMAINS.contains(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        find(text).into_iter().filter_map(|(span, _)| text.get(span)).collect()
    }

    #[test]
    fn addresses_are_found_and_what_only_looks_like_one_is_not() {
        let text = "See https://acme.com/demo?x=1, www.acme.com or (acme.io). Write to sam@acme.co.uk!";
        assert_eq!(texts(text), ["https://acme.com/demo?x=1", "www.acme.com", "acme.io", "sam@acme.co.uk"]);
        let none = "We use Node.js and ASP.NET, e.g. at 9.30 a.m. Dr.Smith said so.It works @ scale, i.e. well. 3.com";
        assert_eq!(texts(none), ["3.com"; 0]);
    }

    #[test]
    fn a_host_is_known_by_its_source_and_a_page_only_as_it_stands_there() {
        let known: Vec<Link> =
            find("https://www.acme.com/pricing and sam@globex.de").into_iter().map(|(_, link)| link).collect();
        let is_known = |text: &str| find(text)[0].1.is_in(&known);
        for text in
            ["acme.com", "https://acme.com/", "http://WWW.acme.com", "acme.com/pricing/", "globex.de", "Sam@Globex.de"]
        {
            assert!(is_known(text), "{text}");
        }
        for text in ["acme.com/demo", "acme.de", "blog.acme.com", "ana@acme.com", "globex.de/about"] {
            assert!(!is_known(text), "{text}");
        }
    }
}
