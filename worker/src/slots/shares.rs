//! Shares: of a lane's slots an organisation has at most half while another waits. Interactive has no shares: it is first
//! come, first served.

use std::collections::HashMap;

use hellosales_core::OrgId;
use hellosales_core::run::Lane;

/// What runs, by organisation, of the lanes that are shared.
#[derive(Debug, Default)]
pub(super) struct Shares {
    standard: HashMap<OrgId, i64>,
    bulk: HashMap<OrgId, i64>,
}

/// What keeps everybody within their share.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Limit {
    /// Whoever gets it all is within their share still.
    pub(super) most: i64,
    /// Who has their share.
    pub(super) except: Vec<OrgId>,
}

impl Shares {
    /// So many more of an organisation run, or fewer.
    pub(super) fn count(&mut self, lane: Lane, org: OrgId, n: i64) {
        let counts = match lane {
            Lane::Interactive => return,
            Lane::Standard => &mut self.standard,
            Lane::Bulk => &mut self.bulk,
        };
        let count = counts.entry(org).or_default();
        *count += n;
        if *count <= 0 {
            counts.remove(&org);
        }
    }

    /// What may be claimed of standard, which has so many slots.
    pub(super) fn standard(&self, slots: i64) -> Limit {
        limit(&self.standard, slots)
    }

    /// Likewise of bulk.
    pub(super) fn bulk(&self, slots: i64) -> Limit {
        limit(&self.bulk, slots)
    }
}

fn limit(counts: &HashMap<OrgId, i64>, slots: i64) -> Limit {
    let share = (slots / 2).max(1);
    let (except, within): (Vec<_>, Vec<_>) = counts.iter().partition(|(_, count)| **count >= share);
    let highest = within.into_iter().map(|(_, count)| *count).max().unwrap_or(0);
    Limit { most: share - highest, except: except.into_iter().map(|(org, _)| *org).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(counts: &[(OrgId, i64)]) -> Shares {
        let mut shares = Shares::default();
        counts.iter().for_each(|&(org, n)| shares.count(Lane::Bulk, org, n));
        shares
    }

    #[test]
    fn an_organisation_gets_at_most_what_it_lacks_of_half_the_lane() {
        let [one, two] = [OrgId::new(), OrgId::new()];
        assert_eq!(shares(&[]).bulk(48), Limit { most: 24, except: vec![] });
        assert_eq!(shares(&[(one, 20), (two, 5)]).bulk(48), Limit { most: 4, except: vec![] });
        assert_eq!(shares(&[(one, 20)]).standard(48), Limit { most: 24, except: vec![] }, "each lane has its own");
    }

    #[test]
    fn who_has_half_or_more_is_passed_over_and_does_not_limit_others() {
        let [one, two] = [OrgId::new(), OrgId::new()];
        assert_eq!(shares(&[(one, 24), (two, 5)]).bulk(48), Limit { most: 19, except: vec![one] });
        assert_eq!(shares(&[(one, 40)]).bulk(48), Limit { most: 24, except: vec![one] });
    }

    #[test]
    fn half_of_an_odd_number_is_rounded_down_but_never_to_nothing() {
        let one = OrgId::new();
        assert_eq!(shares(&[(one, 2)]).bulk(7), Limit { most: 1, except: vec![] });
        assert_eq!(shares(&[(one, 3)]).bulk(7), Limit { most: 3, except: vec![one] });
        assert_eq!(shares(&[]).bulk(1), Limit { most: 1, except: vec![] });
    }

    #[test]
    fn an_organisation_of_which_nothing_runs_any_more_is_forgotten() {
        let one = OrgId::new();
        let mut shares = shares(&[(one, 2)]);
        shares.count(Lane::Bulk, one, -2);
        shares.count(Lane::Interactive, one, 9);
        assert!(shares.bulk.is_empty() && shares.standard.is_empty());
    }
}
