//! How many streams are followed, by whom: bounded per person and per organisation.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use hellosales_core::{OrgId, UserId};
use uuid::Uuid;

/// The open streams of this process.
#[derive(Debug, Clone)]
pub(crate) struct Streams {
    open: Arc<Mutex<HashMap<Uuid, usize>>>,
    per_user: usize,
    per_org: usize,
}

/// One open stream; counted until it is dropped.
#[derive(Debug)]
pub(crate) struct OpenStream {
    open: Arc<Mutex<HashMap<Uuid, usize>>>,
    counted: [Uuid; 2],
}

impl Streams {
    pub(crate) fn new(per_user: usize, per_org: usize) -> Self {
        Self { open: Arc::default(), per_user, per_org }
    }

    /// Counts one more; `None` if that is too many.
    pub(crate) fn open(&self, user: UserId, org: OrgId) -> Option<OpenStream> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = |id: Uuid, most: usize| open.get(&id).copied().unwrap_or(0) < most;
        if !has_room(user.uuid(), self.per_user) || !has_room(org.uuid(), self.per_org) {
            return None;
        }
        let counted = [user.uuid(), org.uuid()];
        for id in counted {
            *open.entry(id).or_default() += 1;
        }
        Some(OpenStream { open: Arc::clone(&self.open), counted })
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for id in self.counted {
            if let Some(count) = open.get_mut(&id) {
                *count -= 1;
                if *count == 0 {
                    open.remove(&id);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_bounded_by_person_and_organisation_and_given_back() {
        let streams = Streams::new(1, 2);
        let (org, ana, ben, cem) = (OrgId::new(), UserId::new(), UserId::new(), UserId::new());
        let first = streams.open(ana, org).unwrap();
        assert!(streams.open(ana, org).is_none());
        let second = streams.open(ben, org).unwrap();
        assert!(streams.open(cem, org).is_none());
        drop(first);
        assert!(streams.open(cem, org).is_some());
        drop(second);
        assert!(streams.open.lock().unwrap().is_empty());
    }
}
