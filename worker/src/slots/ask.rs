//! Ask: what may be claimed now, and what an answer to it means.

use std::sync::Arc;

use hellosales_core::OrgId;

use super::Running;
use super::shares::Limit;

/// Below this many slots a lane, and an organisation, may take all.
const SHARED_FROM: i64 = 4;

/// What may be claimed now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// In all.
    pub free: i64,
    /// Of each lane; standard's is for standard and bulk together.
    pub max: [i64; 3],
    /// Suspects: one a process, beside others.
    pub suspects: i64,
    /// Of standard and of bulk, so that no organisation gets more than its share.
    pub most: [i64; 2],
    /// Whose share of standard and of bulk is taken.
    pub except: [Arc<[OrgId]>; 2],
}

/// What follows an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// There was nothing more.
    Empty,
    /// There may be more than was asked for, but no slot for it.
    Full,
    /// There may be more, and slots: what stood in the way were shares, or steps that were held.
    Again,
    /// In standard or bulk nobody waits but, perhaps, those who were passed over: what is left is theirs.
    Alone(Shared),
}

/// A lane that is shared by organisations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shared {
    /// Standard.
    Standard,
    /// Bulk.
    Bulk,
}

impl Ask {
    /// Of S slots, with R = max(1, S/8): interactive at most S - 1, standard and bulk together S - R, bulk S - 2R, what
    /// runs counted in; so each lane always finds a slot soon. In a lane where nobody else waits, nobody has a share.
    pub(super) fn new(total: i64, free: i64, running: &Running, alone: [bool; 2]) -> Self {
        let [interactive, standard, bulk] = running.lanes;
        let suspects = (1 - running.suspects).max(0);
        if total < SHARED_FROM {
            return Self { free, max: [free; 3], suspects, most: [free; 2], except: Default::default() };
        }
        let reserve = (total / 8).max(1);
        let (shared, last) = (total - reserve, total - 2 * reserve);
        let max = [total - 1 - interactive, shared - standard - bulk, last - bulk].map(|max| max.max(0));
        let (first, second) = (running.shares.standard(shared), running.shares.bulk(last));
        let (most_standard, except_standard) = share(first, max[1], alone[0]);
        let (most_bulk, except_bulk) = share(second, max[2], alone[1]);
        Self { free, max, suspects, most: [most_standard, most_bulk], except: [except_standard, except_bulk] }
    }

    /// The most of bulk. None while organisations are passed over in standard: it goes first, and what is left of it is
    /// theirs if nobody else waits.
    #[must_use]
    pub fn bulk(&self) -> i64 {
        if self.except[0].is_empty() { self.max[2].min(self.most[1]) } else { 0 }
    }

    /// What follows when so many of each lane came, and so many were held instead.
    #[must_use]
    pub fn after(&self, [interactive, standard, bulk]: [i64; 3], held: usize) -> After {
        let left = self.free - interactive - standard - bulk;
        if left > 0 && held > 0 {
            return After::Again;
        }
        let left_of_both = left.min(self.max[1] - standard - bulk);
        if left_of_both > 0 {
            if standard >= self.most[0] {
                return After::Again;
            }
            if !self.except[0].is_empty() {
                return After::Alone(Shared::Standard);
            }
        }
        if left_of_both.min(self.max[2] - bulk) > 0 {
            if bulk >= self.most[1] {
                return After::Again;
            }
            if !self.except[1].is_empty() {
                return After::Alone(Shared::Bulk);
            }
        }
        let is_full = left <= 0 || self.max[0] <= interactive || self.max[1] <= standard + bulk || self.max[2] <= bulk;
        if is_full { After::Full } else { After::Empty }
    }
}

fn share(limit: Limit, max: i64, alone: bool) -> (i64, Arc<[OrgId]>) {
    if alone { (max, Arc::default()) } else { (limit.most.min(max), limit.except.into()) }
}

#[cfg(test)]
mod tests {
    use hellosales_core::run::Lane;

    use super::*;

    fn running(lanes: [i64; 3]) -> Running {
        Running { lanes, ..Running::default() }
    }

    fn ask(total: i64, free: i64, lanes: [i64; 3]) -> Ask {
        Ask::new(total, free, &running(lanes), [false; 2])
    }

    #[test]
    fn every_lane_leaves_room_for_the_ones_before_it() {
        let all = ask(64, 64, [0, 0, 0]);
        assert_eq!((all.free, all.max, all.suspects), (64, [63, 56, 48], 1));
        assert_eq!(ask(4, 4, [0, 0, 0]).max, [3, 3, 2]);
        assert_eq!(ask(64, 14, [2, 8, 40]).max, [61, 8, 8]);
    }

