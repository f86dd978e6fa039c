//! Keystone v3: tokens with a catalog.

use axum::{
    Router,
    body::Bytes,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::Response,
    routing::{get, post},
};
use http::{HeaderName, StatusCode, header};
use serde_json::{Value, json};

use super::{
    answer::{json_answer, ok, set_header},
    site::Site,
};
use crate::simulator::credentials::CREDENTIALS;

/// The types of the services with their names and paths.
const CATALOG: [(&str, &str, &str); 4] = [
    ("container-infra", "magnum", "/container-infra/v1"),
    ("orchestration", "heat", "/orchestration/v1/{project}"),
    ("compute", "nova", "/compute/v2.1"),
    ("identity", "keystone", "/identity/v3"),
];
const INTERFACES: [&str; 3] = ["public", "internal", "admin"];
/// What Keystone says to a scope with a trust and something else.
const SEVERAL_SCOPES: &str = "Expecting to find system, project, domain, OS-TRUST:trust or unscoped in scope. The \
    server could not comply with the request since it is either malformed or otherwise incorrect. The client is \
    assumed to be in error.";
const NO_AUTH: &str = "Expecting to find auth in request body. The server could not comply with the request since \
    it is either malformed or otherwise incorrect. The client is assumed to be in error.";
const WRONG_CREDENTIALS: &str = "The request you have made requires authentication.";
const SCOPED_APPLICATION_CREDENTIAL: &str =
    "Error authenticating with application credential: Application credentials cannot request a scope.";

/// How somebody logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Login {
    Password { scoped: bool },
    ApplicationCredential,
    Trust,
}

