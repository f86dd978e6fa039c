//! A YAML document as it is written: scalars keep their text, a password of digits stays one, and each entry knows its
//! line.

use std::{fmt, path::Path};

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::{
    Options, Spanned,
    options::{DuplicateKeyPolicy, NonFiniteFloatPolicy},
};

use super::{ConfigProblem, likeness, warning::Place};

/// A value with its place.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// What a value is.
#[derive(Clone)]
pub(super) enum Value {
    /// Nothing: `key:`, `~` or `null`.
    Null,
    /// A scalar's text.
    Text(String),
    List(Vec<Node>),
    /// A map, in its order; a key may be there twice.
    Map(Vec<(String, Node)>),
}

/// Reads a document; `file` is its name in messages. An empty one is nothing.
///
/// # Errors
/// [`ConfigProblem::Syntax`]; told by place and kind only: the parser would quote the line, which may hold a password.
pub(super) fn parse(text: &str, file: &Path) -> Result<Node, ConfigProblem> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let source = file.display().to_string();
    if text.trim().is_empty() {
        return Ok(Node { place: Place { source, line: Some(1) }, value: Value::Null });
    }
    let document: Spanned<Raw> = serde_saphyr::from_str_with_options(text, options()).map_err(|error| {
        let location = error.location();
        let column = location.map_or(1, |place| place.column());
        let is_other =
            |likeness: &&str| !["YAML", "JSON", "clouds.yaml"].iter().any(|own| likeness.contains(own));
        let likeness = likeness::of(text).filter(is_other);
        let hint = likeness.unwrap_or(
            "see that quotes are closed, lines indented alike and that the file is not half-written",
        );
        ConfigProblem::Syntax {
            file: file.to_owned(),
            line: location.and_then(|place| usize::try_from(place.line()).ok()).unwrap_or(1),
            reason: format!("not the YAML of a clouds.yaml (column {column}); {hint}"),
        }
    })?;
    Ok(node(document, text, &source))
}

/// A document that is YAML, but a single text or a list.
pub(super) fn not_a_map(text: &str, file: &Path, key: &str) -> ConfigProblem {
    let hint = likeness::of(text).map_or_else(String::new, |likeness| format!("{likeness} "));
    let reason = format!("{hint}(there is no key {key} on the outermost level)");
    ConfigProblem::Syntax { file: file.to_owned(), line: 1, reason }
}

/// Repeated keys come through, so that one of them does not make the other clouds unreadable.
fn options() -> Options {
    let mut options = Options::default();
    options.duplicate_keys = DuplicateKeyPolicy::PassThrough;
    options.non_finite_float_policy = NonFiniteFloatPolicy::PassThrough;
    options.ignore_binary_tag_for_string = true;
    options.with_snippet = false;
    options
}

fn node(raw: Spanned<Raw>, text: &str, source: &str) -> Node {
    let line = usize::try_from(raw.referenced.line()).ok();
    let value = match raw.value {
        Raw::Null => Value::Null,
        Raw::Text(text) => Value::Text(text),
        Raw::Typed(fallback) => {
            let span = raw.defined.span();
            let written = span.byte_offset().zip(span.byte_len()).and_then(|(start, length)| {
                let start = usize::try_from(start).ok()?;
                text.get(start..start.checked_add(usize::try_from(length).ok()?)?)
            });
            Value::Text(written.map_or(fallback, |written| written.trim().to_owned()))
        }
        Raw::List(list) => Value::List(list.into_iter().map(|raw| node(raw, text, source)).collect()),
        Raw::Map(map) => {
            Value::Map(map.into_iter().map(|(key, raw)| (key, node(raw, text, source))).collect())
        }
    };
    Node { place: Place { source: source.to_owned(), line }, value }
}

/// A value as the parser has it.
enum Raw {
    Null,
    Text(String),
    /// A plain scalar of another type, whose text is in the document; the text that it would be written with again.
    Typed(String),
    List(Vec<Spanned<Self>>),
    Map(Vec<(String, Spanned<Self>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

/// A visitor's method for a scalar that is more than text.
macro_rules! typed {
    ($($method:ident: $kind:ty,)*) => {
        $(fn $method<E: de::Error>(self, value: $kind) -> Result<Raw, E> {
            Ok(Raw::Typed(value.to_string()))
        })*
    };
}

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    typed! {
        visit_bool: bool,
        visit_i64: i64,
        visit_i128: i128,
        visit_u64: u64,
        visit_u128: u128,
        visit_f64: f64,
    }

    fn visit_unit<E: de::Error>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Raw, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = list.next_element()? {
            elements.push(element);
        }
        Ok(Raw::List(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = map.next_entry::<Option<String>, _>()? {
            entries.push((key.unwrap_or_default(), value));
        }
        Ok(Raw::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_keep_their_text() {
        let written = [
            "0123456",
            "1e5",
            "12345678901234567890123",
            "true",
            "yes",
            "No",
            "0x1F",
            "0o17",
            "~x",
            "1_000",
            "1:30",
            ".inf",
            ".nan",
            "+1",
            "-0",
            "1.50",
            "2026-01-01",
            "a#b",
            "üñï",
        ];
        for text in written {
            for before in ["", "\u{feff}", "# ünï\r\n"] {
                let document = parse(&format!("{before}a: {text} # x\n"), Path::new("x")).unwrap();
                match document.value {
                    Value::Map(entries) => match &entries[0].1.value {
                        Value::Text(read) => assert_eq!(read, text, "{before:?}"),
                        _ => panic!("{text} is no text"),
                    },
                    _ => panic!("{text}: no map"),
                }
            }
        }
        for nothing in ["", "~", "null"] {
            let Value::Map(entries) = parse(&format!("a: {nothing}"), Path::new("x")).unwrap().value else {
                panic!("{nothing}: no map");
            };
            assert!(matches!(entries[0].1.value, Value::Null), "{nothing}");
        }
    }

    #[test]
    fn lines_and_anchors() {
        let text = "x: &x\n  a: 07\ny:\n  <<: *x\n  b: *x\n";
        let Value::Map(entries) = parse(text, Path::new("x")).unwrap().value else { panic!("no map") };
        assert_eq!(entries[1].1.place.line, Some(4));
        let Value::Map(inner) = &entries[1].1.value else { panic!("no map") };
        for (key, node) in inner {
            let node = match &node.value {
                Value::Map(map) => &map[0].1,
                _ => node,
            };
            assert!(matches!(&node.value, Value::Text(text) if text == "07"), "{key}");
        }
    }
}
