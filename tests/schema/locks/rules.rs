//! What is refused of a migration, and what to do instead.

use std::collections::BTreeSet;

use super::lexer::{Word, statements, table_made};

/// An index on these can't be built concurrently.
const PARTITIONED: [&str; 2] = ["provider_calls", "pipeline_events"];

struct File<'a> {
    /// The tables that may have rows.
    old: BTreeSet<&'a str>,
    /// Its first line says so.
    without_transaction: bool,
    /// Its first line says that nothing reads any more what it drops.
    is_contract: bool,
    /// How many statements it has.
    count: usize,
    /// It adds a constraint that isn't valid yet.
    adds_unchecked: bool,
}

/// What is refused of a file, given the tables that were there before it.
pub(super) fn refused(sql: &str, tables: &BTreeSet<String>) -> Vec<String> {
    let statements = statements(sql);
    let first = sql.lines().next().unwrap_or_default();
    let mut file = File {
        old: tables.iter().map(String::as_str).collect(),
        without_transaction: first.starts_with("-- no-transaction"),
        is_contract: first.starts_with("-- contract: ") && first.len() > 20,
        count: statements.len(),
        adds_unchecked: statements.iter().any(|words| has(words, &["not", "valid"])),
    };
    let mut faults = Vec::new();
    for words in &statements {
        if let Some(table) = table_made(words) {
            file.old.remove(table.as_str());
        }
        faults.extend(file.statement(words));
    }
    faults
}

/// Whether these words stand there one after the other.
fn has(words: &[Word], sought: &[&str]) -> bool {
    words.windows(sought.len()).any(|some| some.iter().zip(sought).all(|(word, sought)| word.is(sought)))
}

/// The first word that is none of these.
fn past<'w>(words: &'w [Word], skipped: &[&str]) -> &'w [Word] {
    let n = words.iter().take_while(|word| skipped.contains(&word.plain())).count();
    &words[n..]
}

fn name(words: &[Word]) -> &str {
    words.first().map_or("", Word::plain)
}

impl File<'_> {
    fn statement(&self, words: &[Word]) -> Vec<String> {
        let all: Vec<&str> = words.iter().map(Word::plain).collect();
        match all.as_slice() {
            ["create", "index" | "unique", ..] => self.create_index(words).into_iter().collect(),
            ["drop", "index", third, ..] if *third != "concurrently" => {
                vec!["DROP INDEX takes CONCURRENTLY".to_owned()]
            }
            ["alter", "table", ..] => self.alter(words),
            ["drop", "table" | "view" | "function" | "materialized", ..] if !self.is_contract => {
                vec!["DROP is for a contract: say so in the first line (-- contract: why nothing reads it)".to_owned()]
            }
            ["truncate" | "lock" | "vacuum" | "cluster" | "reindex" | "refresh", ..] => {
                vec![format!("{} locks a whole table", all[0].to_uppercase())]
            }
            ["do", ..] => hidden(words),
            ["update" | "delete" | "insert" | "with" | "merge", ..] => self.write(words).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    fn create_index(&self, words: &[Word]) -> Option<String> {
        let on = words.iter().position(|word| word.is("on"))?;
        let only = words.get(on + 1).is_some_and(|word| word.is("only"));
        let table = name(past(&words[on + 1..], &["only"]));
        if !self.old.contains(table) {
            return None;
        }
        let is_concurrent = has(words, &["index", "concurrently"]);
        let is_partitioned = PARTITIONED.contains(&table);
        match (is_partitioned, is_concurrent) {
            (true, false) if only => None,
            (true, _) => Some(format!(
                "an index on {table} is made ON ONLY it, then on each partition CONCURRENTLY, and attached"
            )),
            (false, false) => Some(format!("an index on {table} is built CONCURRENTLY")),
            (false, true) if !self.without_transaction => {
                Some("CONCURRENTLY needs -- no-transaction as the file's first line".to_owned())
            }
            (false, true) if self.count > 1 => Some("CONCURRENTLY stands alone in its file".to_owned()),
            (false, true) => None,
        }
    }

    fn write(&self, words: &[Word]) -> Option<String> {
        let (n, verb) = words
            .iter()
            .enumerate()
            .find(|(_, word)| ["update", "delete", "insert", "merge"].contains(&word.plain()))?;
        let table = name(past(&words[n + 1..], &["from", "into", "only"]));
        self.old.contains(table).then(|| {
            format!(
                "{} of {table} writes many rows in one transaction: let a worker do it in batches",
                verb.plain().to_uppercase()
            )
        })
    }

    fn alter(&self, words: &[Word]) -> Vec<String> {
        let rest = past(&words[2..], &["if", "exists", "only"]);
        if !self.old.contains(name(rest)) {
            return Vec::new();
        }
        actions(&rest[1..]).into_iter().filter_map(|action| self.action(action)).collect()
    }

    fn action(&self, action: &[Word]) -> Option<String> {
        let all: Vec<&str> = action.iter().map(Word::plain).collect();
        let said = match all.as_slice() {
            ["rename", ..] => "RENAME breaks the old program: add the new one, write both, then contract",
            ["validate", ..] if self.adds_unchecked => {
                "VALIDATE stands in a later file than NOT VALID: the lock of this one would last as long as the look"
            }
            ["add", "constraint" | "check" | "foreign" | "unique" | "primary" | "exclude", ..] => {
                return constraint(action).map(str::to_owned);
            }
            ["add", ..] => return column(past(&action[1..], &["column", "if", "not", "exists"])),
            ["alter", ..] if has(action, &["set", "not", "null"]) => {
                "SET NOT NULL reads the whole table: CHECK (x IS NOT NULL) NOT VALID, and VALIDATE in a later file"
            }
            ["alter", "column", _, "type", ..] | ["alter", _, "type", ..] => {
                "TYPE rewrites the table: add a new column"
            }
            ["alter", ..] if has(action, &["set", "data", "type"]) => "TYPE rewrites the table: add a new column",
            ["drop", "constraint", ..] => return None,
            ["drop", ..] if !self.is_contract => {
                "DROP COLUMN is for a contract: say so in the first line (-- contract: why nothing reads it)"
            }
            ["set", "unlogged" | "logged" | "tablespace" | "access", ..] => "the table would be rewritten",
            ["attach", ..] => "ATTACH reads the whole default partition: see make_partition",
            ["detach", ..] if !has(action, &["concurrently"]) => "DETACH takes CONCURRENTLY",
            _ => return None,
        };
        Some(said.to_owned())
    }
}

/// The actions of an ALTER TABLE, which commas outside brackets part.
fn actions(words: &[Word]) -> Vec<&[Word]> {
    let (mut depth, mut from, mut parts) = (0, 0, Vec::new());
    for (n, word) in words.iter().enumerate() {
        match word.plain() {
            "(" | "[" => depth += 1,
            ")" | "]" => depth -= 1,
            "," if depth == 0 => {
                parts.push(&words[from..n]);
                from = n + 1;
            }
            _ => {}
        }
    }
    parts.push(&words[from..]);
    parts
}

fn constraint(action: &[Word]) -> Option<&'static str> {
    let is_index = ["unique", "primary", "exclude"].iter().any(|word| has(action, &[word]));
    if is_index {
        return (!has(action, &["using", "index"]))
            .then_some("such a constraint is added USING INDEX one built CONCURRENTLY");
    }
    (!has(action, &["not", "valid"])).then_some("a constraint is added NOT VALID, and VALIDATEd in a later file")
}

