//! The wire between client and cloud: latency, counting and faults.

use std::{io, time::Duration};

use axum::{
    body::{Body, to_bytes},
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use futures_util::stream;
use http::{HeaderValue, StatusCode, header};

use super::{
    answer::{proxy_error, set_header, unauthorized},
    site::Site,
};
use crate::simulator::{
    faults::{CastOutcome, Fault, Request as FaultRequest, Staleness},
    records::{RequestKey, Service},
};

/// Marks an answer that never arrives: the connection broke. Over real HTTP its body breaks off; whoever calls the
/// router in the same process must turn it into a transport error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionCut;

/// What every path of a service begins with.
const PREFIXES: [(&str, Service); 4] = [
    ("/identity", Service::Identity),
    ("/container-infra", Service::ContainerInfra),
    ("/orchestration", Service::Orchestration),
    ("/compute", Service::Compute),
];

/// Counts a request and lets happen to it what the fault plan has for it.
pub(super) async fn carry(State(site): State<Site>, mut request: Request, next: Next) -> Response {
    let faults = draw_faults(&site, &request);
    let latency = site.simulator.latency(request.uri().path());
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let mut outcome = CastOutcome::default();
    let mut staleness = Staleness::default();
    for fault in &faults {
        match fault {
            Fault::Hang(time) => tokio::time::sleep(*time).await,
            Fault::Answer(status) => {
                return proxy_error(
                    StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
                );
            }
            Fault::TooManyRequests => {
                let mut response = proxy_error(StatusCode::TOO_MANY_REQUESTS);
                set_header(&mut response, header::RETRY_AFTER, "1");
                return response;
            }
            Fault::Unauthorized => return unauthorized(&site.base),
            Fault::CutBefore => return cut(),
            Fault::LostCast => outcome.lost = true,
            Fault::DelayedCast(delay) => outcome.delay = *delay,
            Fault::HeatRefuses => outcome.refused = true,
            Fault::StaleRead(age) | Fault::Lagging(age) => staleness.0 = staleness.0.max(*age),
            Fault::Slow(_) | Fault::TruncatedBody | Fault::CutAfter => {}
        }
    }
    request.extensions_mut().insert(outcome);
    request.extensions_mut().insert(staleness);
    let mut response = next.run(request).await;
    for fault in &faults {
        match fault {
            Fault::Slow(time) => tokio::time::sleep(*time).await,
            Fault::TruncatedBody => response = truncated(response).await,
            Fault::CutAfter => return cut(),
            _ => {}
        }
    }
    response
}

/// Counts the request and draws its faults.
fn draw_faults(site: &Site, request: &Request) -> Vec<Fault> {
    let path = request.uri().path();
    let of_service = |whole: &str| {
        PREFIXES
            .iter()
            .find_map(|(prefix, service)| whole.strip_prefix(prefix).map(|rest| (*service, rest.to_owned())))
    };
    let Some((service, path)) = of_service(path) else { return Vec::new() };
    let template = request
        .extensions()
        .get::<MatchedPath>()
        .and_then(|matched| of_service(matched.as_str()))
        .map_or_else(|| path.clone(), |(_, template)| template);
    let key = RequestKey { service, method: request.method().clone(), path: template };
    site.simulator.record_request(key, &FaultRequest { service, method: request.method(), path: &path })
}

/// An answer that breaks off before its first byte of body.
fn cut() -> Response {
    let broken = stream::once(async {
        // Gives the head of the answer the time to be sent, as a broken connection would.
        tokio::time::sleep(Duration::ZERO).await;
        Err::<&[u8], _>(io::Error::from(io::ErrorKind::ConnectionReset))
    });
    let mut response = Response::new(Body::from_stream(broken));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("1000"));
    response.extensions_mut().insert(ConnectionCut);
    response
}

async fn truncated(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(bytes.slice(..bytes.len() / 2)))
}
