//! Which database a command means, and what it says when it isn't there.

use hellosales_core::database::{health, migrate};
use hellosales_core::{Database, DatabaseConfig, DatabaseError, Role};

use crate::Global;
use crate::config;
use crate::data_dir::DataDir;
use crate::problem::{Exit, Problem};

/// What a login needs that migrates, and that the parts log in with.
const LACKS_RIGHTS: &str = "use a login that owns the database and may create roles; as a superuser, once:\n\
    ALTER DATABASE name OWNER TO login;  ALTER ROLE login CREATEROLE;\n\
    and if another login made the roles here before:\n\
    GRANT hellosales_api, hellosales_worker, hellosales_fanout, hellosales_operator TO login WITH ADMIN OPTION;";

/// `--database-url`, else `DATABASE_URL`, else the cluster that a `dev` runs in the default folder.
pub(crate) fn url(global: &Global) -> anyhow::Result<String> {
    if let Some(url) = chosen(global) {
        return Ok(url);
    }
    let data_dir = DataDir::resolve(None)?;
    data_dir.holder().and_then(|holder| holder.database_url).ok_or_else(|| {
        Problem::new(Exit::Unreachable, "no database was named, and no 'hellosales dev' runs in .hellosales")
            .fix("hellosales dev    in another terminal, or DATABASE_URL=postgres://…, or --database-url")
            .into()
    })
}

/// `--database-url`, else `DATABASE_URL`.
pub(crate) fn chosen(global: &Global) -> Option<String> {
    global.database_url.clone().or_else(|| config::optional("DATABASE_URL"))
}

/// Opens it in a role.
pub(crate) fn open(url: &str, role: Role, name: &str) -> anyhow::Result<Database> {
    let config = DatabaseConfig::new(url.to_owned().into(), name);
    Database::new(&config, role).map_err(|error| unreachable(error, url))
}

/// Refuses a database that may forget what it has confirmed, unless told that this is wanted.
pub(crate) async fn refuse_unsafe(url: &str) -> anyhow::Result<()> {
    let off = health::unsafe_settings(url).await.map_err(|error| unreachable(error, url))?;
    if off.is_empty() {
        return Ok(());
    }
    if config::optional("ALLOW_UNSAFE_DATABASE").as_deref() == Some("true") {
        tracing::warn!(settings = off.join(", "), "this database may forget what it has confirmed");
        return Ok(());
    }
    let list = off.join(", ");
    Err(Problem::new(Exit::Failed, format!("the database may forget what it has confirmed: {list} off"))
        .fix(format!("turn {list} on, or accept the loss (a test database): ALLOW_UNSAFE_DATABASE=true"))
        .into())
}

/// Refuses a schema that this program is too new for. One that is newer than it is fine.
pub(crate) async fn refuse_behind(url: &str) -> anyhow::Result<()> {
    let status = match migrate::status(url).await {
        Ok(status) => status,
        // A login that may not look: the first statement tells.
        Err(error) if error.sqlstate().as_deref() == Some("42501") => return Ok(()),
        Err(error) => return Err(unreachable(error, url)),
    };
    let Some(first) = status.pending.first() else { return Ok(()) };
    let (missing, known) = (status.pending.len(), migrate::known());
    let what = format!(
        "NOT_READY: the schema is older than this program: {missing} of {known} migrations are missing, from {} {}",
        first.version, first.description
    );
    Err(Problem::new(Exit::Failed, what).fix("hellosales migrate").into())
}

/// The error of a database that can't be reached, or that refuses.
pub(crate) fn unreachable(error: DatabaseError, url: &str) -> anyhow::Error {
    let place = place(url);
    let (what, fix) = match error.sqlstate().as_deref() {
        Some("28P01" | "28000") => {
            (format!("the database at {place} refuses this login"), "correct the user and password in DATABASE_URL")
        }
        Some("3D000") => (
            format!("the server at {place} has no such database"),
            "make it (createdb), or correct the name in DATABASE_URL",
        ),
        Some("42501") => {
            let said = error.server_message().unwrap_or("permission denied");
            return Problem::new(
                Exit::NotAllowed,
                format!("the login lacks rights in the database at {place}: {said}"),
            )
            .fix(LACKS_RIGHTS)
            .into();
        }
        Some("42P01" | "42704" | "42883" | "22023") => {
            (format!("the database at {place} has no schema of ours"), "hellosales migrate")
        }
        Some(_) => return error.into(),
        None => (
            format!("the database at {place} can't be reached"),
            "start it, or correct DATABASE_URL; 'hellosales dev' brings one of its own",
        ),
    };
    // The server's words are enough where it has any; what the driver wraps around them is noise.
    match error.server_message() {
        Some(said) => Problem::new(Exit::Unreachable, format!("{what}: {said}")).fix(fix).into(),
        None => anyhow::Error::from(error).context(Problem::new(Exit::Unreachable, what).fix(fix)),
    }
}

/// Host, port and name, without user and password.
fn place(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    rest.split_once('?').map_or(rest, |(place, _)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_named_without_its_password() {
        assert_eq!(place("postgres://a:b@127.0.0.1:5432/x?sslmode=disable"), "127.0.0.1:5432/x");
        assert_eq!(place("postgres://a:p@ss@h/x"), "h/x");
        assert_eq!(place("h/x"), "h/x");
    }
}
