//! `hellosales config`: every setting, and where its value comes from.

use std::process::ExitCode;

use crate::Global;
use crate::config::optional;
use crate::list::{Column, List};
use crate::output::Output;

/// Every setting, with its default.
const EXAMPLE: &str = include_str!("../../.env.example");
/// A value that nobody shall read over a shoulder.
const MASK: &str = "••••••";

/// What it takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Every setting with its value; secrets are masked
    Show(ShowArgs),
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// Say where each value comes from
    #[arg(long)]
    origin: bool,
}

#[derive(Debug)]
struct Setting {
    name: &'static str,
    value: String,
    origin: &'static str,
}

static COLUMNS: &[Column<Setting>] = &[
    Column::new("name", "setting", |setting| setting.name.into()),
    Column::new("value", "value", |setting| (&setting.value).into()),
    Column::wide("origin", "from", |setting| setting.origin.into()),
];

pub(crate) fn run(args: &Args, global: &Global, output: Output) -> anyhow::Result<ExitCode> {
    let Command::Show(args) = &args.command;
    let mut columns: Vec<Column<Setting>> = COLUMNS.to_vec();
    for column in &mut columns {
        column.is_wide &= !args.origin;
    }
    let list = List::new(&columns, global, output)?;
    let settings: Vec<Setting> = names().map(|(name, default)| setting(name, default, global)).collect();
    list.show(&settings)
}

/// The settings of the example, with their defaults.
fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    let pair = |line: &'static str| {
        let (name, default) = line.split_once('=')?;
        let is_name =
            !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
        is_name.then_some((name, default))
    };
    EXAMPLE.lines().filter_map(pair)
}

fn setting(name: &'static str, default: &'static str, global: &Global) -> Setting {
    let flag = match name {
        "DATABASE_URL" => global.database_url.clone(),
        "API_URL" => global.api_url.clone(),
        _ => None,
    };
    let (value, origin) = match (flag, optional(name)) {
        (Some(value), _) => (value, "flag"),
        (None, Some(value)) => (value, "environment"),
        // The example's is no default: without one, it is that of the `dev` that runs here.
        (None, None) if name == "DATABASE_URL" => (String::new(), "unset"),
        (None, None) if default.is_empty() => (String::new(), "unset"),
        (None, None) => (default.to_owned(), "default"),
    };
    Setting { name, value: masked(name, &value), origin }
}

/// The value, without what is secret in it.
fn masked(name: &str, value: &str) -> String {
    let is_secret = ["_KEY", "SECRET", "TOKEN", "PASSWORD"].iter().any(|part| name.ends_with(part));
    if is_secret && !value.is_empty() {
        return MASK.to_owned();
    }
    // A URL may carry a password, and another in its query.
    let Some((scheme, rest)) = value.split_once("://") else { return value.to_owned() };
    let (authority, path) = rest.find(['/', '?']).and_then(|at| rest.split_at_checked(at)).unwrap_or((rest, ""));
    let authority = match authority.rsplit_once('@') {
        Some((user, place)) => {
            let user = user.split_once(':').map_or(user, |(user, _)| user);
            format!("{user}:{MASK}@{place}")
        }
        None => authority.to_owned(),
    };
    let path = match path.split_once('?') {
        Some((path, query)) if query.to_lowercase().contains("pass") => format!("{path}?{MASK}"),
        _ => path.to_owned(),
    };
    format!("{scheme}://{authority}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        for (name, value, shown) in [
            ("GROQ_API_KEY", "gsk_1", MASK.to_owned()),
            ("GROQ_API_KEY", "", String::new()),
            ("DATABASE_URL", "postgres://u:p@ss@h:1/d", format!("postgres://u:{MASK}@h:1/d")),
            ("DATABASE_URL", "postgres://h/d?password=x&a=b", format!("postgres://h/d?{MASK}")),
            ("DATABASE_URL", "postgres://h/d?sslmode=disable", "postgres://h/d?sslmode=disable".to_owned()),
            ("WORKER_SLOTS", "64", "64".to_owned()),
        ] {
            assert_eq!(masked(name, value), shown, "{name}={value}");
        }
    }

    #[test]
    fn every_setting_of_the_example_is_there_once() {
        let all: Vec<&str> = names().map(|(name, _)| name).collect();
        assert!(all.contains(&"DATABASE_URL") && all.contains(&"WORKER_SLOTS"), "{all:?}");
        let unique: std::collections::BTreeSet<&&str> = all.iter().collect();
        assert_eq!(unique.len(), all.len());
    }
}
