//! What this worker knows of a model: whether it may be called, how much of its limit is drawn, how many calls are under way.
//! What decides is in the database; this saves asking it for each call, and says when to come back.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hellosales_core::breaker::{Key, OpenState};
use hellosales_core::limit::{DRAWN_FOR, Limit, Short};
use hellosales_core::queue::SnoozeReason;

use super::aimd::Aimd;
use super::ramp;

/// While nobody knows when it is over: asked again after so long.
const UNKNOWN: Duration = Duration::from_secs(30);
/// Nobody sleeps longer for one moment: an operator may lift what stands there. Longer than a breaker is open by itself.
pub(super) const LONGEST: Duration = Duration::from_secs(90);
/// A place is looked for again within these.
const SHORTLY: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];

/// Why a model can't be called now, and when it may be worth another look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shut {
    pub(super) wait: Duration,
    pub(super) reason: SnoozeReason,
    pub(super) detail: String,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker {
    /// Somebody waits for the answer in person.
    pub(super) in_person: bool,
    /// Prompt and answer, at most.
    pub(super) tokens: u32,
}

/// Whether anything stands against a call, as far as is known here.
#[derive(Debug)]
pub(super) enum Stands {
    Open,
    /// The breaker is open, and its time has come: a probe may go.
    Probe,
    Shut(Shut),
}

/// Whether a call is within the limit.
#[derive(Debug)]
pub(super) enum Drawn {
    Here,
    /// There is nothing here: the row has to be asked.
    Ask,
}

