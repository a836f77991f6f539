//! What the demo shows: lines, and a bar that follows a training run. Without a terminal the bar becomes a few lines.

use std::io::{IsTerminal, Write};

use indicatif::{ProgressBar, ProgressStyle};

/// Standard output, as a terminal or as a plain stream.
pub(super) struct Screen {
    is_terminal: bool,
}

impl Screen {
    pub(super) fn new() -> Screen {
        Screen { is_terminal: std::io::stdout().is_terminal() }
    }

    /// Writes a line; a closed standard output is no reason to stop.
    pub(super) fn say(&self, line: &str) {
        let mut out = std::io::stdout().lock();
        drop(writeln!(out, "{line}").and_then(|()| out.flush()));
    }

    /// A bar that shows nothing yet.
    pub(super) fn training(&self) -> Training<'_> {
        let bar = if self.is_terminal {
            ProgressBar::with_draw_target(None, indicatif::ProgressDrawTarget::stdout_with_hz(20))
        } else {
            ProgressBar::hidden()
        };
        let template = "  training    {bar:32.green} {pos}/{len} epochs  {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸ "));
        }
        Training { screen: self, bar, said: None }
    }
}

/// A training run on the screen.
pub(super) struct Training<'a> {
    screen: &'a Screen,
    bar: ProgressBar,
    /// The fifth of the run that was last written where there is no bar.
    said: Option<u64>,
}

impl Training<'_> {
    /// Shows where the run is; `losses` is ready text.
    pub(super) fn at(&mut self, epoch: u64, epochs: u64, losses: &str) {
        self.bar.set_length(epochs);
        self.bar.set_position(epoch);
        self.bar.set_message(losses.to_owned());
        let fifth = epoch * 5 / epochs.max(1);
        if !self.screen.is_terminal && self.said != Some(fifth) {
            self.said = Some(fifth);
            self.screen.say(&format!("  training    {epoch}/{epochs} epochs  {losses}"));
        }
    }

    /// Leaves the bar on the screen as it is.
    pub(super) fn end(self) {
        self.bar.abandon();
    }
}
