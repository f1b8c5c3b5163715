//! What a test tells the proxy, and what it may ask it. A statement is named by a part of its text.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, watch};

/// The last so many statements are remembered.
const REMEMBERED: usize = 10_000;

/// What the proxy does. All of it can be changed while connections are open.
pub(crate) struct Control {
    rules: Mutex<Rules>,
    refuse: AtomicBool,
    drop_notifications: AtomicBool,
    blackhole: watch::Sender<bool>,
    cut: Notify,
}

#[derive(Default)]
struct Rules {
    delay: Duration,
    swallow: Vec<String>,
    hold: Vec<(String, Arc<Gate>)>,
    rewrite: Vec<(String, String)>,
    seen: VecDeque<String>,
}

/// A statement stands here, before it reaches the server, until it is let go.
pub(crate) struct Gate {
    reached: Semaphore,
    open: Semaphore,
}

impl Gate {
    /// Waits until the statement stands here.
    pub(crate) async fn reached(&self) {
        self.reached.acquire().await.expect("never closed").forget();
    }

    /// Lets it go on.
    pub(crate) fn release(&self) {
        self.open.add_permits(1);
    }
}

impl Default for Control {
    fn default() -> Self {
        Self {
            rules: Mutex::default(),
            refuse: AtomicBool::new(false),
            drop_notifications: AtomicBool::new(false),
            blackhole: watch::Sender::new(false),
            cut: Notify::new(),
        }
    }
}

impl Control {
    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().expect("no test panics while it holds the rules")
    }

    /// Each message of either side comes this much later.
    pub(crate) fn delay(&self, by: Duration) {
        self.rules().delay = by;
    }

    /// Nothing passes, and nobody is told; until it is switched off.
    pub(crate) fn blackhole(&self, on: bool) {
        self.blackhole.send_replace(on);
    }

    /// Cuts every open connection (RST).
    pub(crate) fn cut_all(&self) {
        self.cut.notify_waiters();
    }

    /// New connections are cut at once.
    pub(crate) fn refuse(&self, on: bool) {
        self.refuse.store(on, Ordering::SeqCst);
    }

    /// LISTEN goes on to say yes, but no notification arrives.
    pub(crate) fn drop_notifications(&self, on: bool) {
        self.drop_notifications.store(on, Ordering::SeqCst);
    }

    /// The next statement with this text is executed to its end, COMMIT included; then its connection is cut,
    /// and its answer is lost.
    pub(crate) fn swallow_answer(&self, text: &str) {
        self.rules().swallow.push(text.to_owned());
    }

    /// The next statement with this text waits at the gate, before the server has seen it.
    pub(crate) fn hold(&self, text: &str) -> Arc<Gate> {
        let gate = Arc::new(Gate { reached: Semaphore::new(0), open: Semaphore::new(0) });
        self.rules().hold.push((text.to_owned(), Arc::clone(&gate)));
        gate
    }

    /// In each statement prepared or sent from now on `from` stands as `to`.
    pub(crate) fn rewrite(&self, from: &str, to: &str) {
        self.rules().rewrite.push((from.to_owned(), to.to_owned()));
    }

    /// How many statements with this text were executed.
    pub(crate) fn count(&self, text: &str) -> usize {
        self.rules().seen.iter().filter(|sql| sql.contains(text)).count()
    }

    /// Whether an answer is still to be swallowed.
    pub(crate) fn has_swallowed(&self) -> bool {
        self.rules().swallow.is_empty()
    }

    pub(super) fn refuses(&self) -> bool {
        self.refuse.load(Ordering::SeqCst)
    }

    pub(super) fn drops_notifications(&self) -> bool {
        self.drop_notifications.load(Ordering::SeqCst)
    }

    pub(super) fn rewritten(&self, sql: &str) -> String {
        self.rules().rewrite.iter().fold(sql.to_owned(), |sql, (from, to)| sql.replace(from, to))
    }

    /// A statement is about to be executed: whether its answer is to be swallowed, and where it must wait.
    pub(super) fn executes(&self, sql: &str) -> (bool, Option<Arc<Gate>>) {
        let mut rules = self.rules();
        if rules.seen.len() == REMEMBERED {
            rules.seen.pop_front();
        }
        rules.seen.push_back(sql.to_owned());
        let swallow = rules.swallow.iter().position(|text| sql.contains(text.as_str()));
        let swallow = swallow.map(|n| rules.swallow.remove(n)).is_some();
        let hold = rules.hold.iter().position(|(text, _)| sql.contains(text.as_str()));
        (swallow, hold.map(|n| rules.hold.remove(n).1))
    }

    /// Waits out the delay and the blackhole.
    pub(super) async fn pass(&self) {
        let delay = self.rules().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let mut blackhole = self.blackhole.subscribe();
        blackhole.wait_for(|on| !on).await.ok();
    }

    pub(super) async fn cut(&self) {
        self.cut.notified().await;
    }
}

impl Gate {
    pub(super) async fn wait(&self) {
        self.reached.add_permits(1);
        self.open.acquire().await.expect("never closed").forget();
    }
}
