//! What the services say in the body of an error.

use serde_json::Value;

use super::secrets::Secrets;

/// The longest message that is passed on, in characters.
const MAX_MESSAGE: usize = 300;
/// How much of a body is looked at, in bytes.
const MAX_BODY: usize = 64 << 10;

/// Finds the message in an error's body, whatever its shape (docs/openstack-behaviour.md#error-bodies; Magnum's in
/// `api/middleware/parsable_error.py:31-64`). Proxies in front of the services answer in HTML or plain text.
///
/// Secrets are taken out before anything else: what is shortened or rewritten first is not recognised any more.
#[must_use]
pub fn message(body: &[u8], secrets: &Secrets) -> String {
    let body = body.get(..MAX_BODY).unwrap_or(body);
    let message = serde_json::from_slice::<Value>(body)
        .ok()
        .and_then(|json| of_json(&json, secrets))
        .unwrap_or_else(|| strip_markup(&secrets.scrub(&String::from_utf8_lossy(body))));
    shorten(&message)
}

/// Whether a body is an error in one of the forms of OpenStack's services, not of something in front of them: gateways
/// answer in JSON too.
#[must_use]
pub fn is_of_a_service(body: &[u8]) -> bool {
    let body = body.get(..MAX_BODY).unwrap_or(body);
    let Ok(Value::Object(json)) = serde_json::from_slice(body) else { return false };
    let is_fault = |fault: &Value| fault.get("message").is_some_and(Value::is_string);
    // Magnum; Keystone and Heat; Heat's web framework; Nova, whose only key is the kind of error.
    json.get("errors").is_some_and(Value::is_array)
        || json.get("error").is_some_and(is_fault)
        || (json.contains_key("code") && json.contains_key("title"))
        || (json.len() == 1 && json.values().all(|fault| is_fault(fault) && fault.get("code").is_some()))
}

fn of_json(json: &Value, secrets: &Secrets) -> Option<String> {
    let text = |value: Option<&Value>| {
        let text = strip_markup(&secrets.scrub(value?.as_str()?));
        Some(text).filter(|text| !text.is_empty())
    };
    // Magnum.
    if let Some(first) = json.get("errors").and_then(Value::as_array).and_then(|errors| errors.first()) {
        return ["detail", "description", "title"].iter().find_map(|key| text(first.get(key)));
    }
    // Keystone, every service's auth middleware, and Heat, whose `explanation` says nothing specific.
    if let Some(error) = json.get("error")
        && let Some(message) = text(error.get("message")).or_else(|| text(Some(error)))
    {
        return Some(message);
    }
    // Heat where no route matches, and older WSGI errors.
    if let Some(message) =
        ["message", "explanation", "faultstring", "title"].iter().find_map(|key| text(json.get(key)))
    {
        return Some(message);
    }
    // Nova: one key, named by the kind of error.
    json.as_object()?.values().find_map(|fault| text(fault.get("message")))
}

