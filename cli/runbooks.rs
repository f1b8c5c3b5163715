//! The runbooks, held against this program: no page names a command that isn't there.

use std::path::{Path, PathBuf};

use clap::Parser;

/// What ops.md's list asks for, by the pages' names.
const PAGES: [&str; 19] = [
    "provider-down",
    "rate-limited",
    "queue-age",
    "dead-letters-spike",
    "worker-crash-loop",
    "no-worker-for-version",
    "database-down",
    "connections-exhausted",
    "bloat",
    "listen-lost",
    "budget-exhausted",
    "runaway-batch",
    "jwks-unreachable",
    "bad-deploy",
    "restore-from-backup",
    "rotate-keys",
    "delete-an-organisation",
    "upgrade-postgresql",
    "scaling",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations")
}

/// The commands of a page's console blocks, as a shell would split them; pipes and redirections end one.
fn commands(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut is_console = false;
    for line in text.lines() {
        if line.starts_with("```") {
            is_console = line == "```console";
        } else if let Some(command) = line.strip_prefix("$ ").filter(|_| is_console) {
            for part in command.split(['|', ';']).map(|part| part.trim().trim_start_matches("watch ")) {
                if let Some(rest) = part.strip_prefix("hellosales ") {
                    found.push(words(rest));
                }
            }
        }
    }
    found
}

/// Words, of which some are quoted.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in text.chars() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (None, ' ') => words.push(String::new()),
            (None, '>') => break,
            (_, c) => words.last_mut().expect("one").push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn every_page_is_there_says_the_four_things_and_names_commands_that_parse() {
    for page in PAGES {
        let path = folder().join(format!("{page}.md"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("no page {page}"));
        if page != "scaling" {
            for head in
                ["## What you see", "## Is it urgent", "## Three commands", "## How you know it is over", "## Tried"]
            {
                assert!(text.contains(head), "{page} lacks '{head}'");
            }
            let all = commands(&text);
            assert!(!all.is_empty(), "{page} names no command");
        }
    }
    for entry in std::fs::read_dir(folder()).expect("a folder") {
        let path = entry.expect("a file").path();
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        for command in commands(&text) {
            let args = std::iter::once("hellosales").chain(command.iter().map(String::as_str));
            if let Err(error) = crate::Cli::try_parse_from(args) {
                panic!("{}: {command:?}: {error}", path.display());
            }
        }
    }
}

#[test]
fn a_pages_commands_are_read_as_a_shell_reads_them() {
    let page =
        "```console\n$ hellosales runs list --error 'PROVIDER_*' -o json | jq length\n! out\n```\n$ hellosales no\n";
    assert_eq!(commands(page), [["runs", "list", "--error", "PROVIDER_*", "-o", "json"]]);
}
