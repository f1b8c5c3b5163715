//! Where PostgreSQL's programs are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::config;
use crate::problem::{Exit, Problem};

/// The oldest version that the schema runs on.
const OLDEST: u32 = 15;

/// A folder with PostgreSQL's programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Binaries {
    folder: PathBuf,
    /// The major version.
    pub(crate) version: u32,
}

impl Binaries {
    /// `PG_BIN`, else of `PATH` and where Debian and Homebrew put them the wanted version, or the newest.
    pub(crate) fn find(wanted: Option<u32>) -> anyhow::Result<Self> {
        if let Some(folder) = config::optional("PG_BIN") {
            return Self::in_folder(Path::new(&folder)).ok_or_else(|| {
                Problem::new(Exit::Failed, format!("PG_BIN={folder} has no PostgreSQL {OLDEST} or newer in it"))
                    .fix("name the folder that holds initdb and postgres, or unset PG_BIN")
                    .into()
            });
        }
        let path = config::optional("PATH").unwrap_or_default();
        let on_path = std::env::split_paths(&path).filter_map(|folder| real_folder(&folder));
        let mut found: Vec<Self> = on_path.chain(packaged()).filter_map(|folder| Self::in_folder(&folder)).collect();
        found.sort_by_key(|binaries| std::cmp::Reverse((Some(binaries.version) == wanted, binaries.version)));
        found.into_iter().next().ok_or_else(|| {
            Problem::new(Exit::Failed, format!("no PostgreSQL {OLDEST} or newer on this machine"))
                .fix(
                    "scripts/quickstart, or by hand\n\
                     Debian, Ubuntu:  sudo apt-get install postgresql\n\
                     macOS:           brew install postgresql@17\n\
                     elsewhere:       set PG_BIN to the folder of its programs, or DATABASE_URL to a server",
                )
                .into()
        })
    }

    /// One of its programs.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn in_folder(folder: &Path) -> Option<Self> {
        let all = ["initdb", "pg_ctl", "postgres"].iter().all(|name| folder.join(name).is_file());
        let said = all.then(|| Command::new(folder.join("postgres")).arg("--version").output().ok()).flatten()?;
        let version = major(&String::from_utf8_lossy(&said.stdout))?;
        (version >= OLDEST).then(|| Self { folder: folder.to_owned(), version })
    }
}

/// The folder that a `pg_ctl` of this folder really lies in: links lead there, wrappers don't.
fn real_folder(folder: &Path) -> Option<PathBuf> {
    let real = fs::canonicalize(folder.join("pg_ctl")).ok()?;
    real.parent().map(Path::to_owned)
}

fn packaged() -> Vec<PathBuf> {
    let below = |folder: &str, inside: &'static str| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(move |entry| entry.path().join(inside)).collect::<Vec<_>>()
    };
    ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"]
        .iter()
        .flat_map(|folder| below(folder, "bin"))
        .collect()
}

/// `postgres (PostgreSQL) 15.18 (Debian …)` is 15.
fn major(said: &str) -> Option<u32> {
    let number = said.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_what_postgres_says() {
        assert_eq!(major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(major("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(major("bash: postgres: command not found"), None);
    }

    #[test]
    fn a_folder_without_the_server_is_none() {
        assert_eq!(Binaries::in_folder(Path::new("/usr/bin")), None);
        assert_eq!(Binaries::in_folder(Path::new("/nowhere")), None);
    }
}
