//! What a prompt says: its sections and fields, the question, the conversation so far.

use crate::request::Message;

/// A line `key: value` under a heading; a line without a key has an empty one.
#[derive(Debug, PartialEq, Eq)]
struct Field {
    section: String,
    key: String,
    value: String,
}

/// A prompt, read.
#[derive(Debug, Default)]
pub(crate) struct Prompt {
    fields: Vec<Field>,
    /// What the system says outside of any section.
    instructions: String,
    /// The last thing the user said.
    pub(crate) question: String,
    /// Who said what, oldest first.
    pub(crate) turns: Vec<(Speaker, String)>,
}

/// Who speaks in a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaker {
    User,
    Assistant,
}

impl Prompt {
    pub(crate) fn read(messages: &[Message]) -> Self {
        let mut prompt = Self::default();
        for message in messages {
            let speaker = match message.role.as_str() {
                "system" | "developer" => None,
                "assistant" => Some(Speaker::Assistant),
                _ => Some(Speaker::User),
            };
            if speaker == Some(Speaker::Assistant) {
                prompt.turns.push((Speaker::Assistant, message.content.clone()));
                continue;
            }
            let outside = prompt.read_sections(&message.content);
            if speaker.is_some() {
                prompt.question.clone_from(&outside);
                prompt.turns.push((Speaker::User, outside));
            } else {
                prompt.instructions.push_str(&outside);
                prompt.instructions.push('\n');
            }
        }
        prompt
    }

    /// Keeps the fields under headings; returns the lines outside of any section.
    fn read_sections(&mut self, text: &str) -> String {
        let mut section = String::new();
        let mut outside = Vec::new();
        for line in text.lines() {
            let line = line.trim();
            if let Some(heading) = heading(line) {
                section = heading;
            } else if section.is_empty() {
                outside.push(line);
            } else if !line.is_empty() {
                self.read_field(&section, line);
            }
        }
        outside.join("\n").trim().to_owned()
    }

    fn read_field(&mut self, section: &str, line: &str) {
        let bullet = line.strip_prefix(['-', '*', '•']).filter(|rest| rest.starts_with(' '));
        let bare = bullet.unwrap_or(line).replace("**", "");
        let keyed = bare.split_once(':').filter(|(key, _)| is_key(key));
        if let Some((key, value)) = keyed {
            self.fields.push(Field {
                section: section.to_owned(),
                key: key.trim().to_lowercase(),
                value: value.trim().to_owned(),
            });
            return;
        }
        // A bullet without a key belongs to the list that the line above it opened.
        let item = bare.trim();
        if bullet.is_some()
            && let Some(last) = self.fields.last_mut()
            && last.section == section
        {
            if !last.value.is_empty() {
                last.value.push_str("; ");
            }
            last.value.push_str(item);
            return;
        }
        self.fields.push(Field { section: section.to_owned(), key: String::new(), value: item.to_owned() });
    }

    /// The first value whose section and key contain one of these words each, in the words' order.
    pub(crate) fn field(&self, sections: &[&str], keys: &[&str]) -> Option<&str> {
        let in_section = |field: &&Field| sections.iter().any(|word| field.section.contains(word));
        keys.iter().find_map(|key| {
            self.fields
                .iter()
                .filter(in_section)
                .filter(|field| field.key.contains(key) && !field.value.is_empty())
                .map(|field| field.value.as_str())
                .next()
        })
    }

    /// All lines of a section, as they were said.
    pub(crate) fn section(&self, word: &str) -> Vec<String> {
        let lines = self.fields.iter().filter(|field| field.section.contains(word));
        lines
            .map(|field| match field.key.as_str() {
                "" => field.value.clone(),
                key => format!("{key}: {}", field.value),
            })
            .collect()
    }

    /// What was summed up before: a section's, else the record's line. What stood first in it stays first, however often it
    /// is summed up again.
    pub(crate) fn before(&self) -> Option<String> {
        let line = |line: &str| line.trim().strip_prefix("Before:").map(|rest| rest.trim().to_owned());
        let told = self.section("summary").into_iter().next().or_else(|| self.question.lines().find_map(line))?;
        Some(line(&told).unwrap_or(told))
    }

    /// Whether the system asks for a summary of a conversation (a section that holds one is no
    /// such request).
    pub(crate) fn asks_for_summary(&self) -> bool {
        let said = self.instructions.to_lowercase();
        let verbs = ["summarise", "summarize", "summarising", "summarizing"];
        if verbs.iter().any(|verb| said.contains(verb)) {
            return true;
        }
        let orders = ["write", "update", "produce", "create", "give", "make", "keep", "return"];
        said.split(['.', '\n', ';'])
            .filter(|sentence| sentence.contains("summary"))
            .any(|sentence| sentence.split_whitespace().any(|word| orders.contains(&word)))
    }

