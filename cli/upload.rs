//! A file on its way to the api: read as it is sent, with its progress.

use std::io::{self, IsTerminal};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::io::{AsyncRead, ReadBuf};

use crate::output::Output;
use crate::problem::{Exit, Problem};

/// Without a terminal a line is said no more often than this.
const SAY_EVERY: Duration = Duration::from_secs(2);
/// A sign of life moves this often.
const TICK: Duration = Duration::from_millis(120);

/// Opens a file, or stdin for `-`.
pub(crate) async fn open(path: &str, output: Output) -> anyhow::Result<Upload> {
    let wrong = |error: io::Error| Problem::new(Exit::Usage, format!("{path} can't be read: {error}"));
    let file = tokio::fs::File::open(if path == "-" { "/dev/stdin" } else { path }).await.map_err(wrong)?;
    let metadata = file.metadata().await.map_err(wrong)?;
    if metadata.is_dir() {
        return Err(Problem::new(Exit::Usage, format!("{path} is a folder")).into());
    }
    let length = Some(metadata.len()).filter(|_| metadata.is_file());
    Ok(Upload::new(Box::pin(file), length, output))
}

/// A file that tells how far it was read.
pub(crate) struct Upload {
    source: Pin<Box<dyn AsyncRead + Send>>,
    read: u64,
    length: Option<u64>,
    said: Instant,
    is_over: bool,
    bar: Option<ProgressBar>,
    output: Output,
}

impl Upload {
    fn new(source: Pin<Box<dyn AsyncRead + Send>>, length: Option<u64>, output: Output) -> Self {
        let bar = (output.shows_progress() && io::stderr().is_terminal()).then(|| bar(length));
        Self { source, read: 0, length, said: Instant::now(), is_over: false, bar, output }
    }

    /// Of bytes that are at hand. Too short to tell how far it is.
    pub(crate) fn of_bytes(bytes: &'static [u8], output: Output) -> Self {
        let length = Some(bytes.len() as u64);
        Self { source: Box::pin(bytes), read: 0, length, said: Instant::now(), is_over: true, bar: None, output }
    }

    /// How long it is, if that is known.
    pub(crate) const fn length(&self) -> Option<u64> {
        self.length
    }

    fn tell(&mut self, more: u64) {
        self.read += more;
        // A body of known length is not read to its end-of-file.
        if more == 0 || self.length == Some(self.read) {
            if !std::mem::replace(&mut self.is_over, true) {
                self.end();
            }
            return;
        }
        if let Some(bar) = &self.bar {
            bar.set_position(self.read);
        } else if self.said.elapsed() >= SAY_EVERY {
            self.said = Instant::now();
            let of = self.length.map(|length| format!(" of {}", kilobytes(length))).unwrap_or_default();
            self.output.say(format!("sent {}{of}", kilobytes(self.read)));
        }
    }

    /// At a terminal the bar becomes a sign of life, until the answer is here.
    fn end(&self) {
        let text = format!("sent {}; it is being applied", kilobytes(self.read));
        let Some(bar) = &self.bar else { return self.output.say(text) };
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        bar.set_message(text);
        bar.enable_steady_tick(TICK);
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl AsyncRead for Upload {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = self.source.as_mut().poll_read(cx, buffer);
        if matches!(polled, Poll::Ready(Ok(()))) {
            let more = buffer.filled().len() - before;
            self.tell(more as u64);
        }
        polled
    }
}

fn bar(length: Option<u64>) -> ProgressBar {
    let template = match length {
        Some(_) => "{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
        None => "{spinner} {bytes} {bytes_per_sec}",
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    length.map_or_else(ProgressBar::new_spinner, ProgressBar::new).with_style(style)
}

fn kilobytes(bytes: u64) -> String {
    format!("{} KB", bytes.div_ceil(1_000))
}