/// A new column: its name, its type, and what is said of it.
fn column(words: &[Word]) -> Option<String> {
    let default = words.iter().position(|word| word.is("default"));
    let kind = words.get(1).map_or("", Word::plain);
    let said = if kind.ends_with("serial") || has(words, &["identity"]) {
        "a serial column rewrites the table"
    } else if has(words, &["generated"]) {
        "a GENERATED column rewrites the table"
    } else if has(words, &["unique"]) || has(words, &["primary"]) {
        "UNIQUE builds an index under the lock: build it CONCURRENTLY, then add the constraint USING INDEX"
    } else if has(words, &["references"]) {
        "REFERENCES looks at all rows: add the column, then the constraint NOT VALID"
    } else if has(words, &["check"]) {
        "CHECK looks at all rows: add the column, then the constraint NOT VALID"
    } else if default.is_some_and(|n| !is_constant(&words[n + 1..])) {
        "a DEFAULT that is no constant rewrites the table: add the column without one, then SET DEFAULT"
    } else if default.is_none() && has(words, &["not", "null"]) {
        "NOT NULL without a DEFAULT fails where there are rows"
    } else {
        return None;
    };
    Some(said.to_owned())
}

/// A literal, or the transaction's time: evaluated once, and kept beside the table.
fn is_constant(value: &[Word]) -> bool {
    let plain: Vec<&str> = value.iter().map(Word::plain).collect();
    if let ["now", "(", ")", ..] | ["current_timestamp", ..] = plain.as_slice() {
        return true;
    }
    // Whatever is called is taken to be volatile.
    !plain.contains(&"(") && !plain.contains(&"[")
}

/// What a DO block does can't be seen, but for rights and row-level security, which are a moment's.
fn hidden(words: &[Word]) -> Vec<String> {
    let bodies = words.iter().filter_map(|word| match word {
        Word::Text(body) => Some(body.to_lowercase()),
        Word::Plain(_) => None,
    });
    let mut faults = Vec::new();
    for body in bodies {
        let flat = body.split_whitespace().collect::<Vec<_>>().join(" ");
        let alters = flat
            .split("alter table")
            .skip(1)
            .any(|rest| !rest.split([';', '\'']).next().is_some_and(|action| action.contains("row level security")));
        let does = [
            "create index",
            "create unique index",
            "drop table",
            "drop index",
            "truncate ",
            "delete from ",
            "lock table",
        ];
        // In GRANT and in policies the word stands in a list, or before ON.
        let updates = flat.split("update ").collect::<Vec<_>>().windows(2).any(|parts| {
            let before = parts[0].trim_end().chars().last();
            !parts[1].starts_with("on ")
                && !parts[1].starts_with(',')
                && (before.is_none() || before.is_some_and(|c| !",t".contains(c)))
        });
        if alters || updates || does.iter().any(|verb| flat.contains(verb)) {
            faults.push("what a DO block does to tables must be written out, so that it can be seen".to_owned());
        }
    }
    faults
}
