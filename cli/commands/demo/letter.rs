//! A letter's text in a terminal of 80 columns.

/// Columns of a line, beside its indent.
const WIDTH: usize = 75;
/// The lines of a glimpse.
pub(super) const GLIMPSE: usize = 4;
/// The lines of a whole letter.
pub(super) const WHOLE: usize = 30;

/// Its first lines; `…` stands where there are more. Nothing in them is a terminal's command.
pub(super) fn lines(text: &str, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = text.trim().lines().flat_map(wrapped).take(most + 1).collect();
    if lines.len() > most {
        lines.truncate(most);
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines.push("…".to_owned());
    }
    lines
}

fn wrapped(paragraph: &str) -> Vec<String> {
    let clean: String = paragraph.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut lines = vec![String::new()];
    for word in clean.split_whitespace() {
        let Some(line) = lines.last_mut() else { continue };
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= WIDTH {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_wrapped_between_words_and_cut_after_its_first_lines() {
        let text = format!("Hi Ana,\n\n{}\u{1b}[31m end", "seven77 ".repeat(20));
        let all = lines(&text, 30);
        assert!(all.iter().all(|line| line.chars().count() <= WIDTH), "{all:#?}");
        assert_eq!((all[0].as_str(), all[1].as_str(), all.len()), ("Hi Ana,", "", 5));
        assert!(all[4].ends_with("[31m end") && !all[4].contains('\u{1b}'));
        assert_eq!(lines(&text, 2), ["Hi Ana,", "…"]);
        assert_eq!(lines("one\ntwo", 2), ["one", "two"]);
    }
}
