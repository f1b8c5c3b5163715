//! How much of the processors each part of a stack has used: what decides how many emails a machine writes, whatever else
//! it does meanwhile.

use std::time::Duration;

use serde::Serialize;

use super::times::ratio;
use crate::stack::ProcessLine;

/// The system counts in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);

/// What was used so far, by part; `None`: the system doesn't tell.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Used {
    worker: Option<Duration>,
    postgres: Option<Duration>,
    api: Option<Duration>,
    simulator: Option<Duration>,
    bench: Option<Duration>,
}

/// Milliseconds of processor time for an email.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct CpuMs {
    pub(super) all: Option<f64>,
    pub(super) worker: Option<f64>,
    /// With all of its processes.
    pub(super) postgres: Option<f64>,
    pub(super) api: Option<f64>,
    pub(super) simulator: Option<f64>,
    /// Who measures.
    pub(super) bench: Option<f64>,
}

impl Used {
    /// What these have used so far.
    pub(super) fn by(processes: &[ProcessLine]) -> Self {
        let stats = stats();
        let of = |role: &str| {
            let pids = processes.iter().filter(|process| process.role == role).map(|process| process.pid);
            pids.map(|pid| of_family(pid, &stats)).sum()
        };
        Self {
            worker: of("worker"),
            postgres: of("postgres"),
            api: of("api"),
            simulator: of("simulator"),
            bench: stats.iter().find(|stat| stat.pid == std::process::id()).map(|stat| stat.own),
        }
    }

    /// What was used since, for each of so many emails.
    pub(super) fn since(self, before: Self, emails: u64) -> CpuMs {
        let each = |after: Option<Duration>, before: Option<Duration>| {
            let used = after?.saturating_sub(before?);
            Some(ratio(used, Duration::from_millis(emails)))
        };
        let all = |used: Self| [used.worker, used.postgres, used.api, used.simulator, used.bench].into_iter().sum();
        CpuMs {
            all: each(all(self), all(before)),
            worker: each(self.worker, before.worker),
            postgres: each(self.postgres, before.postgres),
            api: each(self.api, before.api),
            simulator: each(self.simulator, before.simulator),
            bench: each(self.bench, before.bench),
        }
    }
}

impl CpuMs {
    /// For people.
    pub(super) fn line(&self) -> String {
        let of = |used: Option<f64>| used.map_or_else(|| "?".to_owned(), |used| used.to_string());
        format!(
            "{} ms: worker {}, PostgreSQL {}, api {}, simulator {}, bench {}",
            of(self.all),
            of(self.worker),
            of(self.postgres),
            of(self.api),
            of(self.simulator),
            of(self.bench)
        )
    }
}

/// A process as the system counts it.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    pid: u32,
    parent: u32,
    own: Duration,
    /// Of its children that have ended.
    ended: Duration,
}

/// A process with its children, those included that have ended: PostgreSQL has one for each connection.
fn of_family(pid: u32, stats: &[Stat]) -> Option<Duration> {
    let head = stats.iter().find(|stat| stat.pid == pid)?;
    let children: Duration = stats.iter().filter(|stat| stat.parent == pid).map(|stat| stat.own + stat.ended).sum();
    Some(head.own + head.ended + children)
}

/// All processes, where the system tells.
fn stats() -> Vec<Stat> {
    let Ok(folders) = std::fs::read_dir("/proc") else { return Vec::new() };
    let stat = |folder: std::fs::DirEntry| {
        let pid = folder.file_name().to_str()?.parse().ok()?;
        parse(pid, &std::fs::read_to_string(folder.path().join("stat")).ok()?)
    };
    folders.filter_map(|folder| stat(folder.ok()?)).collect()
}

/// `pid (name) state ppid …`: the name may hold spaces and brackets.
fn parse(pid: u32, line: &str) -> Option<Stat> {
    let (_, after) = line.rsplit_once(')')?;
    let fields: Vec<&str> = after.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<u32>().ok();
    let time = |user: usize, system: usize| Some(TICK * ticks(user)?.saturating_add(ticks(system)?));
    Some(Stat { pid, parent: ticks(1)?, own: time(11, 12)?, ended: time(13, 14)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(pid: u32, parent: u32, own: u32, ended: u32) -> Stat {
        Stat { pid, parent, own: TICK * own, ended: TICK * ended }
    }

    #[test]
    fn a_process_is_read_from_the_systems_words() {
        let line = "7 (a (b) c) S 3 7 7 0 -1 4194560 1 2 3 4 150 50 30 20 20 0 1 0 99 1 2";
        assert_eq!(parse(7, line), Some(stat(7, 3, 200, 50)));
        assert_eq!(parse(7, "7 (a"), None);
        assert!(stats().is_empty() || stats().iter().any(|stat| stat.pid == std::process::id()));
    }

    #[test]
    fn a_family_is_a_process_its_children_and_those_that_are_gone() {
        let stats = [stat(1, 0, 10, 5), stat(2, 1, 20, 1), stat(3, 1, 30, 0), stat(4, 2, 400, 0)];
        assert_eq!(of_family(1, &stats), Some(TICK * 66));
        assert_eq!(of_family(9, &stats), None);
    }

    #[test]
    fn what_the_system_does_not_tell_is_not_made_up() {
        let used = |worker| Used { worker, ..Used::default() };
        let each = used(Some(TICK * 300)).since(used(Some(TICK * 100)), 1_000);
        assert_eq!((each.worker, each.postgres, each.all), (Some(2.0), None, None));
    }
}
