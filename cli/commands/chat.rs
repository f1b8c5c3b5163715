//! `hellosales chat`: a conversation in the terminal. Ctrl-C stops the turn; at the prompt it ends the command.

use std::io::{BufRead, IsTerminal};
use std::process::ExitCode;

use hellosales_core::OrgId;
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::Global;
use crate::caller::Caller;
use crate::client::{Api, Event, Reading};
use crate::output::{Output, Paint, this_program};
use crate::problem::Exit;
use crate::seed;

/// What it takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Go on with this session
    #[arg(long, value_name = "ID")]
    session: Option<Uuid>,
    #[command(flatten)]
    caller: Caller,
}

pub(crate) async fn run(args: Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let api = args.caller.connect(global)?;
    let org = OrgId::from(api.organization().await?);
    let session = match args.session {
        Some(session) => {
            // Whoever types a first message should know before that nobody would read it.
            api.session(session).await?;
            session
        }
        None => new_session(&api, org, Caller::org(global)).await?,
    };
    output.say(output.paint(Paint::Dim, &format!("session {session}; Ctrl-C stops an answer, Ctrl-D ends")));
    let mut lines = read_lines();
    let mut interrupt = signal(SignalKind::interrupt())?;
    loop {
        if std::io::stdin().is_terminal() {
            output.say_part(&output.paint(Paint::Bold, "you: "));
        }
        let line = tokio::select! {
            line = lines.recv() => line,
            _ = interrupt.recv() => return Ok(Exit::Interrupted.into()),
        };
        let Some(line) = line else { break };
        if !line.trim().is_empty() {
            turn(&api, session, &line, &mut interrupt, output).await?;
        }
    }
    output.say(format!("go on with it: {} chat --session {session}", this_program()));
    Ok(ExitCode::SUCCESS)
}

async fn turn(api: &Api, session: Uuid, message: &str, interrupt: &mut Signal, output: Output) -> anyhow::Result<()> {
    let run = api.say(session, message).await?;
    let mut follow = api.follow(run.id);
    let mut reading = Reading::default();
    loop {
        let event = tokio::select! {
            event = follow.next() => event?,
            _ = interrupt.recv() => {
                // A turn that has just ended has nothing left to stop.
                drop(api.cancel(run.id).await);
                continue;
            }
        };
        match event {
            Some(Event::Delta { field, text }) => output.data_part(&reading.next(field.as_deref(), &text))?,
            Some(Event::Snapshot(said)) => {
                said.iter().try_for_each(|(field, text)| output.data_part(&reading.next(field.as_deref(), text)))?;
            }
            Some(Event::Reset(why)) => output.data_part(&format!("\n[{why}: from the beginning]\n"))?,
            Some(Event::Waiting(why)) => output.say(output.paint(Paint::Yellow, &format!("[waits: {why}]"))),
            Some(Event::Started { stage, attempt }) if attempt > 1 => {
                output.say(output.paint(Paint::Yellow, &format!("[{stage}, attempt {attempt}]")));
            }
            Some(Event::Started { .. }) => {}
            Some(Event::Ended(run)) => {
                output.data("")?;
                match (run.status.as_str(), run.error) {
                    ("cancelled", _) => output.say(output.paint(Paint::Dim, "[stopped]")),
                    ("failed", Some(error)) => output.say(format!("[failed: {}: {}]", error.code, error.message)),
                    _ => {}
                }
                return Ok(());
            }
            None => return Ok(()),
        }
    }
}

/// The demo organisation's sessions are about its first product and client.
async fn new_session(api: &Api, org: OrgId, name: &str) -> anyhow::Result<Uuid> {
    if name == seed::ORGANIZATION {
        let seeded = json!({"product_id": seed::product_id(org, 0), "client_id": seed::client_id(org, 0)});
        if let Ok(session) = api.create_session(&seeded).await {
            return Ok(session);
        }
    }
    api.create_session(&json!({})).await
}

/// Lines of stdin, read on a thread: a blocked read would hold the runtime back.
fn read_lines() -> mpsc::Receiver<String> {
    let (send, lines) = mpsc::channel(1);
    drop(std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if send.blocking_send(line).is_err() {
                return;
            }
        }
    }));
    lines
}
