//! What is told about a configuration that can be used, and what it is told with.

use std::fmt;

/// A place in a source of settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, the file with its section or cloud, or `environment`.
    pub source: String,
    /// Line, counted from 1, where the source has lines.
    pub line: Option<usize>,
}

impl Place {
    /// A source as a whole.
    #[must_use]
    pub const fn whole(source: String) -> Self {
        Self { source, line: None }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        self.line.map_or(Ok(()), |line| write!(f, ", line {line}"))
    }
}

/// A part of a configuration that was passed over, or that may be meant otherwise than it is read.
///
/// It is made of names, places and fixed words, never of a setting's value (I8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigWarning {
    pub place: Place,
    /// The key or variable, as its source spells it; none where it is about the source itself, or where the key is
    /// not written as keys are and may be a secret in the wrong place.
    pub key: Option<String>,
    /// What was made of it, and what to do.
    pub text: String,
}

impl fmt::Display for ConfigWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, key, text } = self;
        match key {
            Some(key) => write!(f, "{place}: {key}: {text}"),
            None => write!(f, "{place}: {text}"),
        }
    }
}
