//! What a file that is not in its format looks like, so that the message can say what to do. None of its text is told.

/// The shortest text that is taken for base64; shorter ones may be a word.
const MIN_BASE64_LENGTH: usize = 24;

/// What a text looks like, as the end of a message; none where it looks like nothing known.
pub(super) fn of(text: &str) -> Option<&'static str> {
    let text = text.trim_start_matches('\u{feff}').trim();
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    let Some(first) = first else {
        return Some("it is empty");
    };
    if text.chars().any(|c| c.is_control() && !c.is_ascii_whitespace()) {
        return Some("it looks like binary data; is it compressed or encrypted?");
    }
    if is_base64(text) {
        return Some("it looks like base64; decode it first (a Kubernetes Secret that was encoded twice?)");
    }
    if first.starts_with("-----BEGIN") {
        return Some("it looks like a PEM file; is it the certificate?");
    }
    if first.starts_with('<') {
        return Some("it looks like HTML or XML");
    }
    if first.starts_with('{') {
        return Some("it looks like JSON");
    }
    if first.starts_with("$ANSIBLE_VAULT") {
        return Some("it looks like an Ansible vault; decrypt it first");
    }
    if is_ini_section(first) {
        return Some("it looks like a cloud.conf (INI); give it with --cloud-config");
    }
    if text.lines().any(is_of_openrc) {
        return Some(
            "it looks like a shell file of OS_* variables (openrc); source it and give neither --cloud-config nor --os-cloud",
        );
    }
    yaml(text, first)
}

fn yaml(text: &str, first: &str) -> Option<&'static str> {
    let has = |key: &str| {
        text.lines().any(|line| line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with(':')))
    };
    if has("kind") && has("apiVersion") {
        return Some("it looks like a Kubernetes manifest; give what is in its data");
    }
    if has("clouds") {
        return Some(
            "it looks like a clouds.yaml; give it with OS_CLIENT_CONFIG_FILE and --os-cloud instead of --cloud-config",
        );
    }
    let key = first.split_once(':').map(|(key, rest)| (key, rest.is_empty() || rest.starts_with(' ')));
    let is_key = |key: &str| !key.is_empty() && !key.contains([' ', '=', '"', '[']);
    (first == "---" || matches!(key, Some((key, true)) if is_key(key))).then_some("it looks like YAML")
}

fn is_base64(text: &str) -> bool {
    let packed: String = text.split_ascii_whitespace().collect();
    let body = packed.trim_end_matches('=');
    packed.len() >= MIN_BASE64_LENGTH
        && packed.len().is_multiple_of(4)
        && packed.len() - body.len() <= 2
        && !text.lines().any(|line| line.trim().contains(' '))
        && body.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_'))
}

fn is_of_openrc(line: &str) -> bool {
    let line = line.trim();
    line.strip_prefix("export ").unwrap_or(line).starts_with("OS_") && line.contains('=')
}

fn is_ini_section(line: &str) -> bool {
    line.strip_prefix('[').and_then(|rest| rest.split_once(']')).is_some_and(|(name, rest)| {
        name.starts_with(|c: char| c.is_ascii_alphabetic()) && !name.contains(',') && rest.trim().is_empty()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_told_by_kind() {
        for (text, words) in [
            ("", "empty"),
            ("# only\n; comments\n", "empty"),
            ("W0dsb2JhbF0KYXV0aC11cmw9aHR0cHM6Ly9r\n", "base64"),
            ("W0dsb2JhbF0KYXV0aC11\ncmw9aHR0cHM6Ly9rCg==\n", "base64"),
            ("{\"clouds\": {}}", "JSON"),
            ("clouds:\n  a: {}\n", "clouds.yaml"),
            ("auth_url: x\n", "YAML"),
            ("---\n- x\n", "YAML"),
            ("apiVersion: v1\nkind: Secret\n", "manifest"),
            ("# x\nexport OS_AUTH_URL=x\n", "openrc"),
            ("OS_USERNAME=x\n", "openrc"),
            ("[Global]\nregion=x\n", "cloud.conf"),
            ("-----BEGIN CERTIFICATE-----\n", "PEM"),
            ("<!doctype html>", "HTML"),
            ("a\0b", "binary"),
            ("$ANSIBLE_VAULT;1.1;AES256\n6162", "vault"),
        ] {
            assert!(of(text).is_some_and(|likeness| likeness.contains(words)), "{text:?}: {:?}", of(text));
        }
        for text in ["hunter2", "[a, b]", "correct horse battery staple", "a = b"] {
            assert_eq!(of(text), None, "{text:?}");
        }
    }
}
