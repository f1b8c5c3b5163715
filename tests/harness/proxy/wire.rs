//! The frontend/backend protocol, as far as the proxy reads it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::control::Control;

const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;
const CANCEL_REQUEST: u32 = 80_877_102;
/// A message is at most this long; PostgreSQL's own bound is a gigabyte.
const MAX_MESSAGE: usize = 64 * 1024 * 1024;

/// One message: its type, and what follows its length.
pub(super) struct Message {
    kind: u8,
    body: Vec<u8>,
}

/// How a connection begins.
#[derive(PartialEq, Eq)]
pub(super) enum Start {
    Session,
    CancelRequest,
}

/// What to do with a message of the server.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Forward,
    Withhold,
    Cut,
}

/// What the server has still to answer, in order.
enum Pending {
    Execute {
        swallow: bool,
    },
    /// A Sync or a simple Query: answered by ReadyForQuery.
    Ready {
        swallow: bool,
    },
}

#[derive(Default)]
struct State {
    statements: HashMap<Vec<u8>, String>,
    portals: HashMap<Vec<u8>, String>,
    pending: VecDeque<Pending>,
    /// An answer is being swallowed: nothing goes to the client, and at ReadyForQuery the connection is cut.
    swallowing: bool,
}

/// One connection's state, seen by both directions.
pub(super) struct Link {
    pub(super) control: Arc<Control>,
    state: Mutex<State>,
}

impl Link {
    pub(super) fn new(control: Arc<Control>) -> Self {
        Self { control, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic under this lock")
    }

    /// The untyped first messages. TLS is refused, a session's start passes.
    pub(super) async fn start(
        &self,
        client: &mut OwnedReadHalf,
        to_client: &mut OwnedWriteHalf,
        to_server: &mut OwnedWriteHalf,
    ) -> Option<Start> {
        loop {
            let length = client.read_u32().await.ok()?;
            let mut body = vec![0; usize::try_from(length).ok()?.checked_sub(4)?.min(MAX_MESSAGE)];
            client.read_exact(&mut body).await.ok()?;
            let code = u32::from_be_bytes(body.get(..4)?.try_into().ok()?);
            if code == SSL_REQUEST || code == GSS_REQUEST {
                to_client.write_all(b"N").await.ok()?;
                continue;
            }
            to_server.write_u32(length).await.ok()?;
            to_server.write_all(&body).await.ok()?;
            return Some(if code == CANCEL_REQUEST { Start::CancelRequest } else { Start::Session });
        }
    }

    /// Reads what the client wants, rewrites it, and waits where it must.
    pub(super) async fn client_says(&self, mut message: Message) -> Message {
        match message.kind {
            b'P' => self.parse(&mut message),
            b'B' => self.bind(&message),
            b'E' => {
                let portal = cut_string(&message.body).0.to_vec();
                let sql = self.state().portals.get(&portal).cloned().unwrap_or_default();
                let swallow = self.executes(&sql).await;
                self.state().pending.push_back(Pending::Execute { swallow });
            }
            b'Q' => {
                let sql = self.control.rewritten(&text(cut_string(&message.body).0));
                message.body = [sql.as_bytes(), b"\0"].concat();
                let swallow = self.executes(&sql).await;
                self.state().pending.push_back(Pending::Ready { swallow });
            }
            b'S' => self.state().pending.push_back(Pending::Ready { swallow: false }),
            _ => {}
        }
        message
    }

    async fn executes(&self, sql: &str) -> bool {
        let (swallow, gate) = self.control.executes(sql);
        if let Some(gate) = gate {
            gate.wait().await;
        }
        swallow
    }

    fn parse(&self, message: &mut Message) {
        let (name, rest) = cut_string(&message.body);
        let (sql, types) = cut_string(rest);
        let sql = self.control.rewritten(&text(sql));
        let body = [name, b"\0", sql.as_bytes(), b"\0", types].concat();
        self.state().statements.insert(name.to_vec(), sql);
        message.body = body;
    }

    fn bind(&self, message: &Message) {
        let (portal, rest) = cut_string(&message.body);
        let statement = cut_string(rest).0;
        let mut state = self.state();
        let sql = state.statements.get(statement).cloned().unwrap_or_default();
        state.portals.insert(portal.to_vec(), sql);
    }

    /// Follows the server's answers to what was asked.
    pub(super) fn server_says(&self, message: &Message) -> Step {
        let mut state = self.state();
        if let Some(Pending::Execute { swallow: true } | Pending::Ready { swallow: true }) = state.pending.front() {
            state.swallowing = true;
        }
        match message.kind {
            b'A' if self.control.drops_notifications() => return Step::Withhold,
            // CommandComplete, EmptyQueryResponse, PortalSuspended; of a simple Query ReadyForQuery counts.
            b'C' | b'I' | b's' => {
                if matches!(state.pending.front(), Some(Pending::Execute { .. })) {
                    state.pending.pop_front();
                }
            }
            // The rest up to the Sync is skipped.
            b'E' => {
                while matches!(state.pending.front(), Some(Pending::Execute { .. })) {
                    state.pending.pop_front();
                }
            }
            b'Z' => {
                state.pending.pop_front();
                if state.swallowing {
                    return Step::Cut;
                }
            }
            _ => {}
        }
        if state.swallowing { Step::Withhold } else { Step::Forward }
    }
}

fn cut_string(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|&byte| byte == 0) {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &[]),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// One message; `None` at the end.
pub(super) async fn read(from: &mut OwnedReadHalf) -> Option<Message> {
    let kind = from.read_u8().await.ok()?;
    let length = usize::try_from(from.read_u32().await.ok()?).ok()?.checked_sub(4)?;
    if length > MAX_MESSAGE {
        return None;
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body).await.ok()?;
    Some(Message { kind, body })
}

/// Sends a message whole.
pub(super) async fn write(to: &mut OwnedWriteHalf, message: &Message) -> Option<()> {
    let length = u32::try_from(message.body.len() + 4).ok()?;
    let bytes = [&[message.kind][..], &length.to_be_bytes(), &message.body].concat();
    to.write_all(&bytes).await.ok()
}
