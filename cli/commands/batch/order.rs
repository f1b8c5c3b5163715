//! What is asked for: who is written to, about what, and how.

use std::collections::HashSet;
use std::io::Read;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::problem::{Exit, Problem};

/// A file of ids, or of instructions, may have this many bytes.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// What estimate and create take.
#[derive(Debug, clap::Args)]
pub(super) struct Order {
    #[command(flatten)]
    clients: Clients,
    /// The product that the emails are about
    #[arg(long, value_name = "ID")]
    product: Option<Uuid>,
    /// cold_outreach, follow_up, proposal, closing or general
    #[arg(long = "type", value_name = "TYPE", value_parser = ["cold_outreach", "follow_up", "proposal", "closing", "general"], hide_possible_values = true)]
    email_type: String,
    /// What is to be said; @FILE reads it from a file
    #[arg(long, value_name = "TEXT|@FILE")]
    instructions: Option<String>,
    /// fast, balanced or quality
    #[arg(long, value_name = "MODE", value_parser = ["fast", "balanced", "quality"], hide_possible_values = true)]
    quality_mode: Option<String>,
    /// Write so many first, then wait for a yes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(super) sample: Option<u32>,
    /// Never spend more, in cents
    #[arg(long, value_name = "CENTS")]
    max_cost: Option<f64>,
    /// What it is called
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

/// Who is written to: one of these.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Clients {
    /// Clients for whom this holds: q, industry, company, has_email or import_id; several all hold
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair, num_args = 1)]
    filter: Vec<(String, Value)>,
    /// The clients that came in by this import
    #[arg(long, value_name = "ID")]
    import: Option<Uuid>,
    /// The clients in this file: an id a line, or a CSV with a column id; - reads stdin
    #[arg(long, value_name = "FILE")]
    clients: Option<String>,
    /// All active clients
    #[arg(long)]
    all: bool,
}

fn pair(text: &str) -> Result<(String, Value), String> {
    let (key, value) = text.split_once('=').ok_or("write it as in industry=retail")?;
    let value = match (key, value) {
        ("has_email", "true" | "false") => json!(value == "true"),
        ("has_email", _) => return Err("has_email is true or false".to_owned()),
        ("q" | "industry" | "company" | "import_id", _) => json!(value),
        _ => return Err(format!("'{key}' is none of q, industry, company, has_email, import_id")),
    };
    Ok((key.to_owned(), value))
}

impl Order {
    /// As the api takes it.
    pub(super) fn body(&self) -> anyhow::Result<Value> {
        let mut body = Map::new();
        let mut put = |name: &str, value: Value| {
            if !value.is_null() {
                body.insert(name.to_owned(), value);
            }
        };
        put("import_id", json!(self.clients.import));
        if let Some(path) = &self.clients.clients {
            put("client_ids", json!(ids(&read(path)?, path)?));
        } else if self.clients.import.is_none() {
            put("filter", Value::Object(self.clients.filter.iter().cloned().collect()));
        }
        put("product_id", json!(self.product));
        put("email_type", json!(self.email_type));
        put("instructions", json!(self.instructions.as_deref().map(text).transpose()?));
        put("quality_mode", json!(self.quality_mode));
        put("sample", json!(self.sample));
        put("max_cost_cents", json!(self.max_cost));
        put("name", json!(self.name));
        Ok(Value::Object(body))
    }
}

/// A text, or what stands in the file behind `@`.
pub(super) fn text(given: &str) -> anyhow::Result<String> {
    match given.strip_prefix('@') {
        Some(path) => Ok(read(path)?.trim_end().to_owned()),
        None => Ok(given.to_owned()),
    }
}

fn read(path: &str) -> anyhow::Result<String> {
    let wrong = |error: std::io::Error| Problem::new(Exit::Usage, format!("{path} can't be read: {error}"));
    let mut text = String::new();
    let source: Box<dyn Read> =
        if path == "-" { Box::new(std::io::stdin()) } else { Box::new(std::fs::File::open(path).map_err(wrong)?) };
    let read = source.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(wrong)?;
    if read as u64 > MAX_BYTES {
        return Err(Problem::new(Exit::Usage, format!("{path} has more than {MAX_BYTES} bytes")).into());
    }
    Ok(text)
}

/// The ids of a file: one a line, or the column `id` or `client_id` of a CSV.
fn ids(text: &str, path: &str) -> anyhow::Result<Vec<Uuid>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let wrong = |line: u64, what: &str| Problem::new(Exit::Usage, format!("{path}, line {line}: {what}"));
    let first = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let has_head = Uuid::try_parse(first).is_err();
    let separator = [b'\t', b';'].into_iter().find(|byte| first.as_bytes().contains(byte)).unwrap_or(b',');
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(has_head)
        .delimiter(separator)
        .flexible(!has_head)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let column = if has_head {
        let known = |name: &str| ["id", "client_id"].iter().position(|known| name.eq_ignore_ascii_case(known));
        let columns = reader.headers()?.iter().enumerate().filter_map(|(n, name)| Some((known(name)?, n)));
        columns.min().map(|(_, n)| n).ok_or_else(|| wrong(1, "neither an id nor a head with a column id"))?
    } else {
        0
    };
    let (mut ids, mut seen) = (Vec::new(), HashSet::new());
    for record in reader.records() {
        let record = record.map_err(|error| wrong(error.position().map_or(1, csv::Position::line), "no CSV"))?;
        let cell = record.get(column).unwrap_or_default();
        if record.iter().all(str::is_empty) {
            continue;
        }
        let line = record.position().map_or(1, csv::Position::line);
        let id = Uuid::try_parse(cell).map_err(|_| wrong(line, "no id"))?;
        // The api counts doubles, too; told once here, ten thousand fit.
        if seen.insert(id) {
            ids.push(id);
        }
    }
    if ids.is_empty() {
        return Err(Problem::new(Exit::NothingMatched, format!("{path} holds no id")).into());
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "01990000-0000-7000-8000-00000000000a";
    const B: &str = "01990000-0000-7000-8000-00000000000b";

    #[test]
    fn ids_stand_one_a_line_or_in_a_column() {
        let both = [Uuid::try_parse(A).unwrap(), Uuid::try_parse(B).unwrap()];
        for text in [
            format!("{A}\n{B}\n"),
            format!("\n {A} \r\n\r\n{B}\n  \n"),
            format!("\u{feff}id,name\r\n{A},\"x, y\"\r\n{B},z\r\n"),
            format!("n;client_id\n0;{A}\n1;{B}\n2;{A}\n"),
        ] {
            assert_eq!(ids(&text, "f").unwrap(), both, "{text:?}");
        }
        for text in ["", "name\nAna\n", &format!("{A}\nx\n"), &format!("id,name\n{A}\n")] {
            assert!(ids(text, "f").is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_filter_is_a_known_key_and_its_value() {
        assert_eq!(pair("industry=re=tail").unwrap(), ("industry".to_owned(), json!("re=tail")));
        assert_eq!(pair("has_email=true").unwrap().1, json!(true));
        for wrong in ["industry", "has_email=yes", "size=1"] {
            assert!(pair(wrong).is_err(), "{wrong}");
        }
    }
}
