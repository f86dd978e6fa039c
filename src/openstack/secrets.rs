//! Keeps secrets out of what the services and proxies say: some quote the request, password, token and all (I8).

use std::{collections::BTreeSet, fmt};

use url::form_urlencoded;

/// What stands for a secret.
const HIDDEN: &str = "***";
/// The beginning of a secret from this many characters on is hidden too where a text was cut off behind it.
const MIN_BEGINNING: usize = 4;

/// Secrets in every form in which they are quoted. Made when there is something to scrub, and not kept.
pub struct Secrets {
    /// The longest first, so that none is hidden in part.
    forms: Vec<String>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

impl Secrets {
    /// Of these texts; empty ones hide nothing.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let forms: BTreeSet<String> =
            secrets.into_iter().filter(|secret| !secret.is_empty()).flat_map(forms_of).collect();
        let mut forms: Vec<String> = forms.into_iter().collect();
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        Self { forms }
    }

    /// The text with `***` for each secret, also for one that is cut off at the text's end.
    #[must_use]
    pub fn scrub(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for form in &self.forms {
            if text.contains(form.as_str()) {
                text = text.replace(form.as_str(), HIDDEN);
            }
        }
        if let Some(end) = self.forms.iter().filter_map(|form| beginning_at_end(&text, form)).min() {
            text.truncate(end);
            text.push_str(HIDDEN);
        }
        text
    }
}

/// Where the beginning of a secret is the end of the text.
fn beginning_at_end(text: &str, form: &str) -> Option<usize> {
    let ends = form.char_indices().map(|(end, _)| end).skip(MIN_BEGINNING);
    let longest = ends.filter_map(|end| form.get(..end)).filter(|part| text.ends_with(part)).last()?;
    Some(text.len() - longest.len())
}

/// As it is, and as JSON, Python, HTML and URLs write it; also JSON or Python within another of them.
fn forms_of(secret: &str) -> Vec<String> {
    let quoted = |text: &str| {
        [
            text.to_owned(),
            json(text),
            ascii_json(text),
            escaped(text, &['\\']),
            escaped(text, &['\\', '\'']),
            escaped(text, &['\\', '"']),
        ]
    };
    let mut forms: Vec<String> = quoted(secret).iter().flat_map(|text| quoted(text)).collect();
    for text in quoted(secret) {
        for apostrophe in ["'", "&#39;", "&#x27;"] {
            forms.extend(["\"", "&quot;", "&#34;"].map(|quote| html(&text, apostrophe, quote)));
        }
    }
    let form_encoded: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    forms.extend([form_encoded.replace('+', "%20"), form_encoded]);
    forms
}

fn escaped(text: &str, special: &[char]) -> String {
    text.chars().flat_map(|c| special.contains(&c).then_some('\\').into_iter().chain([c])).collect()
}

/// The inside of the JSON string.
fn json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(&quoted).to_owned()
}

/// As Python's `json.dumps` writes it.
fn ascii_json(text: &str) -> String {
    let mut units = [0; 2];
    json(text)
        .chars()
        .map(|c| match c {
            c if c.is_ascii() => c.to_string(),
            c => c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect(),
        })
        .collect()
}

fn html(text: &str, apostrophe: &str, quote: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('\'', apostrophe)
        .replace('"', quote)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_quote_a_secret_is_seen() {
        for secret in ["hunter2", r#"a"b\c'd"#, "<b>two  blanks</b> &co", "pässwörd☃🔑", "x", "***"] {
            let json = serde_json::json!({"password": secret}).to_string();
            let quoted = [
                secret.to_owned(),
                json.clone(),
                serde_json::json!({"body": json}).to_string(),
                format!("{{\"password\": \"{}\"}}", ascii_json(secret)),
                format!("{{'password': '{}'}}", escaped(secret, &['\\', '\''])),
                serde_json::json!(format!("'{}'", escaped(secret, &['\\', '\'']))).to_string(),
                html(secret, "&#x27;", "&quot;"),
                form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
            ];
            for text in quoted {
                let scrubbed = Secrets::new([secret]).scrub(&format!("before {text} after"));
                assert!(scrubbed.contains("***"), "{scrubbed}");
                if secret.len() > 3 {
                    assert!(!scrubbed.contains(secret) && !scrubbed.contains(&text), "{scrubbed}");
                }
            }
        }
    }

    #[test]
    fn what_was_cut_off_is_hidden_as_well() {
        let secrets = Secrets::new(["S3cr3tPassword", "gAAAAtoken", ""]);
        assert_eq!(secrets.scrub("the password S3cr3tPassw"), "the password ***");
        assert_eq!(secrets.scrub("the token gAAAAtoken!"), "the token ***!");
        assert_eq!(secrets.scrub("nothing here: S3"), "nothing here: S3");
        assert_eq!(secrets.scrub(""), "");
    }
}
