//! A part of a list that is read by id.

use uuid::Uuid;

/// Which part of a list: by id, since ids are in the order in which things were made.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// The oldest first.
    pub ascending: bool,
    /// After this one, in that order.
    pub after: Option<Uuid>,
    /// So many at most.
    pub limit: i64,
}

impl Window {
    /// The lowest and the highest id that may be in it, of those between two.
    #[must_use]
    pub fn narrow(self, low: Uuid, high: Uuid) -> (Uuid, Uuid) {
        match (self.after, self.ascending) {
            (None, _) => (low, high),
            (Some(after), true) => (low.max(next(after)), high),
            (Some(after), false) => (low, high.min(previous(after))),
        }
    }
}

const fn next(id: Uuid) -> Uuid {
    Uuid::from_u128(id.as_u128().saturating_add(1))
}

const fn previous(id: Uuid) -> Uuid {
    Uuid::from_u128(id.as_u128().saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_begins_after_its_cursor_in_its_order() {
        let id = Uuid::from_u128;
        let window = |ascending, after| Window { ascending, after, limit: 1 };
        assert_eq!(window(true, None).narrow(id(1), id(9)), (id(1), id(9)));
        assert_eq!(window(true, Some(id(5))).narrow(id(1), id(9)), (id(6), id(9)));
        assert_eq!(window(false, Some(id(5))).narrow(id(1), id(9)), (id(1), id(4)));
        assert_eq!(window(false, Some(id(20))).narrow(id(1), id(9)), (id(1), id(9)));
    }
}
