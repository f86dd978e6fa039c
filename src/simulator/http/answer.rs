//! Answers in the forms of the services.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

/// A JSON answer.
pub(super) fn json_answer(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// 200 with JSON.
pub(super) fn ok(body: &Value) -> Response {
    json_answer(StatusCode::OK, body)
}

/// Sets a header; a value that is none is left out.
pub(super) fn set_header(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().append(name, value);
    }
}

/// 401 of the auth middleware of every service but Keystone (docs/openstack-behaviour.md#error-bodies).
pub(super) fn unauthorized(base: &str) -> Response {
    let body = json!({"error": {
        "code": 401,
        "title": "Unauthorized",
        "message": "The request you have made requires authentication.",
    }});
    let mut response = json_answer(StatusCode::UNAUTHORIZED, &body);
    set_header(&mut response, header::WWW_AUTHENTICATE, &format!("Keystone uri=\"{base}/identity/v3\""));
    response
}

/// An error of Magnum's own (docs/openstack-behaviour.md#error-bodies): the title is the text up to its first full
/// stop.
pub(super) fn magnum_error(status: StatusCode, detail: &str) -> Response {
    let title = detail.split('.').next().unwrap_or_default();
    magnum_error_with_code(status, "client", title, detail)
}

/// An error that Magnum did not expect.
pub(super) fn magnum_server_error(detail: &str) -> Response {
    let title = detail.split('.').next().unwrap_or_default();
    magnum_error_with_code(StatusCode::INTERNAL_SERVER_ERROR, "server", title, detail)
}

/// 404 where Magnum has no route (`magnum-no-route.http`).
pub(super) fn magnum_no_route() -> Response {
    magnum_error_with_code(StatusCode::NOT_FOUND, "", "Not Found", "")
}

/// 406 of Magnum's method routing: no code, no version headers (`magnum-resize-api-1.6.http`).
pub(super) fn magnum_not_acceptable(detail: &str) -> Response {
    magnum_error_with_code(StatusCode::NOT_ACCEPTABLE, "", "Not Acceptable", detail)
}

fn magnum_error_with_code(status: StatusCode, code: &str, title: &str, detail: &str) -> Response {
    let error = json!({
        "request_id": "",
        "code": code,
        "status": status.as_u16(),
        "title": title,
        "detail": detail,
        "links": [],
    });
    json_answer(status, &json!({"errors": [error]}))
}

/// An error of Heat's engine (`heat-stack-404.http`).
pub(super) fn heat_error(status: StatusCode, kind: &str, message: &str) -> Response {
    let explanation = match status {
        StatusCode::NOT_FOUND => "The resource could not be found.",
        _ => {
            "The server could not comply with the request since it is either malformed or otherwise \
             incorrect."
        }
    };
    let title = status.canonical_reason().unwrap_or_default();
    let body = json!({
        "code": status.as_u16(),
        "title": title,
        "explanation": explanation,
        "error": {"type": kind, "traceback": null, "message": message},
    });
    json_answer(status, &body)
}

/// What the web framework of Heat and Nova makes of a status without a body of its own (`heat-patch-grow-202.http`,
/// `heat-resource-by-stack-id-alone-404.http`, `nova-slash-servers.http`).
pub(super) fn heat_plain(status: StatusCode, message: &str) -> Response {
    let title = status.canonical_reason().unwrap_or_default();
    let body = json!({
        "message": message,
        "code": format!("{} {title}", status.as_u16()),
        "title": title,
    });
    json_answer(status, &body)
}

/// 404 where Heat or Nova have no route.
pub(super) fn heat_no_route() -> Response {
    heat_plain(StatusCode::NOT_FOUND, "The resource could not be found.<br /><br />\n\n\n")
}

/// An error of Nova's, such as `itemNotFound`.
pub(super) fn nova_error(status: StatusCode, kind: &str, message: &str) -> Response {
    let body = json!({kind: {"code": status.as_u16(), "message": message}});
    let mut response = json_answer(status, &body);
    let content_type = HeaderValue::from_static("application/json; charset=UTF-8");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

/// What a proxy says when the service behind it does not.
pub(super) fn proxy_error(status: StatusCode) -> Response {
    let title = status.canonical_reason().unwrap_or_default();
    let body = format!("<html><body><h1>{} {title}</h1>\n</body></html>\n", status.as_u16());
    (status, [(header::CONTENT_TYPE, "text/html")], body).into_response()
}
