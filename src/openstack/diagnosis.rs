//! What went wrong at the login, or where something else than an OpenStack service answers: cause, place and remedy in
//! one message. The one place for it; what a service itself says is read in [`super::error_body`].

use bytes::Bytes;
use http::{Response, header};
use url::Url;

use super::{error_body, secrets::Secrets};
use crate::{
    config::cloud::{Credentials, Interface, Scope},
    core::cloud::{CloudError, Service},
};

/// How the sources of the configuration name Keystone's URL.
const AUTH_URL_KEYS: &str = "auth-url in cloud.conf, auth_url in clouds.yaml, OS_AUTH_URL";
/// How they name the region.
const REGION_KEYS: &str = "region, region_name, OS_REGION_NAME";
/// How they name the interface.
const INTERFACE_KEYS: &str = "os-endpoint-type, interface, OS_INTERFACE";
/// How much is shown of where a redirect points to, in characters.
const MAX_TARGET_LENGTH: usize = 200;
/// What servers say to plain HTTP on a port for TLS: nginx, Apache, Go, HAProxy.
const PLAIN_TO_TLS: [&str; 3] = [
    "plain HTTP request was sent to HTTPS port",
    "speaking plain HTTP to an SSL-enabled server port",
    "sent an HTTP request to an HTTPS server",
];

/// A login that Keystone, or whatever is there, has answered without a token.
#[derive(Debug)]
pub(super) struct FailedLogin<'a> {
    pub(super) auth_url: &'a Url,
    pub(super) credentials: &'a Credentials,
    /// Where both come from.
    pub(super) origin: Option<&'a str>,
    pub(super) secrets: &'a Secrets,
    /// The proxy that the request went through, in brackets; empty where there is none.
    pub(super) through_proxy: String,
}

impl FailedLogin<'_> {
    /// What the answer means; none where Keystone's own words are all there is to say.
    pub(super) fn explain(&self, answer: &Response<Bytes>) -> Option<CloudError> {
        let status = answer.status();
        if status.is_server_error() || status.as_u16() == 429 {
            return None;
        }
        let keystones = error_body::is_of_a_service(answer.body());
        if status.is_redirection() {
            return Some(self.unsuitable(&self.redirect(answer)));
        }
        if is_cut_off(answer) {
            return Some(self.malformed("the answer ends too early"));
        }
        if is_plain_http_to_tls(answer) {
            return Some(self.unsuitable(&format!(
                "answers that it expects TLS there: write https:// instead of http:// ({AUTH_URL_KEYS})"
            )));
        }
        match status.as_u16() {
            401 if keystones => Some(self.authentication(answer, "")),
            401 => Some(self.authentication(
                answer,
                &format!(" ({}: that is not Keystone, but something in front of it)", kind(answer)),
            )),
            403 if keystones => Some(self.authentication(answer, &self.forbidden())),
            404 if keystones => Some(self.authentication(answer, " (HTTP 404)")),
            _ if !keystones => Some(self.not_keystone(answer)),
            _ => None,
        }
    }

    /// A success without a token that could be read.
    pub(super) fn without_token(&self, answer: &Response<Bytes>, reason: &str) -> CloudError {
        let json = serde_json::from_slice::<serde_json::Value>(answer.body());
        let has_token = json.is_ok_and(|json| json.get("token").is_some());
        if has_token || is_cut_off(answer) {
            return self.malformed(reason);
        }
        self.not_keystone(answer)
    }

    fn malformed(&self, reason: &str) -> CloudError {
        CloudError::Malformed {
            service: Service::Identity,
            request: format!("POST {}/v3/auth/tokens", self.auth_url.path().trim_end_matches('/')),
            reason: reason.to_owned(),
        }
    }

    fn not_keystone(&self, answer: &Response<Bytes>) -> CloudError {
        self.unsuitable(&format!(
            "is not Keystone: {}; give Keystone's URL, as in https://HOST:5000/v3 or https://HOST/identity/v3 \
             ({AUTH_URL_KEYS})",
            kind(answer)
        ))
    }

    fn unsuitable(&self, what: &str) -> CloudError {
        CloudError::Unsuitable(format!(
            "{}{}{} {what}",
            shown(self.auth_url),
            self.from(),
            self.through_proxy
        ))
    }

    fn from(&self) -> String {
        self.origin.map(|origin| format!(" (from {origin})")).unwrap_or_default()
    }

    fn authentication(&self, answer: &Response<Bytes>, addition: &str) -> CloudError {
        let message = error_body::message(answer.body(), self.secrets);
        CloudError::Authentication {
            url: shown(self.auth_url),
            user: format!("{}{}", self.credentials.label(), self.from()),
            message: format!("{message}{addition}"),
        }
    }

    /// The login is known, and is let in no more.
    fn forbidden(&self) -> String {
        let advice = match self.credentials {
            Credentials::Password { scope: Scope::Trust(_), .. } => {
                "the trust lets nobody in any more: whoever made the cluster was disabled, has left the project or has \
                 lost a role that the trust passes on; give the roles back, or log in with other credentials of the \
                 project"
            }
            Credentials::Password { scope: Scope::Project(_), .. } => {
                "the user has no role in the project, or is disabled; give a role there (openstack role add)"
            }
            Credentials::ApplicationCredential { .. } => {
                "the user of the application credential is disabled or has lost its roles in the project; give them \
                 back and make a new application credential"
            }
            Credentials::Token { .. } => "the token does not let into that project; get one that does",
        };
        format!(" (HTTP 403: {advice})")
    }

    fn redirect(&self, answer: &Response<Bytes>) -> String {
        let told = redirect(answer, self.auth_url, self.secrets);
        let target = target(answer, self.auth_url);
        let advice = match &target {
            Some(target) if looks_like_a_dashboard(target) => {
                "that looks like the dashboard: give Keystone's URL, as in https://HOST:5000/v3".to_owned()
            }
            Some(target)
                if target.scheme() == "https"
                    && self.auth_url.scheme() == "http"
                    && target.host() == self.auth_url.host() =>
            {
                "write https:// instead of http://".to_owned()
            }
            _ => "a login is never sent on to another address: give Keystone's own".to_owned(),
        };
        format!("{told}; {advice} ({AUTH_URL_KEYS})")
    }
}

