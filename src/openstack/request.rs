//! One request: its time-out, its retries where they are safe, and the message in an error's body.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use rand::{RngExt as _, SeedableRng as _, rngs::Xoshiro256PlusPlus};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::{Instant, sleep, timeout};

use super::{
    diagnosis, error_body,
    secrets::Secrets,
    transport::{Transport, TransportError},
};
use crate::core::cloud::{CloudError, Service};

/// How often a request is tried in all.
const TRIES: u32 = 3;
/// Longest pause before the second try; it doubles with each further one.
const BASE_DELAY: Duration = Duration::from_millis(200);
/// No try begins later than this after the first one.
const RETRY_BUDGET: Duration = Duration::from_secs(5);

/// How long to wait for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For whatever only reads, and for a login.
    pub read: Duration,
    /// For a resize.
    pub resize: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { read: Duration::from_secs(10), resize: Duration::from_secs(30) }
    }
}

/// Is told of every request; each try counts as one.
pub trait RequestObserver: Send + Sync + 'static {
    /// A request ended after `elapsed`; `status` is none if no answer came. `kind` names the call, one of a few fixed words.
    fn request(
        &self,
        service: Service,
        method: &Method,
        kind: &'static str,
        status: Option<StatusCode>,
        elapsed: Duration,
    );
}

/// Observes nothing.
impl RequestObserver for () {
    fn request(&self, _: Service, _: &Method, _: &'static str, _: Option<StatusCode>, _: Duration) {}
}

/// What a request is, for messages, metrics and the choice of time-out and tries.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestMeta {
    pub(super) service: Service,
    /// The call's name in metrics.
    pub(super) kind: &'static str,
    /// Whether the request does no harm when it is carried out twice.
    pub(super) repeatable: bool,
}

/// Sends requests and judges their answers.
#[derive(Clone)]
pub(super) struct Requester {
    transport: Arc<dyn Transport>,
    observer: Arc<dyn RequestObserver>,
    timeouts: Timeouts,
    random: Arc<Mutex<Xoshiro256PlusPlus>>,
    /// The login's secrets, which are removed from all messages.
    secret: SecretString,
}

impl fmt::Debug for Requester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requester").field("transport", &self.transport).finish_non_exhaustive()
    }
}

impl Requester {
    pub(super) fn new(
        transport: Arc<dyn Transport>,
        observer: Arc<dyn RequestObserver>,
        timeouts: Timeouts,
        secret: SecretString,
    ) -> Self {
        let random = Arc::new(Mutex::new(Xoshiro256PlusPlus::from_rng(&mut rand::rng())));
        Self { transport, observer, timeouts, random, secret }
    }

    /// Sends a request as [`Requester::exchange`] does. An answer below 400 comes back; any other becomes an error.
    pub(super) async fn send(
        &self,
        meta: RequestMeta,
        request: &Request<Bytes>,
    ) -> Result<Response<Bytes>, CloudError> {
        let mut answer = self.exchange(meta, request).await?;
        if is_fine(answer.status()) {
            self.scrub_location(request, &mut answer);
            Ok(answer)
        } else {
            Err(self.refusal(meta.service, request, &answer))
        }
    }

    /// Sends a request, and tries again where that is safe: requests that only read, and those that were never sent.
    /// Returns the last answer, whatever it is.
    pub(super) async fn exchange(
        &self,
        meta: RequestMeta,
        request: &Request<Bytes>,
    ) -> Result<Response<Bytes>, CloudError> {
        let started = Instant::now();
        let mut tried = 0;
        loop {
            tried += 1;
            let failure = match self.attempt(meta, request).await {
                Ok(answer) if is_fine(answer.status()) => return Ok(answer),
                Ok(answer) => Failure::Answer(answer),
                Err(failure) => failure,
            };
            let pause = failure.retry_after().unwrap_or_default().max(self.jitter(tried));
            let give_up = tried >= TRIES
                || !failure.may_be_repeated(meta.repeatable)
                || started.elapsed().saturating_add(pause) > RETRY_BUDGET;
            if give_up {
                return match failure {
                    // Only a proxy answers so.
                    Failure::Answer(answer)
                        if answer.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED =>
                    {
                        let reason =
                            "HTTP 407: it asks for a user and password; write http://USER:PASSWORD@HOST:PORT";
                        Err(self.unreachable(meta.service, request, reason.to_owned()))
                    }
                    Failure::Answer(answer) => Ok(answer),
                    Failure::NotSent(reason) | Failure::Lost(reason) => {
                        Err(self.unreachable(meta.service, request, reason))
                    }
                    Failure::Unusable(reason) => Err(CloudError::Malformed {
                        service: meta.service,
                        request: describe(request),
                        reason,
                    }),
                };
            }
            sleep(pause).await;
        }
    }

    pub(super) const fn read_timeout(&self) -> Duration {
        self.timeouts.read
    }

    /// What must not be shown of this answer to this request: the login's secret, and the token on either side.
    pub(super) fn secrets(&self, request: &Request<Bytes>, answer: &Response<Bytes>) -> Secrets {
        let tokens = [request.headers().get("x-auth-token"), answer.headers().get("x-subject-token")];
        let tokens = tokens.into_iter().flatten().filter_map(|token| token.to_str().ok());
        Secrets::new([self.secret.expose_secret()].into_iter().chain(tokens))
    }

