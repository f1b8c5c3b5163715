//! Two people of one company who compare what they got should not find the same email.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use hellosales_core::ClientId;

use super::{company, word};

/// Words that are compared together.
const SHINGLE: usize = 3;
/// Of the shingles of both, so many of a hundred are in both: near twins.
const NEAR_PERCENT: usize = 80;
/// An email is held against so many of its company's before it, the newest: a list of one company's ten thousand is judged in
/// a moment, too.
pub const MAX_NEIGHBOURS: usize = 200;

/// An email to a client.
#[derive(Debug, Clone, Copy)]
pub struct TwinCandidate<'a> {
    /// The client.
    pub client_id: ClientId,
    /// Their name: it differs between twins.
    pub client_name: &'a str,
    /// Where they work. Whoever works nowhere has no twin.
    pub company: &'a str,
    /// The subject line.
    pub subject: &'a str,
    /// The text.
    pub body: &'a str,
}

/// Pairs of near twins, as places in the list: an email and the nearest before it that is its twin, once for each email that
/// has one. Only different clients of one company are compared.
#[must_use]
pub fn twins(emails: &[TwinCandidate<'_>]) -> Vec<(usize, usize)> {
    let mut companies: HashMap<String, VecDeque<(usize, Vec<u64>)>> = HashMap::new();
    let mut pairs = Vec::new();
    for (n, email) in emails.iter().enumerate() {
        let key = company::key(email.company);
        if key.is_empty() {
            continue;
        }
        let shingles = shingles(email);
        let before = companies.entry(key).or_default();
        let is_twin = |(other, theirs): &&(usize, Vec<u64>)| {
            let is_other = emails.get(*other).is_some_and(|other| other.client_id != email.client_id);
            is_other && are_near(&shingles, theirs)
        };
        pairs.extend(before.iter().rev().find(is_twin).map(|(other, _)| (*other, n)));
        if before.len() == MAX_NEIGHBOURS {
            before.pop_front();
        }
        before.push_back((n, shingles));
    }
    pairs
}

/// The hashes of every three words in a row, sorted; names of the client and the company are left out, and so are
/// legal forms.
fn shingles(email: &TwinCandidate<'_>) -> Vec<u64> {
    let names: HashSet<String> =
        [email.client_name, email.company].into_iter().flat_map(word::split).map(word::fold).collect();
    let words: Vec<String> = [email.subject, email.body]
        .into_iter()
        .flat_map(word::split)
        .map(word::fold)
        .filter(|word| !names.contains(word) && !company::is_form(word))
        .collect();
    let size = SHINGLE.min(words.len()).max(1);
    let mut hashes: Vec<u64> = words.windows(size).map(hash).collect();
    hashes.sort_unstable();
    hashes.dedup();
    hashes
}

fn hash(words: &[String]) -> u64 {
    let mut hasher = DefaultHasher::new();
    words.hash(&mut hasher);
    hasher.finish()
}

/// Whether what two sorted sets share is most of what they hold together.
fn are_near(one: &[u64], other: &[u64]) -> bool {
    let (fewer, more) = (one.len().min(other.len()), one.len().max(other.len()));
    if fewer == 0 || fewer * 100 < more * NEAR_PERCENT {
        return false;
    }
    let (mut left, mut right) = (one.iter().peekable(), other.iter().peekable());
    let mut shared = 0_usize;
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        match a.cmp(b) {
            std::cmp::Ordering::Less => drop(left.next()),
            std::cmp::Ordering::Greater => drop(right.next()),
            std::cmp::Ordering::Equal => {
                shared += 1;
                left.next();
                right.next();
            }
        }
    }
    shared * 100 >= (one.len() + other.len() - shared) * NEAR_PERCENT
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "Hi {}, your support team answers five hundred tickets a week by hand, and slow answers are what your \
        customers notice first. Beacon sends an alert before a ticket gets old, so that nobody has to look for it. Would it be \
        worth a short call to see how that would work for your team? Best, Sam";

    fn email<'a>(client: &'a str, company: &'a str, body: &'a str) -> TwinCandidate<'a> {
        TwinCandidate { client_id: ClientId::new(), client_name: client, company, subject: "Slow answers", body }
    }

    #[test]
    fn two_people_of_one_company_who_get_the_same_words_are_told() {
        let (ana, ben) = (BODY.replace("{}", "Ana"), BODY.replace("{}", "Ben"));
        let changed = ben.replace("a short call", "ten minutes");
        let emails = [
            email("Ana Silva", "Acme", &ana),
            email("Ben Okafor", "ACME Inc.", &changed),
            email("Cem Kaya", "Globex", &ana),
            email("Dee Dee", "", &ana),
            email(
                "Eve",
                "Acme",
                "Hello Eve, a wholly different thought about your audit trail, and what it costs you.",
            ),
        ];
        assert_eq!(twins(&emails), [(0, 1)]);
    }

    #[test]
    fn one_client_is_nobodys_twin_and_other_words_are_other_emails() {
        let ana = email("Ana", "Acme", BODY);
        assert_eq!(twins(&[ana, ana]), []);
        let half = BODY
            .replace("slow answers are what your customers notice first", "that is where the hours of your people go")
            .replace("so that nobody has to look for it", "and tells the right person");
        assert_eq!(twins(&[ana, email("Ben", "Acme", &half)]), []);
        assert_eq!(twins(&[email("A", "Acme", ""), email("B", "Acme", "")]), [(0, 1)], "the same subject and no text");
        assert_eq!(twins(&[]), []);
    }

    #[test]
    fn each_of_many_twins_is_told_once() {
        let names: Vec<String> = (0..500).map(|n| format!("Client{n}")).collect();
        let emails: Vec<_> = names.iter().map(|name| email(name, "Acme", BODY)).collect();
        let pairs = twins(&emails);
        assert_eq!(pairs.len(), 499);
        assert!(pairs.iter().all(|(one, other)| one + 1 == *other));
    }
}
