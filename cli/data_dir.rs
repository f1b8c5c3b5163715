//! The folder of a development installation: the cluster, the issuer's key, the logs, and who holds it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::private_postgres::Account;
use crate::problem::{Exit, Problem};

/// Where it is unless told otherwise.
const DEFAULT: &str = ".hellosales";
/// Where it is when the user `postgres` can't reach it.
const REACHABLE: &str = "/var/lib/hellosales";

/// The folder.
#[derive(Debug, Clone)]
pub(crate) struct DataDir {
    path: PathBuf,
}

/// Who holds a folder.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Holder {
    /// `dev` or `demo`.
    pub(crate) command: String,
    /// Its process.
    pub(crate) pid: u32,
    /// Its api, once there is one.
    pub(crate) url: Option<String>,
    /// Its database, once there is one. The file is its owner's alone.
    pub(crate) database_url: Option<String>,
}

/// The folder is ours as long as this lives; the system lets go of it however we end.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

impl DataDir {
    /// The folder asked for, or the default; moved where the cluster's account can reach it.
    pub(crate) fn resolve(asked: Option<&Path>) -> anyhow::Result<Self> {
        let asked = asked.unwrap_or(Path::new(DEFAULT));
        let path = std::path::absolute(asked).with_context(|| format!("{} is no folder", asked.display()))?;
        // Without the account there is no private cluster here, so nobody else needs to reach the folder.
        let moved = match Account::for_cluster() {
            Ok(Some(account)) if !account.can_enter(&path) => Path::new(REACHABLE).join(name_of(&path)),
            _ => path,
        };
        Ok(Self { path: moved })
    }

    /// The folder itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Something in it.
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The log of a process.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.path.join("logs").join(format!("{name}.log"))
    }

    /// The issuer's key.
    pub(crate) fn issuer_key(&self) -> PathBuf {
        self.path.join("issuer.der")
    }

    /// Makes the folder, if it isn't there. Others may pass through it, and see nothing in it.
    pub(crate) fn create(&self) -> anyhow::Result<()> {
        let is_new = !self.path.exists();
        let made = fs::create_dir_all(self.path.join("logs")).and_then(|()| {
            // A folder that was there before keeps its rights and its place in git.
            if is_new {
                fs::set_permissions(&self.path, fs::Permissions::from_mode(0o711))?;
                fs::write(self.path.join(".gitignore"), "*\n")?;
            }
            Ok(())
        });
        made.map_err(|error| {
            Problem::new(Exit::Failed, format!("{} can't be written: {error}", self.path.display()))
                .fix("name a folder that can be, e.g. --data-dir ~/.hellosales")
                .into()
        })
    }

    /// Takes the folder for this process, or says who has it.
    pub(crate) fn lock(&self, command: &str) -> anyhow::Result<Lock> {
        let path = self.join("lock");
        let open = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path);
        let file = open.with_context(|| format!("{} can't be opened", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(self.held().into()),
            Err(TryLockError::Error(error)) => return Err(error).context("the folder can't be locked"),
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        let mut lock = Lock { file };
        lock.write(&Holder { command: command.to_owned(), pid: std::process::id(), url: None, database_url: None })?;
        Ok(lock)
    }

    /// Who holds the folder, if somebody does.
    pub(crate) fn holder(&self) -> Option<Holder> {
        let mut file = File::open(self.join("lock")).ok()?;
        if !matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)) {
            return None;
        }
        let mut text = String::new();
        file.read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }

    fn held(&self) -> Problem {
        let who = self.holder().map_or_else(
            || "another process".to_owned(),
            |holder| {
                let at = holder.url.map_or_else(String::new, |url| format!(", {url}"));
                format!("'hellosales {}' (pid {}{at})", holder.command, holder.pid)
            },
        );
        Problem::new(Exit::WrongState, format!("{} is in use by {who}", self.path.display())).fix(
            "use the one that runs, stop it (Ctrl-C in its terminal), or start another beside it: --data-dir .hellosales/second",
        )
    }
}

impl Lock {
    /// Says where the api and the database are.
    pub(crate) fn serving(&mut self, command: &str, url: &str, database_url: &str) -> anyhow::Result<()> {
        let (url, database_url) = (Some(url.to_owned()), Some(database_url.to_owned()));
        self.write(&Holder { command: command.to_owned(), pid: std::process::id(), url, database_url })
    }

    fn write(&mut self, holder: &Holder) -> anyhow::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        Ok(serde_json::to_writer(&self.file, holder).map(|()| self.file.flush())??)
    }
}

/// A name for the folder that stands for its path: readable, and its own.
fn name_of(path: &Path) -> String {
    let text = path.to_string_lossy();
    // FNV-1a: the same in every build, which the standard hasher doesn't promise.
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let words: Vec<&str> = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let readable: String = words.join("-").chars().take(60).collect();
    format!("{readable}-{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> DataDir {
        let path = std::env::temp_dir().join(format!("hellosales-{name}-{}", std::process::id()));
        let folder = DataDir { path };
        folder.create().unwrap();
        folder
    }

    #[test]
    fn the_name_of_a_path_is_its_own_and_stays() {
        assert_eq!(name_of(Path::new("/home/x/.hellosales")), "home-x-hellosales-615cd66d3b996617".to_owned());
        assert_ne!(name_of(Path::new("/home/x/.hellosales")), name_of(Path::new("/home/x-hellosales")));
        assert!(name_of(&PathBuf::from("/a".repeat(400))).len() < 100);
    }

    #[test]
    fn a_folder_has_one_holder_and_the_second_is_told_who() {
        let folder = folder("lock");
        assert!(folder.holder().is_none());
        let mut lock = folder.lock("dev").unwrap();
        lock.serving("dev", "http://127.0.0.1:1", "postgres://x").unwrap();
        let refused = folder.lock("demo").unwrap_err().to_string();
        assert!(
            refused.contains(&format!("'hellosales dev' (pid {}, http://127.0.0.1:1)", std::process::id())),
            "{refused}"
        );
        drop(lock);
        drop(folder.lock("demo").unwrap());
        fs::remove_dir_all(folder.path()).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_answered_with_another() {
        let folder = DataDir { path: PathBuf::from("/proc/hellosales") };
        let (text, _) = crate::problem::explain(&folder.create().unwrap_err());
        assert!(text.contains("--data-dir"), "{text}");
    }
}
