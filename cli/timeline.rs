//! A run's attempts, side by side on one line of time.

use hellosales_core::timeline::Attempt;

use crate::output::{Output, Paint};

/// Characters of the line of time.
const WIDTH: i64 = 24;

/// The lines of the picture. `name` names a worker by its process.
pub(crate) fn picture(attempts: &[Attempt], name: impl Fn(Option<i32>) -> String, output: Output) -> Vec<String> {
    let end = attempts.iter().map(|attempt| attempt.started_ms + attempt.duration_ms).max().unwrap_or(0).max(1);
    let scale = format!("0 ms {:>width$}", format!("{end} ms"), width = usize::try_from(WIDTH - 5).unwrap_or(0));
    let head = format!("  {:<14} {:<7} {:<8} {scale} {:>6} {:>8}", "stage", "attempt", "worker", "ms", "cents");
    let mut lines = vec![output.paint(Paint::Dim, &head)];
    lines.extend(attempts.iter().map(|attempt| {
        let cost = attempt.cost_cents.map_or_else(String::new, |cost| format!("{cost:.6}"));
        let (bar, paint) = (bar(attempt, end), if attempt.status == "crash" { Paint::Red } else { Paint::Cyan });
        let how = if matches!(attempt.status.as_str(), "ok") { String::new() } else { format!(" {}", attempt.status) };
        let line = format!(
            "  {:<14} {:<7} {:<8} {} {:>6} {:>8}{how}",
            attempt.stage,
            attempt.attempt,
            name(attempt.pid),
            output.paint(paint, &bar),
            attempt.duration_ms,
            cost,
        );
        line.trim_end().to_owned()
    }));
    lines
}

fn bar(attempt: &Attempt, end: i64) -> String {
    let at = |ms: i64| (ms.clamp(0, end) * WIDTH / end).clamp(0, WIDTH);
    let from = at(attempt.started_ms).min(WIDTH - 1);
    let to = at(attempt.started_ms + attempt.duration_ms).max(from + 1);
    let count = |n: i64| usize::try_from(n).unwrap_or(0);
    format!("{}{}{}", " ".repeat(count(from)), "▇".repeat(count(to - from)), " ".repeat(count(WIDTH - to)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Format;

    fn attempt(started_ms: i64, duration_ms: i64) -> Attempt {
        Attempt {
            stage: "llm".to_owned(),
            status: "ok".to_owned(),
            attempt: 1,
            worker: None,
            pid: None,
            started_ms,
            duration_ms,
            cost_cents: None,
        }
    }

    #[test]
    fn the_picture_fits_into_a_terminal_of_80_columns() {
        let mut crashed = attempt(0, 59_999);
        (crashed.stage, crashed.status) = ("profile_enrich".to_owned(), "crash".to_owned());
        (crashed.pid, crashed.cost_cents) = (Some(1), Some("0.123456".parse().unwrap()));
        let output = Output::new(Format::Table, false, true);
        let lines = picture(&[crashed, attempt(59_999, 1)], |_| "worker 2".to_owned(), output);
        assert!(lines.iter().all(|line| line.chars().count() <= 80 && line.trim_end() == line), "{lines:#?}");
        assert!(lines.iter().any(|line| line.ends_with("crash")));
    }

    #[test]
    fn a_bar_lies_where_its_attempt_lay_and_is_never_empty_nor_too_long() {
        assert_eq!(bar(&attempt(0, 0), 100).trim_end(), "▇");
        assert_eq!(bar(&attempt(50, 50), 100).trim_start().chars().count(), 12);
        for (start, duration) in [(0, 0), (99, 1), (100, 0), (0, 100), (33, 1)] {
            assert_eq!(bar(&attempt(start, duration), 100).chars().count(), 24, "{start} {duration}");
        }
    }
}
