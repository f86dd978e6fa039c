//! A login at Keystone that lasts: the token is fetched when needed, shared, and renewed in time.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::{HeaderName, Method, Request, Response, header};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::{sync::Mutex, time::Instant};
use url::Url;

use super::{
    diagnosis::{self, FailedLogin},
    keystone::{Token, login_request},
    request::{RequestMeta, RequestObserver, Requester, Timeouts},
    transport::Transport,
};
use crate::{
    config::CloudConfig,
    core::cloud::{CloudError, Service},
};

/// How long Keystone is not asked again after it refused the credentials; doubles up to [`MAX_REFUSAL`]. Asking
/// again and again would lock the user's account (Keystone `[security_compliance] lockout_failure_attempts`).
const FIRST_REFUSAL: Duration = Duration::from_secs(30);
/// The longest time for which Keystone is not asked again.
const MAX_REFUSAL: Duration = Duration::from_secs(300);
/// How long to wait after an early renewal has failed, while the old token is still valid.
const RENEWAL_PAUSE: Duration = Duration::from_secs(5);

/// One login, shared by all clients.
pub struct Session {
    config: CloudConfig,
    /// Where the configuration comes from, for messages.
    origin: Option<String>,
    requester: Requester,
    current: ArcSwapOption<Token>,
    login: Mutex<Login>,
    short_life_told: AtomicBool,
}

/// The result of past logins. Whoever holds the lock on it logs in.
#[derive(Default)]
struct Login {
    refusal: Option<Refusal>,
    failure: Option<(Instant, CloudError)>,
}

impl Login {
    /// Fails as the last login did if that was after `asked_at`: callers that waited for it get its error, too.
    fn failed_since(&self, asked_at: Instant) -> Result<(), CloudError> {
        match &self.failure {
            Some((at, error)) if *at >= asked_at => Err(error.clone()),
            _ => Ok(()),
        }
    }
}

struct Refusal {
    error: CloudError,
    until: Instant,
    backoff: Duration,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("config", &self.config).finish_non_exhaustive()
    }
}

/// A request of one of the services' clients.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) service: Service,
    pub(super) kind: &'static str,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: Vec<(HeaderName, String)>,
    pub(super) body: Option<Value>,
}

impl Call {
    /// A GET of an endpoint's URL with these segments appended, each escaped.
    pub(super) fn get(service: Service, kind: &'static str, mut url: Url, path: &[&str]) -> Self {
        extend_path(&mut url, path);
        Self { service, kind, method: Method::GET, url, headers: Vec::new(), body: None }
    }

    pub(super) fn query(mut self, name: &str, value: &str) -> Self {
        self.url.query_pairs_mut().append_pair(name, value);
        self
    }

    pub(super) fn header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((HeaderName::from_static(name), value));
        self
    }

    fn request(&self) -> Result<Request<Bytes>, CloudError> {
        let mut builder = Request::builder()
            .method(&self.method)
            .uri(self.url.as_str())
            .header(header::ACCEPT, "application/json");
        for (name, value) in &self.headers {
            builder = builder.header(name, value);
        }
        let body = match &self.body {
            Some(body) => {
                builder = builder.header(header::CONTENT_TYPE, "application/json");
                Bytes::from(body.to_string())
            }
            None => Bytes::new(),
        };
        builder.body(body).map_err(|error| {
            CloudError::Unsuitable(format!(
                "no request can be made for {}: {error}",
                diagnosis::shown(&self.url)
            ))
        })
    }
}

/// Appends segments to a URL's path, whether or not it ends with a slash.
pub(super) fn extend_path(url: &mut Url, path: &[&str]) {
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
}

impl Session {
    /// A session that has not logged in yet; the first request does.
    #[must_use]
    pub fn new(config: CloudConfig, transport: Arc<dyn Transport>) -> Self {
        Self::with(config, transport, Arc::new(()), Timeouts::default())
    }

    /// A session with an observer of its requests and its own time-outs.
    #[must_use]
    pub fn with(
        config: CloudConfig,
        transport: Arc<dyn Transport>,
        observer: Arc<dyn RequestObserver>,
        timeouts: Timeouts,
    ) -> Self {
        let secret = config.credentials.secret().clone();
        Self {
            config,
            origin: None,
            requester: Requester::new(transport, observer, timeouts, secret),
            current: ArcSwapOption::empty(),
            login: Mutex::default(),
            short_life_told: AtomicBool::new(false),
        }
    }

