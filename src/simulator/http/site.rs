//! What every handler has at hand.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::HeaderMap;

use super::answer::unauthorized;
use crate::simulator::Simulator;

/// A simulator and where it can be reached.
#[derive(Debug, Clone)]
pub(super) struct Site {
    pub(super) simulator: Simulator,
    /// Without a slash at its end.
    pub(super) base: Arc<str>,
}

/// Middleware: 401 unless the request has a good token.
pub(super) async fn authenticate(State(site): State<Site>, request: Request, next: Next) -> Response {
    let token = header(request.headers(), "x-auth-token").unwrap_or_default();
    if site.simulator.accepts_token(token) { next.run(request).await } else { unauthorized(&site.base) }
}

/// An answer that ends a handler early.
pub(super) type Refusal = Box<Response>;

/// A header's value where it is text.
pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
