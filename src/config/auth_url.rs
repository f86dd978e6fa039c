//! The URL of Keystone in all the forms in which people and downloads have it.

use url::Url;

/// Keystone's URL without a version and what follows it.
///
/// # Errors
/// What is wrong with it, behind the setting's name. The URL is not repeated: somebody may have put a password into it.
pub(super) fn parse(text: &str) -> Result<Url, String> {
    let mut url = parse_http(text)?;
    let segments: Vec<_> = url.path().split('/').filter(|segment| !segment.is_empty()).collect();
    let version =
        segments.iter().rposition(|segment| is_version(segment)).filter(|at| is_tail(segments.get(at + 1..)));
    let path = segments.get(..version.unwrap_or(segments.len())).unwrap_or_default().join("/");
    url.set_path(&path);
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

/// A URL of a service, as written.
pub(super) fn parse_http(text: &str) -> Result<Url, String> {
    let text = text.trim();
    let url = Url::parse(text).map_err(|error| {
        let hint = if text.contains("://") { "" } else { "; it must begin with http:// or https://" };
        format!("is not a URL: {error}{hint}")
    })?;
    if !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base() {
        return Err("must begin with http:// or https://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user or password; they have keys of their own".to_owned());
    }
    Ok(url)
}

/// `v3`, `V3`, `v3.14`, `v2`, `v2.0`.
fn is_version(segment: &str) -> bool {
    let number = segment.strip_prefix(['v', 'V']).unwrap_or_default();
    let (major, minor) = number.split_once('.').unwrap_or((number, "0"));
    matches!(major, "2" | "3") && !minor.is_empty() && minor.bytes().all(|b| b.is_ascii_digit())
}

/// What may follow the version: nothing, or where a token is asked for.
fn is_tail(segments: Option<&[&str]>) -> bool {
    matches!(segments, Some([] | ["auth"] | ["tokens"] | ["auth", "tokens"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_leads_to_the_root() {
        for end in [
            "",
            "/",
            "//",
            "/v3",
            "/v3/",
            "/v3//",
            "//v3",
            "/V3",
            "/v3.0",
            "/v3.14/",
            "/v2",
            "/v2.0",
            "/v2.0/tokens",
            "/v3/auth",
            "/v3/auth/tokens",
            "/v3/auth/tokens/",
            "/v3?region=x",
            "/v3/auth/tokens?nocatalog",
            "/v3#x",
            "?x",
            "/v3 ",
        ] {
            for root in ["https://keystone:5000", "https://cloud/identity", "https://cloud/a/b"] {
                let expected = Url::parse(root).unwrap();
                assert_eq!(parse(&format!("{root}{end}")), Ok(expected), "{root}{end}");
            }
        }
        for path in ["/v3/projects", "/v4", "/v", "/v3x", "/v3.", "/vv3", "/v3.x", "/auth/tokens"] {
            let url = format!("https://keystone{path}");
            assert_eq!(parse(&url).unwrap().as_str(), url);
        }
    }

    #[test]
    fn what_is_no_url_is_told_without_it() {
        for (text, words) in [
            ("keystone", "must begin with"),
            ("keystone:5000/v3", "must begin with"),
            ("//keystone/v3", "must begin with"),
            ("ftp://keystone", "must begin with"),
            ("https://", "empty host"),
            ("https://u:hunter2@k", "must not hold"),
            ("\"https://k\"", "is not a URL"),
        ] {
            let reason = parse(text).unwrap_err();
            assert!(reason.contains(words) && !reason.contains("hunter2"), "{text}: {reason}");
        }
    }
}
