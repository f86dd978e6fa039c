//! Keystone v3: what a login says, and what comes back.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, Uri, header};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;
use url::Url;

use super::{catalog::Catalog, diagnosis::json_error};
use crate::config::cloud::{ApplicationCredential, Credentials, Domain, Identity, Scope};

/// A token is renewed this long before its end, or a tenth of its life where that is less
/// (keystoneauth `identity/base.py:34`).
const RENEWAL_MARGIN: Duration = Duration::from_secs(120);

/// A token counts as valid for this long at least. One that is born expired, as by a wrong clock, would mean a login
/// before every request; if it really is expired, the services say so.
const MIN_TOKEN_LIFE: Duration = Duration::from_secs(30);

/// A token with what came with it.
#[derive(Debug)]
pub struct Token {
    /// The token itself, marked sensitive: its debug text does not show it.
    pub header: HeaderValue,
    /// Where the services are.
    pub catalog: Catalog,
    /// The project that it is for: name, or id where there is no name.
    pub project: Option<String>,
    /// The project's id, empty where the token is for none.
    pub project_id: String,
    /// When it is renewed.
    pub renew_at: Instant,
    /// When it expires.
    pub expires_at: Instant,
    /// Its lifetime, if that is too short to be intended.
    pub short_life: Option<Duration>,
}

#[derive(Deserialize)]
struct Answer {
    token: AnswerToken,
}

/// Only what a token is useless without has to be well-formed.
#[derive(Deserialize)]
struct AnswerToken {
    expires_at: String,
    issued_at: Option<Value>,
    #[serde(default)]
    catalog: Catalog,
    project: Option<Value>,
}

impl Token {
    /// Reads the answer to a login that was sent at `asked_at`.
    ///
    /// The lifetime is computed from Keystone's own two times, so that a wrong clock on either side does no harm.
    ///
    /// # Errors
    /// What is wrong with the answer.
    pub(super) fn from_answer(answer: &Response<Bytes>, asked_at: Instant) -> Result<Self, String> {
        let mut header = answer
            .headers()
            .get("x-subject-token")
            .ok_or_else(|| "there is no X-Subject-Token".to_owned())?
            .clone();
        header.set_sensitive(true);
        let Answer { token } = serde_json::from_slice(answer.body())
            .map_err(|error| format!("not a token: {}", json_error(&error)))?;
        let expires_at: Timestamp =
            token.expires_at.parse().map_err(|_| "the token's expires_at is not a timestamp".to_owned())?;
        let issued_at = token.issued_at.as_ref().and_then(|time| time.as_str()?.parse().ok());
        let issued_at = issued_at.unwrap_or_else(Timestamp::now);
        let told_life = Duration::try_from(expires_at.duration_since(issued_at)).unwrap_or_default();
        let life = told_life.max(MIN_TOKEN_LIFE);
        let expires_at = asked_at + life;
        let of_project = |key: &str| Some(token.project.as_ref()?.get(key)?.as_str()?.to_owned());
        Ok(Self {
            header,
            catalog: token.catalog,
            project_id: of_project("id").unwrap_or_default(),
            project: of_project("name").or_else(|| of_project("id")),
            renew_at: expires_at - RENEWAL_MARGIN.min(life / 10),
            expires_at,
            short_life: (told_life < MIN_TOKEN_LIFE).then_some(told_life),
        })
    }
}

/// The request for a token: `POST /v3/auth/tokens`.
///
/// # Errors
/// What is wrong with the URL.
pub(super) fn login_request(
    auth_url: &Url,
    credentials: &Credentials,
) -> Result<Request<Bytes>, http::Error> {
    let uri: Uri = format!("{}/v3/auth/tokens", auth_url.as_str().trim_end_matches('/')).parse()?;
    Request::builder()
        .method(Method::POST)
        .uri(uri)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json")
        .body(Bytes::from(login_body(credentials).to_string()))
}

