//! Ports on loopback: the one that was asked for, or the next free one.

use std::net::{Ipv4Addr, TcpListener};

use crate::problem::{Exit, Problem};

/// How many ports are tried after the one that was asked for.
const TRIES: u16 = 200;

/// Whether nobody listens there.
fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// The port asked for, or the next free one after it, none of `taken`.
pub(crate) fn from(first: u16, taken: &[u16]) -> anyhow::Result<u16> {
    (first..=first.saturating_add(TRIES)).find(|port| !taken.contains(port) && is_free(*port)).ok_or_else(|| {
        Problem::new(Exit::Failed, format!("no port from {first} on is free"))
            .fix("name another one, e.g. --port 18080")
            .into()
    })
}

/// Any free port.
pub(crate) fn any() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_gives_the_next_free_one() {
        let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let held = holder.local_addr().unwrap().port();
        let next = from(held, &[]).unwrap();
        assert!(next > held);
        assert!(from(held, &[next]).unwrap() > next);
    }

    #[test]
    fn a_free_port_is_given_as_asked() {
        let free = any().unwrap();
        assert_eq!(from(free, &[]).unwrap(), free);
    }
}
