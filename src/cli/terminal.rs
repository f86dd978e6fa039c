//! What is written to the terminal besides the log: answers of commands, and the last words of one that failed.

use std::{
    fmt::Display,
    io::{self, Write as _},
};

use crate::{core::quote::one_line, telemetry::standard_error};

/// A line on standard output.
pub fn line(text: impl Display) {
    // Nobody may be reading any more; there is nobody else to tell.
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// `error: …` on standard error, in one line whatever the message.
pub fn error(error: impl Display) {
    let text = error.to_string();
    let words: Vec<&str> = text.split_whitespace().collect();
    standard_error::write(format!("error: {}\n", one_line(&words.join(" "), None)).into_bytes());
}
