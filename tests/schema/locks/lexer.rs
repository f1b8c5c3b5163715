//! SQL as words: comments gone, strings kept as one word each, statements apart.

/// A word of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// A name, a keyword, a number or a sign, in small letters; without quotes and without `public.`.
    Plain(String),
    /// What stood in quotes, or between dollars.
    Text(String),
}

impl Word {
    pub(super) fn is(&self, plain: &str) -> bool {
        matches!(self, Self::Plain(word) if word == plain)
    }

    pub(super) fn plain(&self) -> &str {
        match self {
            Self::Plain(word) => word,
            Self::Text(_) => "''",
        }
    }
}

/// The statements of a file.
pub(super) fn statements(sql: &str) -> Vec<Vec<Word>> {
    let words = words(sql);
    words.split(|word| word.is(";")).filter(|words| !words.is_empty()).map(<[Word]>::to_vec).collect()
}

/// The tables that a file makes.
pub(super) fn created(sql: &str) -> Vec<String> {
    statements(sql).iter().filter_map(|words| table_made(words)).collect()
}

/// The table that a statement makes.
pub(super) fn table_made(words: &[Word]) -> Option<String> {
    let mut rest = words.iter().map(Word::plain).filter(|word| !["unlogged", "if", "not", "exists"].contains(word));
    (rest.next() == Some("create") && rest.next() == Some("table")).then(|| rest.next().map(str::to_owned)).flatten()
}

fn words(sql: &str) -> Vec<Word> {
    let chars: Vec<char> = sql.chars().collect();
    let mut words: Vec<Word> = Vec::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let next = chars.get(at + 1).copied();
        at = match (c, next) {
            ('-', Some('-')) => chars.iter().skip(at).position(|&c| c == '\n').map_or(chars.len(), |n| at + n),
            ('/', Some('*')) => comment_end(&chars, at),
            ('\'', _) => text(&chars, at, '\'', &mut words),
            ('"', _) => {
                let end = text(&chars, at, '"', &mut words);
                if let Some(Word::Text(name)) = words.pop() {
                    words.push(Word::Plain(name));
                }
                end
            }
            ('$', _) => dollars(&chars, at, &mut words),
            _ if c.is_whitespace() => at + 1,
            _ if is_name(c) => {
                let end = chars.iter().skip(at).position(|&c| !is_name(c)).map_or(chars.len(), |n| at + n);
                words.push(Word::Plain(chars.iter().take(end).skip(at).collect::<String>().to_lowercase()));
                end
            }
            _ => {
                words.push(Word::Plain(c.to_string()));
                at + 1
            }
        };
        if let [.., schema, dot] = words.as_slice()
            && schema.is("public")
            && dot.is(".")
        {
            words.truncate(words.len() - 2);
        }
    }
    words
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// After a comment, which may have others in it.
fn comment_end(chars: &[char], from: usize) -> usize {
    let (mut at, mut depth) = (from, 0);
    while at < chars.len() {
        match (chars.get(at), chars.get(at + 1)) {
            (Some('/'), Some('*')) => (at, depth) = (at + 2, depth + 1),
            (Some('*'), Some('/')) => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// Takes what is in quotes, in which two of them are one. Returns where it goes on.
fn text(chars: &[char], from: usize, quote: char, words: &mut Vec<Word>) -> usize {
    let mut said = String::new();
    let mut at = from + 1;
    while let Some(&c) = chars.get(at) {
        if c == quote {
            if chars.get(at + 1) != Some(&quote) {
                at += 1;
                break;
            }
            at += 1;
        }
        said.push(c);
        at += 1;
    }
    words.push(Word::Text(said));
    at
}

/// Takes what is between `$tag$` and `$tag$`, or a sign where there is no tag.
fn dollars(chars: &[char], from: usize, words: &mut Vec<Word>) -> usize {
    let length = chars.iter().skip(from + 1).take_while(|&&c| is_name(c)).count() + 2;
    let tag: Vec<char> = chars.iter().skip(from).take(length).copied().collect();
    if tag.len() < length || tag.last() != Some(&'$') {
        words.push(Word::Plain("$".to_owned()));
        return from + 1;
    }
    let body = from + length;
    let end = (body..chars.len()).find(|&n| chars[n..].starts_with(&tag)).unwrap_or(chars.len());
    words.push(Word::Text(chars[body..end].iter().collect()));
    (end + length).min(chars.len())
}