    /// Removes secrets from a redirect's target now: it may be shown later, when the request is not at hand.
    fn scrub_location(&self, request: &Request<Bytes>, answer: &mut Response<Bytes>) {
        let Some(location) = answer.headers().get(header::LOCATION) else { return };
        let scrubbed = location.to_str().ok().map(|location| self.secrets(request, answer).scrub(location));
        match scrubbed.and_then(|location| HeaderValue::try_from(location).ok()) {
            Some(location) => answer.headers_mut().insert(header::LOCATION, location),
            None => answer.headers_mut().remove(header::LOCATION),
        };
    }

    /// The proxy that a request goes through, in brackets behind a message.
    pub(super) fn through_proxy(&self, request: &Request<Bytes>) -> String {
        let proxy = self.transport.proxy(request.uri());
        proxy.map(|proxy| format!(" (through the proxy {proxy})")).unwrap_or_default()
    }

    fn unreachable(&self, service: Service, request: &Request<Bytes>, reason: String) -> CloudError {
        let uri = request.uri();
        // Without a user and password that the catalog may have put there.
        let host = uri.authority().map_or("", http::uri::Authority::as_str);
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        let url = format!("{}://{host}", uri.scheme_str().unwrap_or_default());
        let reason = match self.transport.proxy(uri) {
            Some(proxy) => format!("through the proxy {proxy}: {reason}"),
            None => reason,
        };
        CloudError::Unreachable { service, url, reason }
    }

    /// The error for an answer with status 400 or higher.
    pub(super) fn refusal(
        &self,
        service: Service,
        request: &Request<Bytes>,
        answer: &Response<Bytes>,
    ) -> CloudError {
        let (status, method) = (answer.status().as_u16(), request.method());
        let secrets = self.secrets(request, answer);
        let mut message =
            format!("{}{}", error_body::message(answer.body(), &secrets), self.through_proxy(request));
        if status >= 500 || status == 429 {
            let (request_id, retry_after) = (request_id(answer.headers(), &secrets), retry_after(answer));
            let request = describe(request);
            return CloudError::Unavailable { service, request, status, message, request_id, retry_after };
        }
        if diagnosis::is_plain_http_to_tls(answer) {
            message = format!("{message}; its URL in the service catalog must begin with https://");
        }
        // A proxy's 404 must not be taken for the service's own: that would mean that a group or a server is gone.
        if status == 404 && method == Method::GET && !error_body::is_of_a_service(answer.body()) {
            let reason = format!("{}, not {service}'s own answer: {message}", diagnosis::kind(answer));
            return CloudError::Malformed { service, request: describe(request), reason };
        }
        let request_id = request_id(answer.headers(), &secrets);
        CloudError::Refused { service, request: describe(request), status, message, request_id }
    }

    /// Makes the pauses between tries the same each time, for tests.
    pub(super) fn seed_jitter(&mut self, seed: u64) {
        self.random = Arc::new(Mutex::new(Xoshiro256PlusPlus::seed_from_u64(seed)));
    }

    /// Full jitter: a random time between 0 and the pause that doubles with each try.
    fn jitter(&self, tried: u32) -> Duration {
        let longest = BASE_DELAY * 2_u32.saturating_pow(tried.saturating_sub(1));
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        longest.mul_f64(random.random_range(0.0..=1.0))
    }

    async fn attempt(&self, meta: RequestMeta, request: &Request<Bytes>) -> Result<Response<Bytes>, Failure> {
        let limit = if meta.repeatable { self.timeouts.read } else { self.timeouts.resize };
        let started = Instant::now();
        let result = match timeout(limit, self.transport.send(request.clone())).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(TransportError::NotSent(reason))) => Err(Failure::NotSent(reason)),
            Ok(Err(error @ TransportError::TooLarge)) => Err(Failure::Unusable(error.to_string())),
            Ok(Err(TransportError::Lost(reason))) => Err(Failure::Lost(reason)),
            Err(_) => Err(Failure::Lost(format!("timed out after {limit:?}"))),
        };
        let elapsed = started.elapsed();
        let status = result.as_ref().ok().map(Response::status);
        self.observer.request(meta.service, request.method(), meta.kind, status, elapsed);
        tracing::debug!(
            service = meta.service.name(),
            method = %request.method(),
            path = request.uri().path(),
            status = status.map(|status| status.as_u16()),
            milliseconds = elapsed.as_millis(),
            "request"
        );
        result
    }
}

fn is_fine(status: StatusCode) -> bool {
    status.as_u16() < 400
}

/// Method and path of a request, as errors name it.
pub(super) fn describe(request: &Request<Bytes>) -> String {
    format!("{} {}", request.method(), request.uri().path())
}

/// `x-openstack-request-id`, or Nova's older name for it, where it looks like one.
fn request_id(headers: &HeaderMap, secrets: &Secrets) -> Option<String> {
    let is_plain =
        |id: &&str| id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b));
    ["x-openstack-request-id", "x-compute-request-id"]
        .iter()
        .find_map(|name| headers.get(*name)?.to_str().ok().filter(is_plain))
        .map(|id| secrets.scrub(id))
}

/// Seconds only: no OpenStack service sends a date.
fn retry_after(answer: &Response<Bytes>) -> Option<Duration> {
    let seconds = answer.headers().get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

enum Failure {
    NotSent(String),
    Lost(String),
    Unusable(String),
    Answer(Response<Bytes>),
}

impl Failure {
    fn may_be_repeated(&self, repeatable: bool) -> bool {
        match self {
            Self::NotSent(_) => true,
            Self::Lost(_) => repeatable,
            Self::Unusable(_) => false,
            Self::Answer(answer) => {
                repeatable && matches!(answer.status().as_u16(), 429 | 500 | 502 | 503 | 504)
            }
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        let Self::Answer(answer) = self else { return None };
        retry_after(answer)
    }
}
