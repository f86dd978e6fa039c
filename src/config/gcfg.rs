//! The INI dialect of the OpenStack cloud provider and of cluster-autoscaler's Magnum provider: gcfg.
//!
//! After `gcfg` v1.2.3 `scanner/scanner.go` and `read.go`: names are case-insensitive; `;` and `#` start a comment
//! anywhere outside quotes; quoted pieces may be glued to unquoted ones; a backslash outside quotes stands only
//! before a quote or at the end of a line that goes on in the next.

use std::{iter::Peekable, str::Chars};

use super::{
    names::is_plausible,
    settings::{QUOTES_KEPT, is_in_quotes},
};

/// Said with every error that a file cut short would show as well.
const HALF_WRITTEN: &str = "if the file is just being written, write it under another name and rename it";

/// One line of a section.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// Section, in lower case.
    pub section: String,
    /// The quoted part of `[section "subsection"]`, as written.
    pub subsection: Option<String>,
    /// Key, in lower case; none for the section's head itself, so that an empty section is seen as well.
    pub key: Option<String>,
    /// Value; none where the key stands alone, which means true.
    pub value: Option<String>,
    /// Line of the key, counted from 1.
    pub line: usize,
    /// Whether the key, or the section's name, is written as keys are, so that messages may repeat it.
    pub plausible: bool,
    /// Where the value that is read may be another than the one that is meant.
    pub doubts: Vec<Doubt>,
}

/// A rule of the format that many do not expect, and that took effect in a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// `;` or `#` began a comment right behind the value's text.
    Cut,
    /// Quotes that are not double ones are a part of the value.
    QuotesKept,
    /// Double quotes within the value were taken off.
    QuotesTakenOff,
    /// A backslash at the end of the line made the next line a part of the value.
    Joined,
    /// Within quotes, `\n` or `\t` became a line end or a tab.
    Escaped,
}

impl Doubt {
    /// What was made of the value, and what to write instead.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Cut => {
                "the value ends at the ; or # in it, which begins a comment; put the value in double quotes if the sign \
                 belongs to it"
            }
            Self::QuotesKept => QUOTES_KEPT,
            Self::QuotesTakenOff => {
                "the double quotes within the value are taken off; write \\\" for each if they belong to it"
            }
            Self::Joined => {
                "the backslash at the end of the line makes the next line a part of the value; put the value in double \
                 quotes and write \\\\ if it belongs to it"
            }
            Self::Escaped => {
                "\\n or \\t within the quotes is taken for a line end or a tab; write \\\\ for a backslash"
            }
        }
    }
}

/// The value may be a password, and so may a key that is none.
impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry")
            .field("line", &self.line)
            .field("key", &self.key.as_ref().filter(|_| self.plausible))
            .finish_non_exhaustive()
    }
}

/// Where a file breaks the rules, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// Line, counted from 1.
    pub line: usize,
    /// What is wrong; never a value's text.
    pub reason: String,
}

/// Reads a file's text into its entries, in their order.
///
/// # Errors
/// [`SyntaxError`] at the first broken line.
pub fn parse(text: &str) -> Result<Vec<Entry>, SyntaxError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace('\r', "");
    let mut scanner = Scanner { chars: text.chars().peekable(), line: 1 };
    let mut entries = Vec::new();
    let mut section: Option<(String, Option<String>)> = None;
    while let Some(next) = scanner.skip_blank_and_comments() {
        let line = scanner.line;
        if next == '[' {
            let (name, subsection) = scanner.section()?;
            entries.push(Entry {
                section: name.to_lowercase(),
                subsection: subsection.clone(),
                key: None,
                value: None,
                line,
                plausible: is_plausible(&name),
                doubts: Vec::new(),
            });
            section = Some((name.to_lowercase(), subsection));
            continue;
        }
        let written = scanner.name().ok_or_else(|| {
            scanner.error(format!("expected a key or a [section], found {next:?}; {HALF_WRITTEN}"))
        })?;
        let Some((section, subsection)) = &section else {
            return Err(scanner
                .error(format!("text stands before any [section]; put [Global] above it ({HALF_WRITTEN})")));
        };
        let (value, doubts) = scanner.value_after(&written)?;
        entries.push(Entry {
            section: section.clone(),
            subsection: subsection.clone(),
            key: Some(written.to_lowercase()),
            // A word that stands alone is no key that anybody could have meant, unless it is known.
            plausible: value.is_some() && is_plausible(&written),
            value,
            line,
            doubts,
        });
    }
    Ok(entries)
}

