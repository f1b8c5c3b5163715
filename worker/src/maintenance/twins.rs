//! Before a round is over its batch's emails are held against each other: two people of one company who compare what they got
//! should not find the same email. Done as often as a round ends; who was warned is not warned again.

use std::collections::BTreeMap;

use hellosales_core::batch::{self, Neighbour, Placed};
use hellosales_core::content::generated::Warning;
use hellosales_core::{BatchId, DatabaseError, EmailVersionId, OrgId};

use super::Maintenance;
use super::admitter::{Trouble, in_time};
use crate::grounding::{self, Code, MAX_NEIGHBOURS, MAX_WARNINGS, TwinCandidate, company_key};

/// So many emails are read and compared at once.
const PAGE: usize = 500;
/// So many places in a list are read at once, to see who is of one company.
const PLACES: i64 = 5_000;

impl Maintenance {
    /// Warns of near twins among a batch's emails: the later one of two. Returns how many were warned.
    pub(super) async fn warn_twins(&self, batch: BatchId, org: OrgId) -> Result<u64, Trouble> {
        let mut companies: BTreeMap<String, Vec<i32>> = BTreeMap::new();
        let mut after = None;
        loop {
            let placed = in_time(self.placed(batch, org, after)).await?;
            let Some(last) = placed.last() else { break };
            after = Some(last.n);
            for Placed { n, company } in placed {
                companies.entry(company_key(&company)).or_default().push(n);
            }
        }
        let mut warned = 0;
        for page in pages(companies) {
            warned += in_time(self.warn_page(batch, org, page)).await?;
        }
        Ok(warned)
    }

    async fn placed(&self, batch: BatchId, org: OrgId, after: Option<i32>) -> Result<Vec<Placed>, DatabaseError> {
        let mut tx = self.database.begin().await?;
        let placed = batch::placed(&mut tx.enter(org).await?, batch, after, PLACES).await?;
        tx.rollback().await?;
        Ok(placed)
    }

    /// Reads these emails, and warns of those among them.
    async fn warn_page(&self, batch: BatchId, org: OrgId, ns: Vec<i32>) -> Result<u64, DatabaseError> {
        let mut tx = self.database.begin().await?;
        let emails = batch::neighbours(&mut tx.enter(org).await?, batch, &ns).await?;
        tx.rollback().await?;
        // Five hundred of one company are some million words to compare.
        let Ok(warnings) = tokio::task::spawn_blocking(move || warnings(&emails)).await else { return Ok(0) };
        if warnings.is_empty() {
            return Ok(0);
        }
        let most = i32::try_from(MAX_WARNINGS).unwrap_or(i32::MAX);
        let mut tx = self.database.begin().await?;
        let warned = batch::warn(&mut tx.enter(org).await?, batch, &warnings, most).await?;
        tx.commit().await?;
        Ok(warned)
    }
}

/// The places of those who have a colleague in the list, companies together, a page of them at a time. A company that goes over
/// a page's end begins the next one again, as far back as twins are looked for.
fn pages(companies: BTreeMap<String, Vec<i32>>) -> Vec<Vec<i32>> {
    let mut pages: Vec<Vec<i32>> = Vec::new();
    let mut page: Vec<i32> = Vec::new();
    for (key, ns) in companies {
        if key.is_empty() || ns.len() < 2 {
            continue;
        }
        if page.len() + ns.len() > PAGE {
            pages.push(std::mem::take(&mut page));
        }
        let mut rest = ns.as_slice();
        while rest.len() > PAGE {
            let (now, _) = rest.split_at(PAGE);
            pages.push(now.to_vec());
            rest = rest.split_at(PAGE - MAX_NEIGHBOURS).1;
        }
        page.extend(rest);
    }
    pages.push(page);
    pages.retain(|page| !page.is_empty());
    pages
}

/// The later one of each two, and whose email it is like.
fn warnings(emails: &[Neighbour]) -> Vec<(EmailVersionId, Warning)> {
    let candidates: Vec<TwinCandidate<'_>> = emails
        .iter()
        .map(|email| TwinCandidate {
            client_id: email.client_id,
            client_name: &email.client_name,
            company: &email.company,
            subject: &email.subject,
            body: &email.body,
        })
        .collect();
    let pairs = grounding::twins(&candidates).into_iter();
    pairs
        .filter_map(|(one, other)| {
            let (one, other) = (emails.get(one)?, emails.get(other)?);
            Some((other.version_id, grounding::warning(Code::NearTwin, &one.client_name)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(sizes: &[usize]) -> Vec<Vec<i32>> {
        let mut next = 0..;
        let companies =
            sizes.iter().enumerate().map(|(k, size)| (format!("c{k:03}"), next.by_ref().take(*size).collect()));
        pages(companies.collect())
    }

    #[test]
    fn whoever_has_no_colleague_is_on_no_page_and_none_is_too_long() {
        assert!(of(&[1, 1, 1]).is_empty());
        assert_eq!(of(&[2, 1, 3]), [vec![0, 1, 3, 4, 5]]);
        let pages = of(&[300, 200, 2, 499]);
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [500, 2, 499]);
        let unnamed = BTreeMap::from([(String::new(), vec![1, 2])]);
        assert!(super::pages(unnamed).is_empty());
    }

    #[test]
    fn a_company_of_many_pages_is_compared_over_their_ends() {
        let pages = of(&[2, 1_200]);
        assert!(pages.iter().all(|page| page.len() <= PAGE), "{:?}", pages.iter().map(Vec::len).collect::<Vec<_>>());
        for n in 3..1_202 {
            let first = (n - i32::try_from(MAX_NEIGHBOURS).unwrap()).max(2);
            let together = pages.iter().any(|page| page.contains(&n) && page.contains(&first));
            assert!(together, "{n} is never held against {first}");
        }
    }
}
