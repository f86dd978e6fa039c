//! The settings of any source, each with the place where it is written.

use std::{collections::BTreeMap, fmt};

use super::{
    ConfigProblem,
    names::{KeyStyle, NAMES},
    warning::{ConfigWarning, Place},
};

/// What a source says, before anything is made of it.
pub struct Settings {
    /// Where the settings come from, for messages.
    pub origin: String,
    /// How that source spells names.
    pub key_style: KeyStyle,
    /// What was passed over, and what may be meant otherwise.
    pub warnings: Vec<ConfigWarning>,
    pub(super) values: BTreeMap<&'static str, Setting>,
}

/// One value with where it is written.
#[derive(Clone)]
pub(super) struct Setting {
    pub(super) text: String,
    /// The key as the source spells it.
    pub(super) key: String,
    pub(super) place: Place,
}

/// The values may be secrets.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("origin", &self.origin)
            .field("names", &self.values.keys())
            .finish_non_exhaustive()
    }
}

impl Settings {
    #[must_use]
    pub const fn new(origin: String, key_style: KeyStyle) -> Self {
        Self { origin, key_style, values: BTreeMap::new(), warnings: Vec::new() }
    }

    /// Takes a value that is written at a place under a key. Line ends at its end do not count; an empty value counts
    /// as not given, as with the other clients. False where the name is not known.
    pub(super) fn set(&mut self, name: &str, value: &str, key: &str, place: &Place) -> bool {
        let Some(name) = NAMES.iter().find(|known| **known == name) else { return false };
        let text = without_line_ends(value);
        if text.len() < value.len() {
            self.warn(place, Some(key), LINE_END);
        }
        if self.key_style == KeyStyle::Environment && is_in_quotes(text) {
            self.warn(place, Some(key), QUOTES_KEPT);
        }
        if text.is_empty() {
            self.values.remove(name);
        } else {
            let setting = Setting { text: text.to_owned(), key: key.to_owned(), place: place.clone() };
            self.values.insert(name, setting);
        }
        true
    }

    pub(super) fn warn(&mut self, place: &Place, key: Option<&str>, text: impl Into<String>) {
        let warning = ConfigWarning { place: place.clone(), key: key.map(str::to_owned), text: text.into() };
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// Warns of a setting at its own place.
    pub(super) fn warn_of(&mut self, name: &str, text: &str) {
        if let Some(setting) = self.values.get(name).cloned() {
            self.warn(&setting.place, Some(&setting.key), text);
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|setting| setting.text.as_str())
    }

    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        self.values.remove(name).map(|setting| setting.text)
    }

    /// An error about a setting, told where and as it is written.
    pub(super) fn error(&self, name: &str, reason: &str) -> ConfigProblem {
        let (origin, key) = match self.values.get(name) {
            Some(setting) => (setting.place.to_string(), setting.key.clone()),
            None => (self.origin.clone(), self.key_style.of(name)),
        };
        ConfigProblem::Setting { origin, reason: format!("{key} {reason}") }
    }

    pub(super) fn missing(&self, names: &[&str], why: &str) -> ConfigProblem {
        let names: Vec<_> = names.iter().map(|name| self.key_style.of(name)).collect();
        let reason = format!("{} is missing: {why}", names.join(" or "));
        ConfigProblem::Setting { origin: self.origin.clone(), reason }
    }
}

/// Said of a value or variable that ended with a line end.
pub(super) const LINE_END: &str =
    "the line end at the end of the value is cut off (made with echo? use printf or echo -n)";

/// Said of a value that has quotes around it.
pub(super) const QUOTES_KEPT: &str = "the quotes around the value are taken for a part of it";

/// A value without the line ends at its end. Blanks stay: they may belong to a password.
pub(crate) fn without_line_ends(text: &str) -> &str {
    text.trim_end_matches(['\n', '\r'])
}

/// Whether a value begins and ends with quotes of some kind.
pub(super) fn is_in_quotes(text: &str) -> bool {
    const PAIRS: &[(char, char)] =
        &[('\'', '\''), ('"', '"'), ('`', '`'), ('“', '”'), ('„', '“'), ('‘', '’'), ('«', '»')];
    let inner = |open: char, close: char| text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
    PAIRS.iter().any(|(open, close)| inner(*open, *close).is_some())
}

/// The words that gcfg takes for true and false; YAML's and the environment's are among them.
pub(super) fn parse_boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}
