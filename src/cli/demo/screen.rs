//! What the demonstration shows: lines, and on a terminal a view of the nodes that keeps up with them.

use std::{
    env,
    fmt::{Display, Write as _},
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use super::nodes::Row;
use crate::cli::terminal;

/// Standard output. Control codes go to a terminal only.
#[derive(Debug)]
pub struct Screen {
    terminal: bool,
    /// Lines of the view of the nodes that stand at the end of the output.
    rows: usize,
}

impl Screen {
    /// Standard output; `live` allows a view that is drawn anew, where it is a terminal that can do it.
    #[must_use]
    pub fn new(live: bool) -> Self {
        let able =
            io::stdout().is_terminal() && env::var_os("TERM").is_none_or(|terminal| terminal != "dumb");
        Self { terminal: live && able, rows: 0 }
    }

    /// The heading of a part of the story.
    pub fn heading(&mut self, text: &str) {
        self.line("");
        if self.terminal { self.line(format_args!("\x1b[1m{text}\x1b[0m")) } else { self.line(text) }
    }

    /// Lines that belong to no part of the story.
    pub fn text_block(&mut self, lines: &[String]) {
        for line in lines {
            self.line(line);
        }
    }

    /// A sentence of the story.
    pub fn text(&mut self, text: impl Display) {
        self.line(format_args!("  {text}"));
    }

    /// What somebody asked or answered: `gRPC`, `OpenStack` or `Nova` say.
    pub fn message(&mut self, who: &str, text: impl Display) {
        self.line(format_args!("  {who:<10} {text}"));
    }

    /// A line under a message.
    pub fn detail(&mut self, text: impl Display) {
        self.line(format_args!("  {:<10} {text}", ""));
    }

    /// How the nodes are at `now`: drawn over the last view on a terminal, elsewhere what has changed, a line each.
    pub fn nodes(&mut self, rows: &[Row], changes: &[Row], now: Duration) {
        if self.terminal {
            let lines: Vec<String> = rows.iter().map(|row| view_line(row, now)).collect();
            // Nobody may be reading any more; there is nobody else to tell.
            let _ = io::stdout().lock().write_all(redrawn(self.rows, &lines).as_bytes());
            self.rows = lines.len();
        } else {
            for change in changes {
                self.line(event_line(change));
            }
        }
    }

    fn line(&mut self, text: impl Display) {
        // A view above this line stays as it is.
        self.rows = 0;
        terminal::line(text);
    }
}

fn event_line(row: &Row) -> String {
    format!("  {:>6.1} s   {}: {}", row.since.as_secs_f64(), row.id, row.state)
}

fn view_line(row: &Row, now: Duration) -> String {
    let lasts = now.saturating_sub(row.since).as_secs_f64();
    format!("  {lasts:>6.1} s   {:<24} {}", row.state, row.id)
}

/// Control codes and text that put these lines in the place of the last `before` ones. Lines are not wrapped, or the
/// next view would be drawn at the wrong place.
fn redrawn(before: usize, lines: &[String]) -> String {
    let mut text = String::from("\x1b[?7l");
    if before > 0 {
        let _ = write!(text, "\x1b[{before}A\x1b[J");
    }
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    text.push_str("\x1b[?7h");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_replaces_the_one_before_and_wraps_nothing() {
        let lines = ["a".to_owned(), "b".to_owned()];
        assert_eq!(redrawn(0, &lines), "\x1b[?7la\nb\n\x1b[?7h");
        assert_eq!(redrawn(2, &lines[..1]), "\x1b[?7l\x1b[2A\x1b[Ja\n\x1b[?7h");
    }

    #[test]
    fn a_node_says_when_and_how_it_changed() {
        let row = Row {
            id: "openstack:///a".to_owned(),
            state: "running".to_owned(),
            since: Duration::from_millis(1500),
        };
        assert_eq!(event_line(&row), "     1.5 s   openstack:///a: running");
        assert_eq!(
            view_line(&row, Duration::from_millis(4000)),
            format!("     2.5 s   {:<24} openstack:///a", "running")
        );
    }
}