struct Scanner<'a> {
    chars: Peekable<Chars<'a>>,
    line: usize,
}

impl Scanner<'_> {
    const fn error(&self, reason: String) -> SyntaxError {
        SyntaxError { line: self.line, reason }
    }

    fn next(&mut self) -> Option<char> {
        let next = self.chars.next();
        if next == Some('\n') {
            self.line += 1;
        }
        next
    }

    fn skip_spaces(&mut self) {
        while self.chars.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
    }

    fn skip_to_end_of_line(&mut self) {
        while self.chars.next_if(|c| *c != '\n').is_some() {}
    }

    /// Looks at the next character that means something.
    fn skip_blank_and_comments(&mut self) -> Option<char> {
        loop {
            match self.chars.peek()? {
                ' ' | '\t' | '\n' => {
                    self.next();
                }
                ';' | '#' => self.skip_to_end_of_line(),
                other => return Some(*other),
            }
        }
    }

    /// A letter, then letters, digits and hyphens; as written.
    fn name(&mut self) -> Option<String> {
        let mut name = String::from(self.chars.next_if(|c| c.is_alphabetic())?);
        while let Some(c) = self.chars.next_if(|c| c.is_alphanumeric() || *c == '-') {
            name.push(c);
        }
        Some(name)
    }

    fn section(&mut self) -> Result<(String, Option<String>), SyntaxError> {
        self.next();
        self.skip_spaces();
        let unclosed = |scanner: &Self| {
            scanner.error(format!(
                "a section is written [name] or [name \"subsection\"] on a line of its own; {HALF_WRITTEN}"
            ))
        };
        let name = self.name().ok_or_else(|| unclosed(self))?;
        self.skip_spaces();
        let subsection = match self.chars.next_if_eq(&'"') {
            None => None,
            Some(_) => Some(self.subsection()?),
        };
        self.skip_spaces();
        if self.chars.next_if_eq(&']').is_none() {
            return Err(unclosed(self));
        }
        self.skip_spaces();
        match self.chars.peek() {
            None | Some('\n' | ';' | '#') => Ok((name, subsection)),
            Some(_) => Err(unclosed(self)),
        }
    }

    fn subsection(&mut self) -> Result<String, SyntaxError> {
        let mut text = String::new();
        loop {
            match self.chars.next_if(|c| *c != '\n') {
                Some('"') => return Ok(text),
                Some('\\') => match self.chars.next_if(|c| matches!(c, '"' | '\\')) {
                    Some(escaped) => text.push(escaped),
                    None => {
                        return Err(self.error("in a subsection, \\ stands only before \" and \\".to_owned()));
                    }
                },
                Some(c) => text.push(c),
                None => {
                    return Err(self.error(format!("the subsection's quote is not closed; {HALF_WRITTEN}")));
                }
            }
        }
    }

    fn value_after(&mut self, key: &str) -> Result<(Option<String>, Vec<Doubt>), SyntaxError> {
        self.skip_spaces();
        match self.chars.peek() {
            None | Some('\n' | ';' | '#') => Ok((None, Vec::new())),
            Some('=') => {
                self.next();
                let (value, doubts) = self.value(key)?;
                Ok((Some(value), doubts))
            }
            Some('_') => Err(self.error(format!(
                "expected = after {}; keys have hyphens where OS_* variables have underscores",
                named(key)
            ))),
            // Not even a plausible word is repeated: it may be a file that is something else altogether.
            Some(_) => Err(self.error(format!("expected = behind the line's first word; {HALF_WRITTEN}"))),
        }
    }

    fn value(&mut self, key: &str) -> Result<(String, Vec<Doubt>), SyntaxError> {
        let start = self.line;
        let mut value = String::new();
        let mut doubts = Vec::new();
        // Spaces count only when something follows them or when quoted.
        let mut kept = 0;
        let mut quoted = false;
        let (mut quotes, mut bare) = (0, false);
        let mut previous = '=';
        self.skip_blanks_before_value(&mut previous);
        loop {
            match self.chars.peek() {
                None | Some('\n') if quoted => return Err(unclosed_value(start, key)),
                Some(';' | '#') if !quoted => {
                    if !matches!(previous, ' ' | '\t') {
                        doubts.push(Doubt::Cut);
                    }
                    break;
                }
                None | Some('\n') => break,
                Some(_) => {}
            }
            let Some(c) = self.next() else { break };
            previous = c;
            match c {
                '"' => {
                    quoted = !quoted;
                    quotes += 1;
                }
                '\\' => match self.escape(key, quoted)? {
                    Some(escaped) => {
                        if matches!(escaped, '\n' | '\t') {
                            doubts.push(Doubt::Escaped);
                        }
                        value.push(escaped);
                    }
                    None => doubts.push(Doubt::Joined),
                },
                ' ' | '\t' if !quoted => {
                    value.push(c);
                    continue;
                }
                _ => {
                    bare |= !quoted;
                    value.push(c);
                }
            }
            kept = value.len();
        }
        value.truncate(kept);
        doubts.extend(doubt_about_quotes(&value, quotes, bare));
        doubts.dedup();
        Ok((value, doubts))
    }

    fn skip_blanks_before_value(&mut self, previous: &mut char) {
        while let Some(blank) = self.chars.next_if(|c| matches!(c, ' ' | '\t')) {
            *previous = blank;
        }
    }

    fn escape(&mut self, key: &str, quoted: bool) -> Result<Option<char>, SyntaxError> {
        match (self.next(), quoted) {
            (Some('"'), _) => Ok(Some('"')),
            (Some('\\'), true) => Ok(Some('\\')),
            (Some('n'), true) => Ok(Some('\n')),
            (Some('t'), true) => Ok(Some('\t')),
            (Some('\n'), false) => Ok(None),
            (_, true) => Err(self.error(format!(
                "in the value of {}: within quotes, \\ stands only before \\, \", n and t; write \\\\ for a backslash",
                named(key)
            ))),
            (_, false) => Err(self.error(format!(
                "in the value of {}: \\ outside quotes stands only before \" or at the end of a line; put the \
                 value in quotes and write \\\\ for a backslash",
                named(key)
            ))),
        }
    }
}

fn unclosed_value(line: usize, key: &str) -> SyntaxError {
    let reason = format!(
        "the quote in the value of {} is not closed (within quotes, a quote is \\\" and a backslash \\\\); {HALF_WRITTEN}",
        named(key)
    );
    SyntaxError { line, reason }
}

/// Whether a value's quotes may be meant otherwise. `quotes` were taken off, and `bare` tells whether something stood outside
/// of them.
fn doubt_about_quotes(value: &str, quotes: u32, bare: bool) -> Option<Doubt> {
    if quotes > 2 || (quotes > 0 && bare) {
        Some(Doubt::QuotesTakenOff)
    } else if quotes == 0 && is_in_quotes(value) {
        Some(Doubt::QuotesKept)
    } else {
        None
    }
}

/// A key as messages name it.
fn named(key: &str) -> String {
    if is_plausible(key) { key.to_lowercase() } else { "this key".to_owned() }
}

#[cfg(test)]
#[path = "gcfg_tests.rs"]
mod tests;
