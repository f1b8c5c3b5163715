//! stdout is data, stderr is talk.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::config;

/// How this program is called from here, as it can be pasted into a shell.
pub(crate) fn this_program() -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("hellosales"));
    pasteable(&in_its_place(&program), &here)
}

/// Built anew while it runs, a program's old file is gone and the new one is in its place.
fn in_its_place(path: &Path) -> PathBuf {
    let text = path.to_string_lossy();
    text.strip_suffix(" (deleted)").filter(|_| !path.exists()).map_or_else(|| path.to_owned(), PathBuf::from)
}

fn pasteable(program: &Path, here: &Path) -> String {
    let short = match program.strip_prefix(here) {
        Ok(below) if below.components().count() > 1 => below,
        _ => program,
    };
    let text = short.display().to_string();
    let plain = text.chars().all(|c| c.is_alphanumeric() || "/._+-".contains(c));
    if plain { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// How data is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// For people with room: all columns.
    Wide,
    /// For programs.
    Json,
    /// For programs, a line for each.
    Jsonl,
    /// For spreadsheets; where it is no list, as for people.
    Csv,
}

/// A colour of the terminal.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Paint {
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
    Cyan,
}

impl Paint {
    const fn code(self) -> &'static str {
        match self {
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Red => "31",
            Self::Green => "32",
            Self::Yellow => "33",
            Self::Cyan => "36",
        }
    }
}

/// Where a command writes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// How data is shown.
    pub(crate) format: Format,
    quiet: bool,
    color: bool,
}

impl Output {
    /// As asked on the command line; no colours where nobody sees them.
    pub(crate) fn new(format: Format, quiet: bool, no_color: bool) -> Self {
        let no_color = no_color || config::optional("NO_COLOR").is_some();
        let color = !no_color && io::stderr().is_terminal() && io::stdout().is_terminal();
        Self { format, quiet, color }
    }

    /// The same, in this format.
    pub(crate) const fn in_format(self, format: Format) -> Self {
        Self { format, ..self }
    }

    /// The text in a colour, if colours are seen.
    pub(crate) fn paint(self, paint: Paint, text: &str) -> String {
        if self.color { format!("\u{1b}[{}m{text}\u{1b}[0m", paint.code()) } else { text.to_owned() }
    }

    /// A line of talk. Nobody listening is no fault.
    pub(crate) fn say(self, line: impl AsRef<str>) {
        if !self.quiet {
            drop(writeln!(io::stderr(), "{}", line.as_ref()));
        }
    }

    /// Whether anybody wants to see how far it is.
    pub(crate) const fn shows_progress(self) -> bool {
        !self.quiet
    }

    /// A question, also when quiet.
    pub(crate) fn ask(self, text: &str) {
        let mut stderr = io::stderr();
        drop(write!(stderr, "{text}").and_then(|()| stderr.flush()));
    }

    /// Talk without a line's end, at once.
    pub(crate) fn say_part(self, text: &str) {
        if !self.quiet {
            let mut stderr = io::stderr();
            drop(write!(stderr, "{text}").and_then(|()| stderr.flush()));
        }
    }

    /// An error, also when quiet.
    pub(crate) fn error(self, text: &str) {
        let painted = match text.split_once(':') {
            Some((head, rest)) => format!("{}:{rest}", self.paint(Paint::Red, head)),
            None => text.to_owned(),
        };
        drop(writeln!(io::stderr(), "{painted}"));
    }

    /// A line of data.
    pub(crate) fn data(self, line: impl AsRef<str>) -> io::Result<()> {
        writeln!(io::stdout(), "{}", line.as_ref())
    }

    /// Data without a line's end, at once: what streams.
    pub(crate) fn data_part(self, text: &str) -> io::Result<()> {
        let mut stdout = io::stdout();
        write!(stdout, "{text}")?;
        stdout.flush()
    }

    /// Begins anew at the top, where somebody looks at a terminal; elsewhere what comes is just more.
    pub(crate) fn clear_screen(self) -> io::Result<()> {
        let is_seen = io::stdout().is_terminal() && matches!(self.format, Format::Table | Format::Wide);
        if is_seen { self.data_part("\u{1b}[H\u{1b}[2J") } else { Ok(()) }
    }

    /// One JSON document on a line.
    pub(crate) fn json(self, value: &impl Serialize) -> anyhow::Result<()> {
        Ok(self.data(serde_json::to_string(value)?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_built_anew_while_it_runs_is_found_in_its_place() {
        assert_eq!(in_its_place(Path::new("/nowhere/hellosales (deleted)")), Path::new("/nowhere/hellosales"));
        assert_eq!(in_its_place(Path::new("/bin/sh")), Path::new("/bin/sh"));
    }

    #[test]
    fn the_program_is_named_so_that_a_shell_finds_it_from_here() {
        for (program, here, shown) in [
            ("/home/x/hs/target/debug/hellosales", "/home/x/hs", "target/debug/hellosales"),
            ("/usr/local/bin/hellosales", "/home/x", "/usr/local/bin/hellosales"),
            ("/opt/hellosales", "/opt", "/opt/hellosales"),
            ("/home/x/my target/it's/hellosales", "/home/x/hs", r"'/home/x/my target/it'\''s/hellosales'"),
        ] {
            assert_eq!(pasteable(Path::new(program), Path::new(here)), shown);
        }
    }
}