/// Why nobody did.
enum Refusal {
    BadRequest(&'static str),
    Unauthorized,
    ScopedApplicationCredential,
}

pub(super) fn routes(site: &Site) -> Router<Site> {
    Router::new()
        .route("/identity/v3", get(version))
        .route("/identity/v3/", get(version))
        .route("/identity/v3/auth/tokens", post(issue_token))
        .layer(from_fn_with_state(site.clone(), add_headers))
}

async fn add_headers(State(site): State<Site>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    set_header(&mut response, header::VARY, "X-Auth-Token");
    let request_id = site.simulator.request_id();
    set_header(&mut response, HeaderName::from_static("x-openstack-request-id"), &request_id);
    response
}

async fn version(State(site): State<Site>) -> Response {
    ok(&json!({"version": {
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": format!("{}/identity/v3/", site.base)}],
        "media-types": [{
            "base": "application/json",
            "type": "application/vnd.openstack.identity-v3+json",
        }],
    }}))
}

async fn issue_token(State(site): State<Site>, body: Bytes) -> Response {
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    match log_in(&request) {
        Ok(login) => {
            let token = site.simulator.issue_token();
            let body = json!({"token": token_body(&site, login)});
            let mut response = json_answer(StatusCode::CREATED, &body);
            set_header(&mut response, HeaderName::from_static("x-subject-token"), &token);
            response
        }
        Err(refusal) => refuse(&site, &refusal),
    }
}

fn refuse(site: &Site, refusal: &Refusal) -> Response {
    let (status, error) = match refusal {
        Refusal::BadRequest(message) => {
            (StatusCode::BAD_REQUEST, json!({"code": 400, "message": message, "title": "Bad Request"}))
        }
        Refusal::Unauthorized => (
            StatusCode::UNAUTHORIZED,
            json!({"code": 401, "message": WRONG_CREDENTIALS, "title": "Unauthorized"}),
        ),
        Refusal::ScopedApplicationCredential => (
            StatusCode::UNAUTHORIZED,
            json!({
                "code": 401,
                "identity": {},
                "message": SCOPED_APPLICATION_CREDENTIAL,
                "title": "Unauthorized",
            }),
        ),
    };
    let mut response = json_answer(status, &json!({"error": error}));
    if status == StatusCode::UNAUTHORIZED {
        let challenge = format!("Keystone uri=\"{}/identity/v3\"", site.base);
        set_header(&mut response, header::WWW_AUTHENTICATE, &challenge);
    }
    response
}

/// The rules of docs/openstack-behaviour.md#logging-in.
fn log_in(request: &Value) -> Result<Login, Refusal> {
    let auth = request.get("auth").ok_or(Refusal::BadRequest(NO_AUTH))?;
    let identity = auth.get("identity").ok_or(Refusal::BadRequest(NO_AUTH))?;
    let scope = auth.get("scope").and_then(Value::as_object);
    let methods = identity.get("methods").and_then(Value::as_array).ok_or(Refusal::BadRequest(NO_AUTH))?;
    if methods.iter().any(|method| method == "application_credential") {
        if scope.is_some() {
            return Err(Refusal::ScopedApplicationCredential);
        }
        let credential = identity.get("application_credential").ok_or(Refusal::BadRequest(NO_AUTH))?;
        return if is_application_credential(credential) {
            Ok(Login::ApplicationCredential)
        } else {
            Err(Refusal::Unauthorized)
        };
    }
    let user = identity.pointer("/password/user").ok_or(Refusal::BadRequest(NO_AUTH))?;
    let Some(scope) = scope else {
        return if is_owner(user, true) { Ok(Login::Password { scoped: false }) } else { unauthorized() };
    };
    match (scope.get("OS-TRUST:trust"), scope.get("project")) {
        (Some(_), _) if scope.len() > 1 => Err(Refusal::BadRequest(SEVERAL_SCOPES)),
        (Some(trust), _) if is(trust, "id", CREDENTIALS.trust_id) && is_trustee(user) => Ok(Login::Trust),
        (None, Some(project)) if is_project(project) && is_owner(user, true) => {
            Ok(Login::Password { scoped: true })
        }
        _ => unauthorized(),
    }
}

fn unauthorized() -> Result<Login, Refusal> {
    Err(Refusal::Unauthorized)
}

fn is(object: &Value, key: &str, expected: &str) -> bool {
    object.get(key).and_then(Value::as_str) == Some(expected)
}

fn in_domain(object: &Value) -> bool {
    object.get("domain").is_some_and(|domain| {
        is(domain, "id", CREDENTIALS.domain_id) || is(domain, "name", CREDENTIALS.domain_name)
    })
}

fn is_owner(user: &Value, with_password: bool) -> bool {
    (is(user, "id", CREDENTIALS.user_id) || (is(user, "name", CREDENTIALS.user_name) && in_domain(user)))
        && (!with_password || is(user, "password", CREDENTIALS.password))
}

fn is_trustee(user: &Value) -> bool {
    is(user, "id", CREDENTIALS.trustee_user_id) && is(user, "password", CREDENTIALS.trustee_password)
}

fn is_project(project: &Value) -> bool {
    is(project, "id", CREDENTIALS.project_id)
        || (is(project, "name", CREDENTIALS.project_name) && in_domain(project))
}

fn is_application_credential(credential: &Value) -> bool {
    let by_name = || {
        is(credential, "name", CREDENTIALS.application_credential_name)
            && credential.get("user").is_some_and(|user| is_owner(user, false))
    };
    is(credential, "secret", CREDENTIALS.application_credential_secret)
        && (is(credential, "id", CREDENTIALS.application_credential_id) || by_name())
}

/// The body of a token; with a trust, user and project are the trustor's (docs/openstack-behaviour.md#logging-in).
fn token_body(site: &Site, login: Login) -> Value {
    let method = match login {
        Login::ApplicationCredential => "application_credential",
        Login::Password { .. } | Login::Trust => "password",
    };
    let domain = json!({"id": CREDENTIALS.domain_id, "name": CREDENTIALS.domain_name});
    let (issued_at, expires_at) = site.simulator.token_times();
    let mut token = json!({
        "methods": [method],
        "user": {
            "domain": domain,
            "id": CREDENTIALS.user_id,
            "name": CREDENTIALS.user_name,
            "password_expires_at": null,
        },
        "audit_ids": ["Yr4TTQ3oQ4ml9cOsJtmQtg"],
        "expires_at": expires_at,
        "issued_at": issued_at,
    });
    let Some(fields) = token.as_object_mut() else { return token };
    if login == (Login::Password { scoped: false }) {
        return token;
    }
    let project = json!({"domain": domain, "id": CREDENTIALS.project_id, "name": CREDENTIALS.project_name});
    fields.insert("project".to_owned(), project);
    fields.insert("roles".to_owned(), roles(login));
    fields.insert("catalog".to_owned(), catalog(site));
    match login {
        Login::Password { .. } => {
            fields.insert("is_domain".to_owned(), json!(false));
        }
        Login::ApplicationCredential => {
            fields.insert("is_domain".to_owned(), json!(false));
            let credential = json!({
                "id": CREDENTIALS.application_credential_id,
                "name": CREDENTIALS.application_credential_name,
                "restricted": true,
            });
            fields.insert("application_credential".to_owned(), credential);
        }
        Login::Trust => {
            let trust = json!({
                "id": CREDENTIALS.trust_id,
                "trustor_user": {"id": CREDENTIALS.user_id},
                "trustee_user": {"id": CREDENTIALS.trustee_user_id},
                "impersonation": true,
            });
            fields.insert("OS-TRUST:trust".to_owned(), trust);
        }
    }
    token
}

fn roles(login: Login) -> Value {
    let role = |id: &str, name: &str, immutable: bool| match login {
        Login::Trust => {
            let options = if immutable { json!({"immutable": true}) } else { json!({}) };
            json!({"id": id, "name": name, "domain_id": null, "description": null, "options": options})
        }
        _ => json!({"id": id, "name": name}),
    };
    json!([
        role("85ae292ad66a46dabff4a8cafee87ab7", "heat_stack_owner", false),
        role("503c893be7ba42d8b7f503df419c7d49", "reader", true),
        role("78de8934e3b44b92860b45cff1881338", "member", true),
    ])
}

fn catalog(site: &Site) -> Value {
    let services = CATALOG.iter().enumerate().map(|(ordinal, (kind, name, path))| {
        let url = format!("{}{}", site.base, path.replace("{project}", CREDENTIALS.project_id));
        let endpoints: Vec<Value> = INTERFACES
            .iter()
            .enumerate()
            .map(|(place, interface)| {
                json!({
                    "id": format!("{ordinal:016x}{place:016x}"),
                    "interface": interface,
                    "region_id": CREDENTIALS.region,
                    "url": url,
                    "region": CREDENTIALS.region,
                })
            })
            .collect();
        json!({"endpoints": endpoints, "id": format!("{ordinal:032x}"), "type": kind, "name": name})
    });
    services.collect()
}