/// Drops tags and folds white space.
fn strip_markup(text: &str) -> String {
    // Style sheets and scripts are no message either.
    let text = text.rsplit_once("</style>").map_or(text, |(_, rest)| rest);
    let mut plain = String::with_capacity(text.len());
    let mut in_tag = false;
    for c in text.chars() {
        match c {
            '<' => in_tag = true,
            '>' if in_tag => {
                in_tag = false;
                plain.push(' ');
            }
            _ if in_tag => {}
            _ => plain.push(c),
        }
    }
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn shorten(message: &str) -> String {
    if message.is_empty() {
        return "no message".to_owned();
    }
    match message.char_indices().nth(MAX_MESSAGE) {
        Some((end, _)) => format!("{}…", message.get(..end).unwrap_or_default()),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_that_the_services_answer() {
        let none = Secrets::new([]);
        for (body, expected) in [
            (
                r#"{"error": {"code": 401, "message": "The request you have made requires authentication.", "title": "Unauthorized"}}"#,
                "The request you have made requires authentication.",
            ),
            (
                r#"{"errors": [{"request_id": "", "code": "client", "status": 400, "title": "Resizing default-worker outside the allowed range: min_node_count = 1, max_node_count = 20", "detail": "Resizing default-worker outside the allowed range: min_node_count = 1, max_node_count = 20", "links": []}]}"#,
                "Resizing default-worker outside the allowed range: min_node_count = 1, max_node_count = 20",
            ),
            (
                r#"{"errors": [{"code": "magnum.microversion-unsupported", "title": "Requested microversion is unsupported", "description": "Version 1.99 was requested", "max_version": "1.10"}]}"#,
                "Version 1.99 was requested",
            ),
            (
                r#"{"code": 404, "title": "Not Found", "explanation": "The resource could not be found.", "error": {"type": "EntityNotFound", "traceback": null, "message": "The Stack (nope) could not be found."}}"#,
                "The Stack (nope) could not be found.",
            ),
            (
                r#"{"message": "The resource could not be found.<br /><br />\n\n\n", "code": "404 Not Found", "title": "Not Found"}"#,
                "The resource could not be found.",
            ),
            (
                r#"{"itemNotFound": {"code": 404, "message": "Instance 1 could not be found."}}"#,
                "Instance 1 could not be found.",
            ),
            (r#"{"error": "Authentication required"}"#, "Authentication required"),
            ("Authentication required", "Authentication required"),
            (
                "<html><head><style>a{b:c}</style></head><body>\n<h1>503 Service Unavailable</h1>\nNo server.\n</body></html>",
                "503 Service Unavailable No server.",
            ),
            ("", "no message"),
            ("{}", "{}"),
        ] {
            assert_eq!(message(body.as_bytes(), &none), expected, "{body}");
        }
        let long = message("ü".repeat(1000).as_bytes(), &none);
        assert_eq!(long.chars().count(), MAX_MESSAGE + 1);
        assert!(message(&[0xff, 0xfe, b'a'], &none).contains('a'));
    }
    #[test]
    fn secrets_are_hidden_before_the_message_is_shortened_or_rewritten() {
        for secret in ["S3cr3tPassword", r#"a"b\c"#, "two  blanks", "pa<b>ss</b>word"] {
            let secrets = Secrets::new([secret]);
            let quoted = serde_json::json!({"password": secret}).to_string();
            for before in [0, MAX_MESSAGE - 5, MAX_BODY - 25] {
                let text = format!("{}{quoted}", "-".repeat(before));
                for body in [text.clone(), serde_json::json!({"error": {"message": text}}).to_string()] {
                    let message = message(body.as_bytes(), &secrets);
                    for beginning in [&secret[..4], "password\": \"S"] {
                        assert!(!message.contains(beginning), "{message}");
                    }
                }
            }
        }
    }
    #[test]
    fn gateways_are_told_from_services() {
        for of_service in [
            r#"{"error": {"code": 401, "message": "The request you have made requires authentication."}}"#,
            r#"{"errors": [{"detail": "Cluster k8s could not be found."}]}"#,
            r#"{"code": 404, "title": "Not Found", "error": {"message": "The Stack (nope) could not be found."}}"#,
            r#"{"message": "The resource could not be found.", "code": "404 Not Found", "title": "Not Found"}"#,
            r#"{"itemNotFound": {"code": 404, "message": "Instance 1 could not be found."}}"#,
        ] {
            assert!(is_of_a_service(of_service.as_bytes()), "{of_service}");
        }
        for of_gateway in [
            r#"{"message": "no Route matched with those values"}"#,
            r#"{"error_msg": "404 Route Not Found"}"#,
            r#"{"error": "not found"}"#,
            r#"{"fault": {"faultstring": "Unable to identify proxy for host"}}"#,
            r#""not found""#,
            "[]",
            "{}",
            "default backend - 404",
            "",
        ] {
            assert!(!is_of_a_service(of_gateway.as_bytes()), "{of_gateway}");
        }
    }
}