/// The body of a login. An application credential has no scope, and a trust is the only scope
/// (docs/openstack-behaviour.md#logging-in).
fn login_body(credentials: &Credentials) -> Value {
    match credentials {
        Credentials::Password { user, password, scope } => {
            let mut user = identity(user);
            set(&mut user, "password", json!(password.expose_secret()));
            json!({"auth": {
                "identity": {"methods": ["password"], "password": {"user": user}},
                "scope": scope_body(scope),
            }})
        }
        Credentials::ApplicationCredential { credential, secret } => {
            let mut credential = match credential {
                ApplicationCredential::Id(id) => json!({"id": id}),
                ApplicationCredential::Name { name, user } => json!({"name": name, "user": identity(user)}),
            };
            set(&mut credential, "secret", json!(secret.expose_secret()));
            json!({"auth": {
                "identity": {"methods": ["application_credential"], "application_credential": credential},
            }})
        }
        Credentials::Token { token, scope } => {
            let mut auth = json!({
                "identity": {"methods": ["token"], "token": {"id": token.expose_secret()}},
            });
            if let Some(scope) = scope {
                set(&mut auth, "scope", scope_body(scope));
            }
            json!({"auth": auth})
        }
    }
}

fn set(object: &mut Value, key: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
}

fn identity(identity: &Identity) -> Value {
    match identity {
        Identity::Id(id) => json!({"id": id}),
        Identity::Name { name, domain: Domain::Id(id) } => json!({"name": name, "domain": {"id": id}}),
        Identity::Name { name, domain: Domain::Name(domain) } => {
            json!({"name": name, "domain": {"name": domain}})
        }
    }
}

fn scope_body(scope: &Scope) -> Value {
    match scope {
        Scope::Project(project) => json!({"project": identity(project)}),
        Scope::Trust(id) => json!({"OS-TRUST:trust": {"id": id}}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> Identity {
        Identity::Name { name: "demo".to_owned(), domain: Domain::Name("Default".to_owned()) }
    }

    #[test]
    fn bodies_are_those_that_keystone_took() {
        let cases = [
            (
                Credentials::Password {
                    user: Identity::Id("U".to_owned()),
                    password: "P".into(),
                    scope: Scope::Trust("T".to_owned()),
                },
                r#"{"auth":{"identity":{"methods":["password"],"password":{"user":{"id":"U","password":"P"}}},"scope":{"OS-TRUST:trust":{"id":"T"}}}}"#,
            ),
            (
                Credentials::Password { user: user(), password: "P".into(), scope: Scope::Project(user()) },
                r#"{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"demo","domain":{"name":"Default"},"password":"P"}}},"scope":{"project":{"name":"demo","domain":{"name":"Default"}}}}}"#,
            ),
            (
                Credentials::ApplicationCredential {
                    credential: ApplicationCredential::Id("I".to_owned()),
                    secret: "S".into(),
                },
                r#"{"auth":{"identity":{"methods":["application_credential"],"application_credential":{"id":"I","secret":"S"}}}}"#,
            ),
            (
                Credentials::ApplicationCredential {
                    credential: ApplicationCredential::Name { name: "N".to_owned(), user: user() },
                    secret: "S".into(),
                },
                r#"{"auth":{"identity":{"methods":["application_credential"],"application_credential":{"name":"N","user":{"name":"demo","domain":{"name":"Default"}},"secret":"S"}}}}"#,
            ),
            (
                Credentials::Token { token: "K".into(), scope: None },
                r#"{"auth":{"identity":{"methods":["token"],"token":{"id":"K"}}}}"#,
            ),
        ];
        for (credentials, expected) in cases {
            assert_eq!(login_body(&credentials), serde_json::from_str::<Value>(expected).unwrap());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_of_the_lab_is_understood() {
        let body = include_bytes!("../../tests/fixtures/keystone-token-trust.json");
        let answer =
            Response::builder().header("X-Subject-Token", "gAAAA").body(Bytes::from_static(body)).unwrap();
        let now = Instant::now();
        let token = Token::from_answer(&answer, now).unwrap();
        assert_eq!(token.expires_at - now, Duration::from_secs(4 * 3600));
        assert_eq!(token.expires_at - token.renew_at, RENEWAL_MARGIN);
        assert_eq!(token.project.as_deref(), Some("demo"));
        assert!(!format!("{token:?}").contains("gAAAA"));
        let unnamed = Response::builder().body(Bytes::from_static(body)).unwrap();
        assert!(Token::from_answer(&unnamed, now).unwrap_err().contains("X-Subject-Token"));
    }
}