#[derive(Debug)]
pub(super) struct Gate {
    pub(super) key: Key,
    state: Mutex<State>,
    /// One judge at a time.
    pub(super) judging: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct State {
    broken: Option<Broken>,
    paused: Option<Instant>,
    limit: Option<Limit>,
    requests: u32,
    tokens: u32,
    drawn_until: Instant,
    /// When the next one who waits for the limit, or for a place, is asked to come: those who don't wait in person, and those who do.
    next: [Option<Instant>; 2],
    /// How many wait for the breaker or the pause, alike.
    line: [u64; 2],
    /// So many workers share what comes back.
    workers: u64,
    aimd: Aimd,
    unused: u32,
    told: Option<(Option<i64>, Option<i64>)>,
}

#[derive(Debug, Clone, Copy)]
struct Broken {
    until: Option<Instant>,
    probing: Option<Instant>,
    /// Since when a probe is known to be under way.
    probed_since: Instant,
    tripped: bool,
}

impl Gate {
    pub(super) fn new(key: Key, at_once: u32) -> Self {
        let state = State {
            broken: None,
            paused: None,
            limit: None,
            requests: 0,
            tokens: 0,
            drawn_until: Instant::now(),
            next: [None; 2],
            line: [0; 2],
            workers: 1,
            aimd: Aimd::new(at_once),
            unused: 0,
            told: None,
        };
        Self { key, state: Mutex::new(state), judging: tokio::sync::Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn stands(&self, asker: Asker) -> Stands {
        let (mut state, now) = (self.state(), Instant::now());
        if let Some(broken) = state.broken {
            if broken.until.is_some_and(|until| until <= now) && broken.probing.is_none_or(|until| until <= now) {
                return Stands::Probe;
            }
            return Stands::Shut(self.broken(&mut state, broken, now, asker.in_person));
        }
        match state.paused.and_then(|until| until.checked_duration_since(now)) {
            Some(left) if !left.is_zero() => Stands::Shut(self.paused(&mut state, left, asker.in_person)),
            _ => Stands::Open,
        }
    }

    fn broken(&self, state: &mut State, broken: Broken, now: Instant, in_person: bool) -> Shut {
        let left = broken.until.map(|until| until.saturating_duration_since(now));
        let wait = match left {
            None => UNKNOWN.mul_f64(rand::random_range(1.0..1.2)),
            // A probe is under way: as long again as it has been already.
            Some(left) if left.is_zero() => {
                let ran = now.saturating_duration_since(broken.probed_since);
                ran.clamp(Duration::from_secs(1), Duration::from_secs(10)).mul_f64(rand::random_range(1.0..1.5))
            }
            Some(left) if left > LONGEST => UNKNOWN.mul_f64(rand::random_range(1.0..1.2)),
            Some(left) => left + state.slot(in_person),
        };
        let what = if broken.tripped { "stopped by an operator" } else { "down, its breaker is open" };
        Shut { wait, reason: SnoozeReason::ProviderDown, detail: format!("{}: {what}", self.key.provider) }
    }

    fn paused(&self, state: &mut State, left: Duration, in_person: bool) -> Shut {
        let wait =
            if left > LONGEST { UNKNOWN.mul_f64(rand::random_range(1.0..1.2)) } else { left + state.slot(in_person) };
        Shut { wait, reason: SnoozeReason::RateLimited, detail: format!("{}: rate limited", self.key.provider) }
    }

    /// Whether its breaker is known to be open.
    pub(super) fn is_broken(&self) -> bool {
        self.state().broken.is_some()
    }

    /// What the breaker's row says.
    pub(super) fn learn_breaker(&self, open: Option<OpenState>) {
        let (mut state, now) = (self.state(), Instant::now());
        let Some(open) = open else {
            state.broken = None;
            return;
        };
        let before = state.broken;
        let until = open.wait.map(|wait| now + wait);
        let is_later = match (before.map(|before| before.until), until) {
            (None, _) => true,
            (Some(Some(before)), Some(until)) => until > before + Duration::from_secs(1),
            (Some(before), until) => before.is_some() != until.is_some(),
        };
        if is_later {
            state.line = [0; 2];
            state.aimd.down();
        }
        let probed_since = before.filter(|before| before.probing.is_some()).map_or(now, |before| before.probed_since);
        let probing = open.probing.map(|left| now + left);
        state.broken = Some(Broken { until, probing, probed_since, tripped: open.tripped });
    }

    /// A probe is under way, somebody's.
    pub(super) fn learn_probe(&self, lease: Duration) {
        let (mut state, now) = (self.state(), Instant::now());
        if let Some(broken) = &mut state.broken {
            broken.probed_since = now;
            broken.probing = Some(now + lease);
        }
    }

    /// What the limit's row says of pauses.
    pub(super) fn learn_pause(&self, left: Option<Duration>) {
        let (mut state, now) = (self.state(), Instant::now());
        let until = left.map(|left| now + left);
        if state.paused.is_none_or(|before| before <= now) {
            state.line = if state.broken.is_none() { [0; 2] } else { state.line };
        }
        state.paused = until;
    }

    /// What its limits are, and how many workers share what comes back.
    pub(super) fn learn_limit(&self, limit: Option<Limit>) {
        self.state().limit =
            limit.filter(|limit| limit.requests_per_minute.is_some() || limit.tokens_per_minute.is_some());
    }

    pub(super) fn learn_workers(&self, workers: i64) {
        self.state().workers = u64::try_from(workers).unwrap_or(1).max(1);
    }

    /// The provider said 429.
    pub(super) fn limited(&self, wait: Duration) {
        self.learn_pause(Some(wait));
        self.state().aimd.limited(Instant::now());
    }

    /// Takes a place among the calls that may be under way.
    pub(super) fn enter(self: &Arc<Self>, in_person: bool) -> Result<Permit, Shut> {
        let mut state = self.state();
        if state.aimd.enter(in_person) {
            return Ok(Permit(Arc::clone(self)));
        }
        let each = state.aimd.takes / state.aimd.window().max(1);
        let most = if in_person { Duration::from_millis(300) } else { SHORTLY[1] };
        let wait = state.turn(in_person, Duration::ZERO, each).clamp(SHORTLY[0], most);
        let detail = format!("{}: {} calls at once", self.key.provider, state.aimd.window());
        Err(Shut { wait: wait.mul_f64(rand::random_range(1.0..1.2)), reason: SnoozeReason::RateLimited, detail })
    }

    /// Takes a place beyond them.
    pub(super) fn force(self: &Arc<Self>) -> Permit {
        self.state().aimd.force();
        Permit(Arc::clone(self))
    }

    /// Takes from what is drawn.
    pub(super) fn take(&self, asker: Asker) -> Drawn {
        let mut state = self.state();
        let needs_tokens = match &state.limit {
            None => return Drawn::Here,
            Some(limit) => limit.tokens_per_minute.is_some(),
        };
        let tokens = if needs_tokens { asker.tokens } else { 0 };
        if state.drawn_until <= Instant::now() || state.requests == 0 || state.tokens < tokens {
            return Drawn::Ask;
        }
        state.requests -= 1;
        state.tokens -= tokens;
        Drawn::Here
    }

    /// Puts down a block, less what the one who drew it needs.
    pub(super) fn put(&self, asker: Asker, requests: u32, tokens: u32) {
        let (mut state, now) = (self.state(), Instant::now());
        if state.drawn_until <= now {
            (state.requests, state.tokens) = (0, 0);
        }
        // What is older goes with what is new: a second, not longer.
        let fresh = state.requests == 0 && state.tokens == 0;
        state.requests = state.requests.saturating_add(requests.saturating_sub(1));
        state.tokens = state.tokens.saturating_add(tokens.saturating_sub(asker.tokens));
        if fresh {
            state.drawn_until = now + DRAWN_FOR;
        }
    }

    /// Over the limit: when to come back, one after another.
    pub(super) fn over(&self, asker: Asker, wait: Duration, short: Short) -> Shut {
        let mut state = self.state();
        let workers = u32::try_from(state.workers).unwrap_or(u32::MAX);
        let limit = state.limit.clone();
        let rates = limit.map_or((None, None), |limit| (limit.requests_per_minute, limit.tokens_per_minute));
        let a_minute = Duration::from_secs(60);
        let (detail, each) = match (short, rates) {
            (Short::Requests, (Some(rate), _)) => {
                (format!("{rate} requests a minute"), a_minute / rate.unsigned_abs().max(1))
            }
            (Short::Tokens, (_, Some(rate))) => {
                (format!("{rate} tokens a minute"), a_minute * asker.tokens.max(1) / rate.unsigned_abs().max(1))
            }
            _ => ("rate limited".to_owned(), Duration::from_millis(100)),
        };
        let wait = state.turn(asker.in_person, wait, each.saturating_mul(workers));
        let detail = format!("{}: {detail}", self.key.provider);
        Shut { wait: wait.max(Duration::from_millis(1)), reason: SnoozeReason::RateLimited, detail }
    }

    /// A call's first token came, or its whole answer.
    pub(super) fn well(&self, first_token: Option<Duration>, took: Duration) {
        self.state().aimd.well(Instant::now(), first_token, took);
    }

    /// Of what was drawn for a call so many tokens were not used.
    pub(super) fn unused(&self, tokens: u32) {
        let mut state = self.state();
        if state.limit.as_ref().is_some_and(|limit| limit.tokens_per_minute.is_some()) {
            state.unused = state.unused.saturating_add(tokens);
        }
    }

    pub(super) fn told(&self, requests_left: Option<u64>, tokens_left: Option<u64>) {
        if requests_left.is_some() || tokens_left.is_some() {
            let number = |left: Option<u64>| left.and_then(|left| i64::try_from(left).ok());
            self.state().told = Some((number(requests_left), number(tokens_left)));
        }
    }

    /// What is to be written of it, once.
    #[expect(clippy::type_complexity, reason = "what two columns hold")]
    pub(super) fn to_tell(&self) -> (u32, Option<(Option<i64>, Option<i64>)>) {
        let mut state = self.state();
        (std::mem::take(&mut state.unused), state.told.take())
    }
}

impl State {
    /// The next slot of those who wait for the same moment.
    fn slot(&mut self, in_person: bool) -> Duration {
        let Some(line) = self.line.get_mut(usize::from(in_person)) else { return Duration::ZERO };
        // Of several workers each has a place of the line for itself.
        let place = *line * self.workers + rand::random_range(0..self.workers);
        *line += 1;
        ramp::slot(place)
    }

    /// The next turn of those who wait for their share of a rate: `each` apart, the first after `wait`.
    fn turn(&mut self, in_person: bool, wait: Duration, each: Duration) -> Duration {
        let now = Instant::now();
        let Some(next) = self.next.get_mut(usize::from(in_person)) else { return wait };
        let turn = next.map_or(now + wait, |next| next.max(now + wait));
        *next = Some(turn + each);
        turn.saturating_duration_since(now)
    }
}

/// A place among the calls under way; free again when this is dropped.
#[derive(Debug)]
pub(super) struct Permit(Arc<Gate>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.state().aimd.leave();
    }
}

#[cfg(test)]
mod tests;
