//! Answers held half-way until the control says go on.

use std::time::Duration;

use tokio::sync::watch;

/// The requests that wait, and the call that lets them go.
pub(crate) struct Holds {
    held: watch::Sender<usize>,
    releases: watch::Sender<u64>,
}

/// What a request saw when its rule was chosen: a release after that lets it pass, even when it
/// reaches its hold only later. Without it a test that releases early would hang.
#[derive(Clone, Copy)]
pub(crate) struct Ticket(u64);

struct Held<'a>(&'a Holds);

impl<'a> Held<'a> {
    fn enter(holds: &'a Holds) -> Self {
        holds.held.send_modify(|held| *held += 1);
        Self(holds)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.held.send_modify(|held| *held = held.saturating_sub(1));
    }
}

impl Holds {
    pub(crate) fn new() -> Self {
        Self { held: watch::Sender::new(0), releases: watch::Sender::new(0) }
    }

    pub(crate) fn ticket(&self) -> Ticket {
        Ticket(*self.releases.borrow())
    }

    /// Waits for the next release; dropped (the client went away), it counts as held no more.
    pub(crate) async fn wait(&self, ticket: Ticket) {
        let mut releases = self.releases.subscribe();
        if *releases.borrow() != ticket.0 {
            return;
        }
        let held = Held::enter(self);
        drop(releases.wait_for(|releases| *releases != ticket.0).await);
        drop(held);
    }

    pub(crate) fn release(&self) {
        self.releases.send_modify(|releases| *releases += 1);
    }

    pub(crate) fn held(&self) -> usize {
        *self.held.borrow()
    }

    /// Returns when at least `wanted` requests are held, or when the time is over.
    pub(crate) async fn wait_held(&self, wanted: usize, at_most: Duration) {
        let mut held = self.held.subscribe();
        let enough = held.wait_for(|held| *held >= wanted);
        drop(tokio::time::timeout(at_most, enough).await);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test]
    async fn a_release_lets_the_held_go_and_a_drop_is_no_longer_counted() {
        let holds = Arc::new(Holds::new());
        let ticket = holds.ticket();
        let waiting = tokio::spawn({
            let holds = holds.clone();
            async move { holds.wait(ticket).await }
        });
        let dropped = tokio::spawn({
            let holds = holds.clone();
            async move { holds.wait(ticket).await }
        });
        holds.wait_held(2, Duration::from_secs(5)).await;
        assert_eq!(holds.held(), 2);
        dropped.abort();
        assert!(dropped.await.is_err());
        assert_eq!(holds.held(), 1);
        holds.release();
        waiting.await.unwrap();
        assert_eq!(holds.held(), 0);
    }

    #[tokio::test]
    async fn a_release_before_the_hold_lets_it_pass() {
        let holds = Holds::new();
        let ticket = holds.ticket();
        holds.release();
        holds.wait(ticket).await;
    }

    #[tokio::test]
    async fn waiting_for_holds_ends_with_its_time() {
        Holds::new().wait_held(1, Duration::from_millis(5)).await;
    }
}
