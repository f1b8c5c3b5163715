//! An answer in time: its tokens at their pace, with the holds and faults between them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::fault::Rule;
use crate::hold::{Holds, Ticket};

/// A malformed answer begins like any other.
const GARBLED_AFTER_TOKENS: usize = 2;

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The answer begins.
    Open,
    /// A token.
    Piece(String),
    /// All was said.
    Done,
    /// Something that isn't JSON, then the end.
    Garbled,
    /// The connection breaks.
    Cut,
}

/// How fast an answer comes when no rule says otherwise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) first_token: Duration,
    pub(crate) token_delay: Duration,
}

impl Pace {
    pub(crate) fn with(self, rule: &Rule) -> Self {
        let millis = |ms: Option<u64>, otherwise| ms.map_or(otherwise, Duration::from_millis);
        Self {
            first_token: millis(rule.first_token_ms, self.first_token),
            token_delay: millis(rule.token_delay_ms, if rule.endless { Duration::ZERO } else { self.token_delay }),
        }
    }
}

/// One answer on its way.
pub(crate) struct Playback {
    pieces: VecDeque<String>,
    sent: usize,
    opened: bool,
    due: Instant,
    pace: Pace,
    hold_after: Option<usize>,
    cut_after: Option<usize>,
    malformed: bool,
    endless: bool,
    holds: Arc<Holds>,
    ticket: Ticket,
    stopped: CancellationToken,
}

impl Playback {
    pub(crate) fn new(
        pieces: Vec<String>,
        pace: Pace,
        rule: &Rule,
        (holds, ticket): (Arc<Holds>, Ticket),
        stopped: CancellationToken,
    ) -> Self {
        Self {
            pieces: pieces.into(),
            sent: 0,
            opened: false,
            due: Instant::now() + pace.first_token,
            pace,
            hold_after: rule.hold_after_tokens,
            cut_after: rule.cut_after_tokens,
            malformed: rule.malformed,
            endless: rule.endless,
            holds,
            ticket,
            stopped,
        }
    }

    /// The next event, when its time has come. A server that stops cuts.
    pub(crate) async fn next(&mut self) -> Event {
        let stopped = self.stopped.clone();
        tokio::select! {
            biased;
            () = stopped.cancelled() => Event::Cut,
            event = self.play() => event,
        }
    }

    async fn play(&mut self) -> Event {
        if !self.opened {
            self.wait().await;
            self.opened = true;
            return Event::Open;
        }
        if self.reached(self.hold_after) {
            self.hold_after = None;
            self.holds.wait(self.ticket).await;
            self.due = Instant::now();
        }
        if self.reached(self.cut_after) {
            return Event::Cut;
        }
        if self.malformed && self.reached(Some(GARBLED_AFTER_TOKENS)) {
            return Event::Garbled;
        }
        if self.pieces.is_empty() {
            return Event::Done;
        }
        if self.sent > 0 {
            // Counted from when the last token was due, so that delays don't add up; but a client
            // that read slowly doesn't get the rest in one burst.
            let now = Instant::now();
            let earliest = now.checked_sub(self.pace.token_delay).unwrap_or(now);
            self.due = (self.due + self.pace.token_delay).max(earliest);
            self.wait().await;
        }
        self.sent += 1;
        let Some(piece) = self.pieces.pop_front() else { return Event::Done };
        if self.endless {
            self.pieces.push_back(piece.clone());
        }
        Event::Piece(piece)
    }

    /// Whether so many tokens were sent; an answer that has fewer reaches it with its last.
    fn reached(&self, tokens: Option<usize>) -> bool {
        tokens.is_some_and(|tokens| self.sent >= tokens || self.pieces.is_empty())
    }

    async fn wait(&self) {
        if self.due > Instant::now() {
            sleep_until(self.due).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn playback(rule: &Rule) -> Playback {
        let holds = Arc::new(Holds::new());
        let ticket = holds.ticket();
        let pace = Pace { first_token: Duration::ZERO, token_delay: Duration::ZERO };
        let pieces = ["a", " b", " c"].map(str::to_owned).to_vec();
        Playback::new(pieces, pace.with(rule), rule, (holds, ticket), CancellationToken::new())
    }

    async fn all(mut playback: Playback) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let event = playback.next().await;
            let last = !matches!(event, Event::Open | Event::Piece(_));
            events.push(event);
            if last {
                return events;
            }
        }
    }

    #[tokio::test]
    async fn faults_come_after_their_tokens_and_at_the_latest_at_the_end() {
        let rule = Rule { cut_after_tokens: Some(1), ..Rule::default() };
        let events = all(playback(&rule)).await;
        assert_eq!(events, [Event::Open, Event::Piece("a".into()), Event::Cut]);
        let rule = Rule { cut_after_tokens: Some(99), ..Rule::default() };
        let events = all(playback(&rule)).await;
        assert_eq!((events.len(), events.last()), (5, Some(&Event::Cut)));
        let rule = Rule { malformed: true, ..Rule::default() };
        assert_eq!(all(playback(&rule)).await.last(), Some(&Event::Garbled));
    }

    #[tokio::test]
    async fn the_pace_is_kept() {
        let rule = Rule { first_token_ms: Some(20), token_delay_ms: Some(10), ..Rule::default() };
        let began = Instant::now();
        assert_eq!(all(playback(&rule)).await.last(), Some(&Event::Done));
        assert!(began.elapsed() >= Duration::from_millis(40));
    }

    #[tokio::test]
    async fn a_held_answer_goes_on_when_released() {
        let rule = Rule { hold_after_tokens: Some(0), ..Rule::default() };
        let playback = playback(&rule);
        let holds = playback.holds.clone();
        let played = tokio::spawn(all(playback));
        holds.wait_held(1, Duration::from_secs(5)).await;
        assert!(!played.is_finished());
        holds.release();
        assert_eq!(played.await.unwrap().last(), Some(&Event::Done));
    }

    #[tokio::test]
    async fn a_server_that_stops_cuts_what_is_held() {
        let rule = Rule { hold_after_tokens: Some(0), ..Rule::default() };
        let playback = playback(&rule);
        let stopped = playback.stopped.clone();
        let played = tokio::spawn(all(playback));
        stopped.cancel();
        assert_eq!(played.await.unwrap().last(), Some(&Event::Cut));
    }
}