fn looks_like_a_dashboard(url: &Url) -> bool {
    let mut segments = url.path().split('/');
    segments.any(|segment| matches!(segment, "dashboard" | "horizon" | "login" | "signin" | "sign_in"))
}

/// `HTTP 200, text/html`
pub(super) fn kind(answer: &Response<Bytes>) -> String {
    let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).map(str::trim).filter(|kind| {
        // Nothing else than a media type, whatever was sent in its place.
        kind.len() <= 100 && kind.contains('/') && !kind.contains(char::is_whitespace)
    });
    format!("HTTP {}, {}", answer.status().as_u16(), kind.unwrap_or("no content type"))
}

/// A URL for people: without user, password, query and fragment.
pub(super) fn shown(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let path = if url.path() == "/" { "" } else { url.path() };
    format!("{}://{}{port}{path}", url.scheme(), url.host_str().unwrap_or_default())
}

fn target(answer: &Response<Bytes>, asked: &Url) -> Option<Url> {
    let location = answer.headers().get(header::LOCATION)?.to_str().ok()?;
    asked.join(location).ok().filter(Url::has_host)
}

/// `redirects to https://host/path (HTTP 301)`
pub(super) fn redirect(answer: &Response<Bytes>, asked: &Url, secrets: &Secrets) -> String {
    let status = answer.status().as_u16();
    match target(answer, asked) {
        Some(target) => {
            let target: String = secrets.scrub(&shown(&target)).chars().take(MAX_TARGET_LENGTH).collect();
            format!("redirects to {target} (HTTP {status})")
        }
        None => format!("redirects to nowhere (HTTP {status})"),
    }
}

/// What is wrong with a redirect in place of a service's answer.
pub(super) fn redirected_call(service: Service, answer: &Response<Bytes>, asked: &Url) -> String {
    format!(
        "it {}; redirects are not followed, since they would carry the token along: {}",
        redirect(answer, asked, &Secrets::new([])),
        catalog_advice(service)
    )
}

/// What is wrong with an answer that is no JSON.
pub(super) fn no_json(service: Service, answer: &Response<Bytes>, reason: &str) -> String {
    let advice = match answer.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()) {
        Some(kind) if kind.contains("html") => {
            format!("; that is not {service}, but a page of something else: {}", catalog_advice(service))
        }
        _ => String::new(),
    };
    format!("{reason} ({}, {} bytes){advice}", kind(answer), answer.body().len())
}

fn catalog_advice(service: Service) -> String {
    format!("the URL of {service} in the service catalog is wrong, or something in front of {service} is")
}