    /// Sets where the configuration comes from, for messages about a failed login: `/etc/cloud.conf [Global]`.
    #[must_use]
    pub fn with_origin(mut self, origin: String) -> Self {
        self.origin = Some(origin);
        self
    }

    /// Makes the pauses between tries the same each time, for tests.
    #[must_use]
    pub fn with_jitter_seed(mut self, seed: u64) -> Self {
        self.requester.seed_jitter(seed);
        self
    }

    /// A valid token. Shortly before it expires one caller renews it; the others use the old one meanwhile.
    ///
    /// # Errors
    /// [`CloudError::Authentication`] when Keystone refuses the credentials; it is then not asked again for a while.
    /// Otherwise why Keystone did not answer.
    pub async fn token(&self) -> Result<Arc<Token>, CloudError> {
        let asked_at = Instant::now();
        if let Some(token) = self.current.load_full() {
            if asked_at < token.renew_at {
                return Ok(token);
            }
            if asked_at < token.expires_at {
                let Ok(login) = self.login.try_lock() else { return Ok(token) };
                return Ok(self.renew_early(login, token).await);
            }
        }
        let mut login = self.login.lock().await;
        if let Some(token) = self.current.load_full().filter(|token| Instant::now() < token.expires_at) {
            return Ok(token);
        }
        login.failed_since(asked_at)?;
        self.log_in(&mut login).await
    }

    async fn renew_early(
        &self,
        mut login: tokio::sync::MutexGuard<'_, Login>,
        old: Arc<Token>,
    ) -> Arc<Token> {
        if let Some(token) = self.current.load_full().filter(|token| !Arc::ptr_eq(token, &old)) {
            return token;
        }
        if login.failure.as_ref().is_some_and(|(at, _)| at.elapsed() < RENEWAL_PAUSE) {
            return old;
        }
        match self.log_in(&mut login).await {
            Ok(token) => token,
            Err(error) => {
                tracing::warn!(%error, "the token cannot be renewed yet; the old one still serves");
                old
            }
        }
    }

    /// A token other than the one that a service has rejected.
    async fn replace_rejected_token(&self, rejected: &Arc<Token>) -> Result<Arc<Token>, CloudError> {
        let asked_at = Instant::now();
        let mut login = self.login.lock().await;
        if let Some(token) = self.current.load_full().filter(|token| !Arc::ptr_eq(token, rejected)) {
            return Ok(token);
        }
        login.failed_since(asked_at)?;
        self.current.store(None);
        self.log_in(&mut login).await
    }

    async fn log_in(&self, login: &mut Login) -> Result<Arc<Token>, CloudError> {
        if let Some(refusal) = login.refusal.as_ref().filter(|refusal| Instant::now() < refusal.until) {
            return Err(refusal.error.clone());
        }
        let result = self.fetch_token().await;
        match &result {
            Ok(token) => {
                *login = Login::default();
                self.current.store(Some(Arc::clone(token)));
            }
            Err(error) => {
                let now = Instant::now();
                login.failure = Some((now, error.clone()));
                if matches!(error, CloudError::Authentication { .. }) {
                    let backoff = login
                        .refusal
                        .as_ref()
                        .map_or(FIRST_REFUSAL, |refusal| (refusal.backoff * 2).min(MAX_REFUSAL));
                    login.refusal = Some(Refusal { error: error.clone(), until: now + backoff, backoff });
                }
            }
        }
        result
    }

