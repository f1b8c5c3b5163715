//! The account that PostgreSQL runs as. It refuses to run as root, so a cluster started by root runs as `postgres`.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::problem::{Exit, Problem};

/// A line of /etc/passwd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account {
    /// The user's number.
    pub(crate) uid: u32,
    /// Its group's number.
    pub(crate) gid: u32,
}

impl Account {
    /// The account for the cluster: `None` means ours, since we aren't root.
    pub(crate) fn for_cluster() -> anyhow::Result<Option<Self>> {
        if !is_root() {
            return Ok(None);
        }
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        find(&passwd, "postgres").map(Some).ok_or_else(|| {
            Problem::new(Exit::Failed, "PostgreSQL does not run as root, and there is no user 'postgres' to run it as")
                .fix("apt-get install postgresql    (it makes the user), or start this as another user")
                .into()
        })
    }

    /// Whether this account may enter the folder, or the nearest parent of it that exists.
    pub(crate) fn can_enter(self, folder: &Path) -> bool {
        let Some(existing) = folder.ancestors().find(|ancestor| ancestor.is_dir()) else { return false };
        let mut test = Command::new("/bin/sh");
        test.args(["-c", "test -x \"$1\"", "sh"]).arg(existing).stdin(Stdio::null());
        test.stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/").uid(self.uid).gid(self.gid);
        test.status().is_ok_and(|status| status.success())
    }
}

/// A command that runs as the account, in a place that it can reach.
pub(crate) fn command(program: &Path, account: Option<Account>) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/");
    if let Some(account) = account {
        command.uid(account.uid).gid(account.gid);
    }
    command
}

/// Gives a file or folder to the account.
pub(crate) fn give(path: &Path, account: Option<Account>) -> anyhow::Result<()> {
    let Some(account) = account else { return Ok(()) };
    chown(path, Some(account.uid), Some(account.gid)).with_context(|| format!("{} has no other owner", path.display()))
}

/// Whether this process is root.
fn is_root() -> bool {
    // The owner of what this process is, as the kernel shows it; without /proc, the owner of a file just made.
    use std::os::unix::fs::MetadataExt;
    if let Ok(me) = fs::metadata("/proc/self") {
        return me.uid() == 0;
    }
    let probe = std::env::temp_dir().join(format!("hellosales-{}", std::process::id()));
    let owner = fs::File::create(&probe).and_then(|file| file.metadata()).map(|file| file.uid());
    drop(fs::remove_file(&probe));
    owner.is_ok_and(|uid| uid == 0)
}

fn find(passwd: &str, name: &str) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then_some(())?;
        let (uid, gid) = (fields.nth(1)?, fields.next()?);
        Some(Account { uid: uid.parse().ok()?, gid: gid.parse().ok()? })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\npostgres2:x:9:9::/:/bin/sh\npostgres:x:101:104:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash\n";
        assert_eq!(find(passwd, "postgres"), Some(Account { uid: 101, gid: 104 }));
        assert_eq!(find(passwd, "nobody"), None);
        assert_eq!(find("postgres:x:abc:1::/:/bin/sh\npostgres", "postgres"), None);
    }
}
