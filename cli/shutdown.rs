//! When to stop: a signal, or the death of the parent.

use std::io::Read;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that fires at Ctrl-C, SIGTERM or SIGHUP; with `exit_with_parent` also when stdin closes, which is how
/// the death of the parent shows, however it died.
pub(crate) fn token(exit_with_parent: bool) -> anyhow::Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let fired = token.clone();
    let wait = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
        fired.cancel();
    };
    // Lives as long as the process.
    drop(tokio::spawn(wait));
    if exit_with_parent {
        let fired = token.clone();
        // A thread, since a blocked read of stdin would hold the runtime back at the end.
        drop(std::thread::spawn(move || {
            let mut buffer = [0_u8; 64];
            let mut stdin = std::io::stdin();
            while matches!(stdin.read(&mut buffer), Ok(1..)) {}
            fired.cancel();
        }));
    }
    Ok(token)
}
