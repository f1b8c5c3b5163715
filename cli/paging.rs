//! PAGE: a list comes in pages; where the next one begins is said on stderr.

use std::fmt::Display;

use hellosales_core::pulse::window::Window;
use uuid::Uuid;

use crate::output::Output;
use crate::problem::{Exit, Problem};

/// Which part of a list.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Page")]
pub(crate) struct PageArgs {
    /// So many
    #[arg(long, value_name = "N", default_value = "50", value_parser = clap::value_parser!(u16).range(1..=1_000))]
    limit: u16,
    /// Those after these: as the last list said
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    /// -created: the newest first; created: the oldest first
    #[arg(long, value_name = "ORDER", default_value = "-created", allow_hyphen_values = true, value_parser = ["-created", "created"])]
    sort: String,
}

/// A page of a list that is read by id, since ids are in the order in which things were made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page(Window);

impl PageArgs {
    /// The page that is meant.
    pub(crate) fn read(&self) -> Result<Page, Problem> {
        let after = match &self.cursor {
            Some(cursor) => Some(Uuid::try_parse(cursor).map_err(|_| no_cursor(cursor))?),
            None => None,
        };
        let ascending = self.sort == "created";
        Ok(Page(Window { ascending, after, limit: i64::from(self.limit) + 1 }))
    }
}

impl PageArgs {
    /// The page of a list of steps, whose place is a run and a stage: `RUN:STAGE`.
    pub(crate) fn read_steps(&self) -> Result<(Page, Option<i16>), Problem> {
        let Some((run, stage)) = self.cursor.as_deref().and_then(|cursor| cursor.split_once(':')) else {
            return Ok((self.read()?, None));
        };
        let stage = stage.parse().map_err(|_| no_cursor(run))?;
        Ok((Self { cursor: Some(run.to_owned()), ..self.clone() }.read()?, Some(stage)))
    }
}

fn no_cursor(text: &str) -> Problem {
    Problem::new(Exit::Usage, format!("'{text}' is no cursor")).fix("take the one that the last list said")
}

impl Page {
    /// What is read of the list: one row more than is shown, since then it is known whether there are more.
    pub(crate) const fn window(self) -> Window {
        self.0
    }

    fn shown(self) -> usize {
        usize::try_from(self.0.limit - 1).unwrap_or(usize::MAX)
    }

    /// What is shown of what was read.
    pub(crate) fn cut<T>(self, rows: &[T]) -> &[T] {
        rows.get(..self.shown()).unwrap_or(rows)
    }

    /// Says where the next page begins, if there is one.
    pub(crate) fn say_next<T, C: Display>(self, rows: &[T], cursor: impl Fn(&T) -> C, output: Output) {
        if rows.len() > self.shown()
            && let Some(last) = self.cut(rows).last()
        {
            output.say(format!("more: --cursor {}", cursor(last)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_reads_one_row_more_than_it_shows() {
        let args = PageArgs { limit: 2, cursor: None, sort: "-created".to_owned() };
        let page = args.read().unwrap();
        assert_eq!((page.window().limit, page.window().ascending), (3, false));
        assert_eq!((page.cut(&[1, 2, 3]), page.cut(&[1, 2]), page.cut(&[1])), (&[1, 2][..], &[1, 2][..], &[1][..]));
        let wrong = PageArgs { cursor: Some("x".to_owned()), ..args };
        assert!(wrong.read().is_err());
    }
}
