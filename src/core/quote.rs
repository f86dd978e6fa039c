//! Other people's text in messages: one line, and not a long one.
//!
//! Names of groups, nodes and clusters come from callers and from the cloud. One of a million characters would fill the
//! log, and one with a line feed could pretend to be another line of it.

use std::{borrow::Cow, fmt::Write as _};

/// The longest name that a message shows, in characters.
pub const MAX_NAME: usize = 200;

/// A name in double quotes, for a message.
#[must_use]
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", named(name))
}

/// A name for a message: what is not printable escaped, what is too long cut off.
#[must_use]
pub fn named(name: &str) -> String {
    match name.char_indices().nth(MAX_NAME) {
        Some((end, _)) => format!("{}…", name.get(..end).unwrap_or_default().escape_debug()),
        None => name.escape_debug().to_string(),
    }
}

/// A text in one line, as a terminal and a log collector take it: control characters, line separators and what changes
/// the direction of writing are escaped. `except` is left as it is.
#[must_use]
pub fn one_line(text: &str, except: Option<char>) -> Cow<'_, str> {
    let escaped = |c: char| Some(c) != except && breaks_a_line(c);
    if !text.chars().any(escaped) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if escaped(c) {
            let _ = write!(line, "{}", c.escape_debug());
        } else {
            line.push(c);
        }
    }
    Cow::Owned(line)
}

fn breaks_a_line(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_in_one_line() {
        assert_eq!(quoted("pool-b-ca5b234b"), r#""pool-b-ca5b234b""#);
        assert_eq!(quoted(""), r#""""#);
        assert_eq!(named("a\nb\u{1}\u{202e}\""), r#"a\nb\u{1}\u{202e}\""#);
        let long = named(&"ü".repeat(7 << 20));
        assert_eq!(long.chars().count(), MAX_NAME + 1);
        assert!(long.ends_with('…'));
        assert_eq!(named(&"\u{1}".repeat(1000)).len(), MAX_NAME * "\\u{1}".len() + '…'.len_utf8());
        assert_eq!(named(&"x".repeat(MAX_NAME)).len(), MAX_NAME);
    }

    #[test]
    fn what_could_forge_a_line_is_escaped() {
        for (text, line) in [
            ("a b", "a b"),
            ("größer → 1–8", "größer → 1–8"),
            ("a\r\nINFO b\0", r"a\r\nINFO b\0"),
            ("a\u{2028}b\u{202e}c\u{85}", r"a\u{2028}b\u{202e}c\u{85}"),
            ("\u{1b}[31mred\t", r"\u{1b}[31mred\t"),
        ] {
            assert_eq!(one_line(text, None), line);
        }
        assert_eq!(one_line("\u{1b}[31m\n", Some('\u{1b}')), "\u{1b}[31m\\n");
    }
}
