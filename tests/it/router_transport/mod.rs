//! A way of requests to a router in the same process: no sockets, so that a paused clock stays exact.

use std::{convert::Infallible, fmt};

use async_trait::async_trait;
use axum::body::{Body, to_bytes};
use bytes::Bytes;
use cluster_autoscaler_provider_magnum::openstack::{Transport, TransportError};
use http::{Extensions, Request, Response};
use tower::{Service, ServiceExt as _};

/// Sends to a router.
#[derive(Clone)]
pub(crate) struct RouterTransport<S> {
    router: S,
    /// Tells by a response's extensions whether to lose it, as a connection cut after the request was heard.
    cut: fn(&Extensions) -> bool,
}

impl<S> RouterTransport<S> {
    /// Sends to `router`, and loses the responses whose extensions `cut` picks.
    pub(crate) const fn new(router: S, cut: fn(&Extensions) -> bool) -> Self {
        Self { router, cut }
    }
}

impl<S> fmt::Debug for RouterTransport<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouterTransport").finish_non_exhaustive()
    }
}

#[async_trait]
impl<S> Transport for RouterTransport<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let answer = match self.router.clone().oneshot(request.map(Body::from)).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        };
        let (parts, body) = answer.into_parts();
        if (self.cut)(&parts.extensions) {
            return Err(TransportError::Lost("connection reset".to_owned()));
        }
        let body = to_bytes(body, usize::MAX).await;
        let body = body.map_err(|error| TransportError::Lost(error.to_string()))?;
        Ok(Response::from_parts(parts, body))
    }
}