    #[test]
    fn what_runs_beyond_a_lanes_share_makes_it_ask_for_nothing_rather_than_less() {
        assert_eq!(ask(8, 0, [0, 0, 8]).max, [7, 0, 0]);
        assert_eq!(ask(8, 1, [7, 0, 0]).max, [0, 7, 6]);
    }

    #[test]
    fn few_slots_are_for_whoever_comes() {
        assert_eq!(ask(1, 1, [0; 3]).max, [1; 3]);
        let org = OrgId::new();
        let mut busy = running([0, 0, 2]);
        busy.shares.count(Lane::Bulk, org, 2);
        let few = Ask::new(3, 1, &busy, [false; 2]);
        assert_eq!((few.max, few.most, few.bulk()), ([1; 3], [1; 2], 1));
        assert!(few.except[1].is_empty());
    }

    #[test]
    fn one_suspect_runs_at_a_time() {
        let busy = Running { suspects: 1, ..running([1, 0, 0]) };
        assert_eq!(Ask::new(8, 8, &busy, [false; 2]).suspects, 0);
    }

    #[test]
    fn shares_hold_unless_nobody_else_waits() {
        let [one, two] = [OrgId::new(), OrgId::new()];
        let mut busy = running([0, 28, 10]);
        busy.shares.count(Lane::Standard, one, 28);
        busy.shares.count(Lane::Bulk, two, 10);
        let asked = Ask::new(64, 26, &busy, [false; 2]);
        assert_eq!((asked.max, asked.most), ([63, 18, 38], [18, 14]));
        assert_eq!(asked.except, [Arc::from([one]), Arc::default()]);
        assert_eq!(asked.bulk(), 0, "standard goes first");
        let asked = Ask::new(64, 26, &busy, [true, false]);
        assert_eq!((asked.most, asked.bulk()), ([18, 14], 14));
        assert!(asked.except[0].is_empty());
    }

    #[test]
    fn an_answer_that_got_all_it_may_have_of_any_lane_is_full() {
        let asked = Ask { max: [7, 7, 6], most: [7, 6], ..ask(8, 8, [0; 3]) };
        assert_eq!(asked.after([0, 0, 0], 0), After::Empty);
        assert_eq!(asked.after([3, 2, 1], 0), After::Empty);
        for got in [[7, 0, 0], [0, 3, 4], [0, 0, 6], [4, 2, 2]] {
            assert_eq!(asked.after(got, 0), After::Full, "{got:?}");
        }
        let asked = Ask { max: [7, 7, 0], most: [7, 0], ..asked };
        assert_eq!(asked.after([0; 3], 0), After::Full, "a lane that may take nothing was not looked at");
    }

    #[test]
    fn an_answer_that_shares_or_held_steps_cut_short_is_followed_by_another() {
        let asked = ask(8, 8, [0; 3]);
        assert_eq!((asked.max, asked.most), ([7, 7, 6], [3, 3]));
        assert_eq!(asked.after([0, 3, 0], 0), After::Again);
        assert_eq!(asked.after([0, 2, 3], 0), After::Again);
        assert_eq!(asked.after([0, 2, 2], 0), After::Empty);
        assert_eq!(asked.after([0, 0, 0], 1), After::Again);
        let tight = Ask { free: 3, ..asked };
        assert_eq!(tight.after([0, 3, 0], 0), After::Full, "there is no slot for more");
    }

    #[test]
    fn an_answer_that_leaves_slots_after_passing_over_somebody_says_in_which_lane_they_are_alone() {
        let passed: Arc<[OrgId]> = Arc::from([OrgId::new()]);
        let asked = ask(8, 4, [0, 0, 4]);
        let both = Ask { except: [Arc::clone(&passed), Arc::clone(&passed)], ..asked.clone() };
        assert_eq!(both.after([0, 1, 0], 0), After::Alone(Shared::Standard));
        let bulk = Ask { except: [Arc::default(), passed], ..asked };
        assert_eq!(bulk.max, [7, 3, 2]);
        assert_eq!(bulk.after([0, 0, 1], 0), After::Alone(Shared::Bulk));
        assert_eq!(bulk.after([0, 0, 2], 0), After::Full);
        assert_eq!(bulk.after([0, 3, 0], 0), After::Full, "standard got all that bulk leaves it");
        assert_eq!(ask(8, 8, [0; 3]).after([0, 3, 0], 0), After::Again, "standard got its share, and may have more");
    }
}
