//! A PostgreSQL cluster of our own: made once, on loopback, with a password, durable like a real one.

mod account;
mod binaries;
mod keeper;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use anyhow::Context;
use futures::FutureExt;
use hellosales_core::{Database, DatabaseConfig, Role as DatabaseRole};

pub(crate) use account::Account;
pub(crate) use binaries::Binaries;
pub(crate) use keeper::keep;

use crate::data_dir::DataDir;
use crate::port;
use crate::problem::{Exit, Problem};
use crate::supervisor::{Role, Spec};

/// The cluster's owner, and the database's name.
const NAME: &str = "hellosales";

/// A cluster that can be started.
#[derive(Debug)]
pub(crate) struct PrivatePostgres {
    folder: PathBuf,
    password: String,
    /// Whether it was there before.
    pub(crate) existed: bool,
    /// PostgreSQL's major version.
    pub(crate) version: u32,
}

impl PrivatePostgres {
    /// Finds PostgreSQL's programs, and makes the cluster if there is none.
    pub(crate) fn prepare(data_dir: &DataDir) -> anyhow::Result<Self> {
        let folder = data_dir.join("postgres");
        let password_file = data_dir.join("postgres.password");
        let existed = folder.join("PG_VERSION").exists();
        let made_by = fs::read_to_string(folder.join("PG_VERSION")).ok().and_then(|text| text.trim().parse().ok());
        let binaries = Binaries::find(made_by)?;
        if made_by.is_some_and(|version: u32| version != binaries.version) {
            return Err(other_version(&folder, made_by.unwrap_or_default(), binaries.version).into());
        }
        let account = Account::for_cluster()?;
        if !existed {
            make(&binaries, account, &folder, &password_file)?;
        }
        let password = fs::read_to_string(&password_file)
            .with_context(|| format!("the cluster's password, {}, can't be read", password_file.display()))?;
        Ok(Self { folder, password: password.trim().to_owned(), existed, version: binaries.version })
    }

    /// The owner's URL.
    pub(crate) fn url(&self, port: u16) -> String {
        format!("postgres://{NAME}:{}@127.0.0.1:{port}/{NAME}", self.password)
    }

    /// How to start it: at the port that it had the last time, if that is free.
    pub(crate) fn spec(self: &Arc<Self>, data_dir: &DataDir) -> anyhow::Result<Spec> {
        let before = fs::read_to_string(self.folder.join("postmaster.opts")).ok().as_deref().and_then(last_port);
        let port = match before {
            Some(before) => port::from(before, &[])?,
            None => port::any()?,
        };
        let (folder, this) = (self.folder.display().to_string(), Arc::clone(self));
        let args = move |port: u16| {
            ["keep-postgres", "--exit-with-parent", "--folder", &folder, "--port", &port.to_string()]
                .map(str::to_owned)
                .to_vec()
        };
        Ok(Spec {
            role: Role::Postgres,
            name: "postgres".to_owned(),
            args: Arc::new(args),
            env: Vec::new(),
            port,
            log: data_dir.log("postgres"),
            ready: Arc::new(move |port| answers(this.url(port)).boxed()),
            pid_file: Some(self.folder.join("postmaster.pid")),
        })
    }
}

/// Whether a database can be reached.
pub(crate) async fn answers(url: String) -> bool {
    let config = DatabaseConfig::new(url.into(), "hellosales cli");
    match Database::new(&config, DatabaseRole::Login) {
        Ok(database) => database.connection().await.is_ok(),
        Err(_) => false,
    }
}

/// The port in the command line that a server was last started with.
fn last_port(options: &str) -> Option<u16> {
    let port = options.split('"').find_map(|word| word.strip_prefix("port="))?;
    port.parse().ok()
}

/// Makes a cluster: aside, and put in its place when it is whole.
fn make(binaries: &Binaries, account: Option<Account>, folder: &Path, password_file: &Path) -> anyhow::Result<()> {
    let unfinished = folder.with_extension("unfinished");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished)?;
    }
    fs::create_dir(&unfinished)?;
    fs::set_permissions(&unfinished, fs::Permissions::from_mode(0o700))?;
    account::give(&unfinished, account)?;
    let password =
        uuid::Uuid::now_v7().simple().to_string() + &hellosales_core::LeaseToken::random().uuid().simple().to_string();
    write_private(password_file, &password)?;
    // initdb reads the password as the cluster's account.
    let shown = folder.with_extension("initdb");
    write_private(&shown, &password)?;
    account::give(&shown, account)?;
    let locale = if cfg!(target_os = "linux") { "C.UTF-8" } else { "C" };
    let initdb = account::command(&binaries.program("initdb"), account)
        .arg("--pgdata")
        .arg(&unfinished)
        .arg("--pwfile")
        .arg(&shown)
        .args(["--username", NAME, "--auth", "scram-sha-256", "--encoding", "UTF8", "--data-checksums"])
        .args(["--locale", locale])
        .output();
    fs::remove_file(&shown)?;
    let initdb = initdb.context("initdb can't be started")?;
    if !initdb.status.success() {
        let said = String::from_utf8_lossy(&initdb.stderr).trim().to_owned();
        return Err(Problem::new(Exit::Failed, format!("initdb failed: {said}")).into());
    }
    create_database(binaries, account, &unfinished)?;
    fs::rename(&unfinished, folder).context("the new cluster can't be put in its place")
}

/// The database, made by a server for one user that listens nowhere.
fn create_database(binaries: &Binaries, account: Option<Account>, folder: &Path) -> anyhow::Result<()> {
    use std::io::Write;
    let mut server = account::command(&binaries.program("postgres"), account);
    server.arg("--single").arg("-D").arg(folder).arg("postgres");
    let mut server = server.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = server.stdin.take() {
        writeln!(stdin, "CREATE DATABASE {NAME}")?;
    }
    let ended = server.wait_with_output()?;
    let said = String::from_utf8_lossy(&ended.stderr);
    anyhow::ensure!(ended.status.success() && !said.contains("ERROR:"), "the database can't be made: {}", said.trim());
    Ok(())
}

fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = fs::OpenOptions::new();
    let file = options.create(true).truncate(true).write(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("{} can't be written", path.display()))
}

fn other_version(folder: &Path, made_by: u32, found: u32) -> Problem {
    Problem::new(
        Exit::WrongState,
        format!("the cluster in {} was made by PostgreSQL {made_by}, and here is PostgreSQL {found}", folder.display()),
    )
    .fix(format!(
        "install PostgreSQL {made_by}, set PG_BIN to its programs, or start anew: --data-dir .hellosales/pg{found}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_port_is_read_from_the_options_of_the_last_start() {
        let options = r#"/usr/lib/postgresql/15/bin/postgres "-D" "/x/port=9/y" "-c" "port=5544" "-c" "fsync=on""#;
        assert_eq!(last_port(options), Some(5544));
        assert_eq!(last_port(""), None);
    }
}