/// Whether a server complains of plain HTTP on a port for TLS.
pub(super) fn is_plain_http_to_tls(answer: &Response<Bytes>) -> bool {
    let body = String::from_utf8_lossy(answer.body().get(..4096).unwrap_or(answer.body()));
    answer.status().as_u16() == 400 && PLAIN_TO_TLS.iter().any(|phrase| body.contains(phrase))
}

/// Whether an answer is the beginning of JSON, which tells nothing of who sent it: the connection failed on the way.
fn is_cut_off(answer: &Response<Bytes>) -> bool {
    let json = serde_json::from_slice::<serde::de::IgnoredAny>(answer.body());
    !answer.body().is_empty() && json.is_err_and(|error| error.is_eof())
}

/// What is wrong with JSON, without a word of it: it may hold a token or a password.
pub(super) fn json_error(error: &serde_json::Error) -> String {
    use serde_json::error::Category;
    let place = format!("line {} column {}", error.line(), error.column());
    match error.classify() {
        Category::Io | Category::Syntax => format!("not JSON ({place})"),
        Category::Eof => format!("not JSON: it ends too early ({place})"),
        Category::Data => {
            let text = error.to_string();
            let what = if text.starts_with("missing field `") {
                text.split(" at line ").next().unwrap_or_default().to_owned()
            } else {
                // serde puts what was expected last; in front of it stands the value.
                match text.rsplit_once(", expected ").and_then(|(_, rest)| rest.split(" at line ").next()) {
                    Some(expected) => format!("a value is not what it must be: {expected}"),
                    None => "a value is not of the form that it must have".to_owned(),
                }
            };
            if error.line() == 0 { what } else { format!("{what} ({place})") }
        }
    }
}

/// What a service's endpoint was looked for by, for messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) service: Service,
    /// The usual service type.
    pub(super) kind: &'a str,
    pub(super) interface: Interface,
    pub(super) region: Option<&'a str>,
}

impl Wanted<'_> {
    fn describe(self) -> String {
        let region = self.region.map_or_else(|| "any region".to_owned(), |region| format!("region {region}"));
        format!(
            "the {} endpoint of service type {} ({}) in {region}",
            self.interface, self.kind, self.service
        )
    }

    /// The catalog has no such endpoint. `offers` is what it has.
    pub(super) fn missing(self, offers: &str) -> CloudError {
        CloudError::Unsuitable(format!(
            "the service catalog lacks {}; it has {offers} (chosen by {REGION_KEYS} and {INTERFACE_KEYS})",
            self.describe()
        ))
    }

    /// The catalog has it in several regions, and nothing says in which.
    pub(super) fn in_several_regions(self, offers: &str) -> CloudError {
        CloudError::Unsuitable(format!(
            "the service catalog has service type {} ({}) in several regions, and none is configured (region_name, \
             OS_REGION_NAME); it has {offers}",
            self.kind, self.service
        ))
    }

    /// The catalog's URL is none.
    pub(super) fn without_url(self) -> CloudError {
        CloudError::Unsuitable(format!(
            "the URL of {} in the service catalog is not a URL that begins with http:// or https://; the cloud's \
             operator has to correct it (openstack endpoint set)",
            self.describe()
        ))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Record {
        #[expect(dead_code, reason = "only that it can be read counts")]
        count: u32,
    }

    #[test]
    fn what_is_wrong_with_json_is_told_without_a_word_of_it() {
        for (text, expected) in [
            (
                r#"{"count": "hunter2, expected hunter2"}"#,
                "a value is not what it must be: u32 (line 1 column 37)",
            ),
            ("{}", "missing field `count` (line 1 column 2)"),
            ("hunter2", "not JSON (line 1 column 1)"),
            (r#"{"count": 1"#, "not JSON: it ends too early (line 1 column 11)"),
            ("", "not JSON: it ends too early (line 1 column 0)"),
        ] {
            let error = serde_json::from_str::<Record>(text).unwrap_err();
            assert_eq!(json_error(&error), expected, "{text}");
        }
        let error = serde_json::from_value::<Record>(json!({"count": "hunter2"})).unwrap_err();
        assert_eq!(json_error(&error), "a value is not what it must be: u32");
    }

    #[test]
    fn a_url_is_shown_without_what_may_be_secret() {
        for (url, expected) in [
            ("https://u:hunter2@h:5000/v3?token=hunter2#hunter2", "https://h:5000/v3"),
            ("http://h/", "http://h"),
            ("http://[fd00::1]:80/x/", "http://[fd00::1]/x/"),
        ] {
            assert_eq!(shown(&url.parse().unwrap()), expected);
        }
    }
}
