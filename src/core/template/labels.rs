//! Labels and taints by Kubernetes' rules (apimachinery `pkg/util/validation`).

use std::{fmt, str::FromStr};

use thiserror::Error;

/// Longest value of a label, and longest name in a key.
const MAX_NAME: usize = 63;
/// Longest prefix of a key.
const MAX_PREFIX: usize = 253;

/// A text that is no label or no taint.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LabelError {
    /// A key that Kubernetes does not take.
    #[error(
        "{0:?} is no label key; expected a name of 63 letters, digits, -, _ and . at most, behind a domain and / if you like: \
         example.com/disk"
    )]
    Key(String),
    /// A value that Kubernetes does not take.
    #[error(
        "{0:?} is no label value; expected 63 letters, digits, -, _ and . at most, a letter or digit at both ends"
    )]
    Value(String),
    /// A taint without a known effect.
    #[error(
        "{0:?} is no taint; expected KEY=VALUE:EFFECT or KEY:EFFECT with NoSchedule, PreferNoSchedule or NoExecute"
    )]
    Taint(String),
}

/// Whether the text is made as names in keys and values are.
fn is_name(text: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= MAX_NAME
        && ends(text.chars().next())
        && ends(text.chars().next_back())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

fn is_domain(text: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    text.len() <= MAX_PREFIX && text.split('.').all(part)
}

/// Checks the key of a label, a taint or an extended resource.
///
/// # Errors
/// [`LabelError::Key`].
pub fn check_key(key: &str) -> Result<(), LabelError> {
    let good = match key.split_once('/') {
        Some((domain, name)) => is_domain(domain) && is_name(name),
        None => is_name(key),
    };
    if good { Ok(()) } else { Err(LabelError::Key(key.to_owned())) }
}

/// Checks the value of a label; it may be empty.
///
/// # Errors
/// [`LabelError::Value`].
pub fn check_value(value: &str) -> Result<(), LabelError> {
    if value.is_empty() || is_name(value) { Ok(()) } else { Err(LabelError::Value(value.to_owned())) }
}

/// What a taint does to pods that do not tolerate it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// They are not scheduled.
    NoSchedule,
    /// They are scheduled only where there is no other place.
    PreferNoSchedule,
    /// They are not scheduled, and evicted.
    NoExecute,
}

impl Effect {
    /// Kubernetes' word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoSchedule => "NoSchedule",
            Self::PreferNoSchedule => "PreferNoSchedule",
            Self::NoExecute => "NoExecute",
        }
    }
}

/// A taint of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taint {
    /// Its key.
    pub key: String,
    /// Its value, often empty.
    pub value: String,
    /// What it does.
    pub effect: Effect,
}

impl Taint {
    /// A taint of these parts.
    ///
    /// # Errors
    /// [`LabelError`] when a part breaks Kubernetes' rules.
    pub fn new(key: &str, value: &str, effect: &str) -> Result<Self, LabelError> {
        check_key(key)?;
        check_value(value)?;
        let effect = [Effect::NoSchedule, Effect::PreferNoSchedule, Effect::NoExecute]
            .into_iter()
            .find(|known| known.name() == effect)
            .ok_or_else(|| LabelError::Taint(format!("{key}={value}:{effect}")))?;
        Ok(Self { key: key.to_owned(), value: value.to_owned(), effect })
    }
}

impl FromStr for Taint {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (key, effect) = text.rsplit_once(':').ok_or_else(|| LabelError::Taint(text.to_owned()))?;
        let (key, value) = key.split_once('=').unwrap_or((key, ""));
        Self::new(key, value, effect)
    }
}

impl fmt::Display for Taint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, value, effect } = self;
        match value.is_empty() {
            true => write!(f, "{key}:{}", effect.name()),
            false => write!(f, "{key}={value}:{}", effect.name()),
        }
    }
}

/// Adds taints; one of the same key and effect is replaced.
pub(in crate::core) fn add_taints<'a>(taints: &mut Vec<Taint>, more: impl IntoIterator<Item = &'a Taint>) {
    for taint in more {
        taints.retain(|old| (&old.key, old.effect) != (&taint.key, taint.effect));
        taints.push(taint.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_follow_kubernetes_rules() {
        for key in ["disk", "example.com/disk", "a.b-c.d/E_f.g-h", "nvidia.com/gpu"] {
            assert_eq!(check_key(key), Ok(()), "{key}");
        }
        for key in ["", "/", "a/b/c", "-a", "a-", "a b", "Example.com/x", ".com/x", "ä", &"a".repeat(64)] {
            assert!(check_key(key).is_err(), "{key}");
        }
        for value in ["", "a", "A.b_c-d", "1"] {
            assert_eq!(check_value(value), Ok(()), "{value}");
        }
        for value in ["-", "a b", "a/b", "a=b", &"a".repeat(64)] {
            assert!(check_value(value).is_err(), "{value}");
        }
    }

    #[test]
    fn taints_are_written_as_for_kubectl() {
        for text in ["gpu=true:NoSchedule", "dedicated:NoExecute", "example.com/x=y:PreferNoSchedule"] {
            assert_eq!(text.parse::<Taint>().unwrap().to_string(), text);
        }
        assert_eq!("a=:NoSchedule".parse::<Taint>().unwrap().to_string(), "a:NoSchedule");
        for text in ["", "gpu", "gpu=true", "gpu:Never", "=x:NoSchedule", "a=b c:NoSchedule", "a:noschedule"]
        {
            assert!(text.parse::<Taint>().is_err(), "{text}");
        }
    }
}