    async fn fetch_token(&self) -> Result<Arc<Token>, CloudError> {
        let request = login_request(&self.config.auth_url, &self.config.credentials).map_err(|error| {
            CloudError::Unsuitable(format!(
                "{} is no usable URL: {error}",
                diagnosis::shown(&self.config.auth_url)
            ))
        })?;
        // A login changes nothing, so that it may be repeated although it is a POST.
        let meta = RequestMeta { service: Service::Identity, kind: "token", repeatable: true };
        let asked_at = Instant::now();
        let answer = self.requester.exchange(meta, &request).await?;
        let secrets = self.requester.secrets(&request, &answer);
        let failed = FailedLogin {
            auth_url: &self.config.auth_url,
            credentials: &self.config.credentials,
            origin: self.origin.as_deref(),
            secrets: &secrets,
            through_proxy: self.requester.through_proxy(&request),
        };
        if !answer.status().is_success() {
            let explained = failed.explain(&answer);
            return Err(
                explained.unwrap_or_else(|| self.requester.refusal(Service::Identity, &request, &answer))
            );
        }
        let token =
            Token::from_answer(&answer, asked_at).map_err(|reason| failed.without_token(&answer, &reason))?;
        if let Some(life) = token.short_life
            && !self.short_life_told.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                "the token is valid for {life:?} only; compare Keystone's clock with this machine's, and see its [token] \
                 expiration"
            );
        }
        tracing::debug!(project = token.project, "logged in");
        Ok(Arc::new(token))
    }

    /// The endpoint of a service: the configuration's own before the catalog's.
    ///
    /// # Errors
    /// As [`Session::token`]; [`CloudError::Unsuitable`] when the catalog has no such endpoint.
    pub async fn endpoint(&self, service: Service) -> Result<Url, CloudError> {
        let token = self.token().await?;
        if let Some(url) = self.config.endpoint_overrides.url(service, &token.project_id) {
            return Ok(url);
        }
        token.catalog.endpoint(service, self.config.interface, self.config.region.as_deref())
    }

    /// Name or id of the project that the session is for, once it has logged in.
    #[must_use]
    pub fn project(&self) -> Option<String> {
        self.current.load().as_ref().and_then(|token| token.project.clone())
    }

    /// How long a request that only reads may take.
    pub(super) const fn read_timeout(&self) -> Duration {
        self.requester.read_timeout()
    }

    /// The region that was asked for.
    pub(super) fn region(&self) -> Option<&str> {
        self.config.region.as_deref()
    }

    /// Sends a call with the token; once more with a new one where the service rejects it.
    pub(super) async fn send(&self, call: &Call) -> Result<Response<Bytes>, CloudError> {
        let mut request = call.request()?;
        let meta =
            RequestMeta { service: call.service, kind: call.kind, repeatable: call.method == Method::GET };
        let token = self.token().await?;
        request.headers_mut().insert("x-auth-token", token.header.clone());
        match self.requester.send(meta, &request).await {
            Err(CloudError::Refused { status: 401, .. }) => {
                let token = self.replace_rejected_token(&token).await?;
                request.headers_mut().insert("x-auth-token", token.header.clone());
                self.requester.send(meta, &request).await
            }
            result => result,
        }
    }

    /// Sends a call without a token.
    pub(super) async fn send_without_token(&self, call: &Call) -> Result<Response<Bytes>, CloudError> {
        let meta = RequestMeta { service: call.service, kind: call.kind, repeatable: true };
        self.requester.send(meta, &call.request()?).await
    }

    /// Sends a call and reads its answer's JSON.
    pub(super) async fn fetch<T: DeserializeOwned>(&self, call: &Call) -> Result<T, CloudError> {
        parse(call, &self.send(call).await?)
    }
}

/// Reads an answer's JSON.
pub(super) fn parse<T: DeserializeOwned>(call: &Call, answer: &Response<Bytes>) -> Result<T, CloudError> {
    if answer.status().is_redirection() {
        return Err(redirected(call, answer));
    }
    serde_json::from_slice(answer.body()).map_err(|error| {
        let reason = diagnosis::no_json(call.service, answer, &diagnosis::json_error(&error));
        malformed(call, reason)
    })
}

/// The error for a redirect, which is never followed.
pub(super) fn redirected(call: &Call, answer: &Response<Bytes>) -> CloudError {
    let reason = diagnosis::redirected_call(call.service, answer, &call.url);
    malformed(call, reason)
}

/// The error for an answer that cannot be understood.
pub(super) fn malformed(call: &Call, reason: String) -> CloudError {
    CloudError::Malformed {
        service: call.service,
        request: format!("{} {}", call.method, call.url.path()),
        reason,
    }
}