    /// What was said: transcript lines where the last message holds them, else the turns.
    pub(crate) fn conversation(&self) -> Vec<(Speaker, String)> {
        let lines: Vec<_> = self.transcript().collect();
        if lines.is_empty() {
            let said = self.turns.iter().filter(|(_, text)| !text.is_empty());
            return said.cloned().collect();
        }
        lines
    }

    fn transcript(&self) -> impl Iterator<Item = (Speaker, String)> {
        let in_sections = self.fields.iter().map(|field| (field.key.clone(), field.value.clone()));
        let outside = self.question.lines().filter_map(|line| {
            let (key, value) = line.split_once(':')?;
            Some((key.to_lowercase(), value.trim().to_owned()))
        });
        in_sections.chain(outside).filter_map(|(key, value)| {
            let speaker = match key.trim_matches(|c: char| !c.is_alphabetic()) {
                "user" | "salesperson" | "rep" => Speaker::User,
                "assistant" => Speaker::Assistant,
                _ => return None,
            };
            Some((speaker, value))
        })
    }

    /// Everything that was said, for the parts that look for more than fields.
    pub(crate) fn everything(messages: &[Message]) -> String {
        let texts: Vec<&str> = messages.iter().map(|message| message.content.as_str()).collect();
        texts.join("\n")
    }
}

fn heading(line: &str) -> Option<String> {
    let title = line.strip_prefix('#')?.trim_start_matches('#');
    title.starts_with(' ').then(|| title.trim().to_lowercase())
}

/// A key is a few words; a sentence with a colon in it isn't one.
fn is_key(key: &str) -> bool {
    let words = key.split_whitespace().count();
    (1..=5).contains(&words) && key.len() <= 40 && !key.contains(['.', '?', '!', '"', '/'])
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn message(role: &str, content: &str) -> Message {
        Message { role: role.into(), content: content.into() }
    }

    pub(crate) const SYSTEM: &str = "You help salespeople. Use the summary where it helps.

## Company
Name: Northwind
Value proposition: fewer calls

## Product
- **Name**: Beacon
Key features: instant alerts; shared inbox; audit trail

## Client
Name: Ana Reyes
Role: Head of Support
Pain points:
- slow answers
- lost tickets

## Conversation summary
The client asked about prices.";

    #[test]
    fn fields_are_found_under_their_headings() {
        let prompt = Prompt::read(&[message("system", SYSTEM), message("user", "How do I open?")]);
        assert_eq!(prompt.field(&["client"], &["name"]), Some("Ana Reyes"));
        assert_eq!(prompt.field(&["product"], &["name"]), Some("Beacon"));
        assert_eq!(prompt.field(&["client"], &["pain"]), Some("slow answers; lost tickets"));
        assert_eq!(prompt.field(&["client"], &["budget"]), None);
        assert_eq!(prompt.section("summary"), ["The client asked about prices."]);
        assert_eq!(prompt.question, "How do I open?");
        assert!(!prompt.asks_for_summary());
    }

    #[test]
    fn a_request_for_a_summary_is_seen() {
        for system in ["Summarise the conversation.", "You keep notes.\nWrite a short summary of what was said."] {
            assert!(Prompt::read(&[message("system", system)]).asks_for_summary(), "{system}");
        }
        assert!(!Prompt::read(&[message("user", "Summarise this")]).asks_for_summary());
    }

    #[test]
    fn a_transcript_is_read_from_one_message_or_from_the_turns() {
        let lines = "User: what does it cost?\nAssistant: ten a month\n[3] User: fine";
        let prompt = Prompt::read(&[message("user", lines)]);
        let said = prompt.conversation();
        assert_eq!(said.len(), 3);
        assert_eq!(said[1], (Speaker::Assistant, "ten a month".into()));
        let turns = [message("user", "a"), message("assistant", "b")];
        assert_eq!(Prompt::read(&turns).conversation().len(), 2);
    }

    #[test]
    fn odd_prompts_are_read_too() {
        for text in ["", "#", "## ", "## A\n:\n::\n- \n-", "##\u{0}\n* x: y", "\u{feff}## é\n: é"] {
            Prompt::read(&[message("system", text), message("user", text)]);
        }
    }
}
