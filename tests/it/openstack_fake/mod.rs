//! The smallest OpenStack that a test can script: answers by path, a log of what was asked, and time.

#![allow(clippy::needless_pass_by_value, reason = "bodies are written where they are passed")]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Body};
use bytes::Bytes;
use cluster_autoscaler_provider_magnum::{
    config::{
        CloudConfig, Credentials,
        cloud::{EndpointOverrides, Identity, Interface, Scope},
    },
    openstack::{Session, Transport},
};
use http::{HeaderMap, Request, Response};
use serde_json::{Value, json};

use crate::router_transport::RouterTransport;

/// The password of [`Fake::config`].
pub(crate) const PASSWORD: &str = "hunter2";
/// Marks an answer that gets lost on its way.
#[derive(Clone)]
struct Cut;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// `GET /magnum/v1/clusters/k8s`, without the query.
    pub(crate) what: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    /// How often the same was asked before.
    pub(crate) earlier: usize,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub(crate) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
    delay: Duration,
    cut: bool,
}

pub(crate) fn text(status: u16, body: &str) -> Answer {
    Answer { status, headers: vec![], body: body.to_owned(), delay: Duration::ZERO, cut: false }
}

pub(crate) fn answer(status: u16, body: Value) -> Answer {
    text(status, &body.to_string())
}

pub(crate) fn ok(body: Value) -> Answer {
    answer(200, body)
}

impl Answer {
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    pub(crate) fn cut(mut self) -> Self {
        self.cut = true;
        self
    }
}

type Responder = Arc<dyn Fn(&Asked) -> Answer + Send + Sync>;

#[derive(Default)]
struct State {
    responders: Mutex<BTreeMap<String, Responder>>,
    log: Mutex<Vec<Asked>>,
    latency: Mutex<Duration>,
    logins: Mutex<u32>,
}

#[derive(Clone, Default)]
pub(crate) struct Fake(Arc<State>);

impl Fake {
    /// A cloud of which only Keystone and Magnum's version document answer.
    pub(crate) fn new() -> Self {
        let fake = Self::default();
        let state = Arc::clone(&fake.0);
        fake.on("POST /identity/v3/auth/tokens", move |_| {
            let mut logins = state.logins.lock().unwrap();
            *logins += 1;
            token(*logins, 3600)
        });
        fake.magnum_version("1.10");
        fake
    }

    pub(crate) fn on(&self, what: &str, responder: impl Fn(&Asked) -> Answer + Send + Sync + 'static) {
        self.0.responders.lock().unwrap().insert(what.to_owned(), Arc::new(responder));
    }

    pub(crate) fn magnum_version(&self, newest: &'static str) {
        self.on("GET /magnum/", move |_| {
            ok(json!({"versions": [{"id": "v1", "status": "CURRENT", "min_version": "1.1", "max_version": newest}]}))
        });
    }

    /// How long every answer takes.
    pub(crate) fn latency(&self, latency: Duration) {
        *self.0.latency.lock().unwrap() = latency;
    }

    /// What was asked since the last call of this.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.0.log.lock().unwrap())
    }

    /// How often each thing was asked since the last call of this.
    pub(crate) fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for asked in self.asked() {
            *counts.entry(asked.what).or_default() += 1;
        }
        counts
    }

    async fn respond(self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let what = format!("{} {}", parts.method, parts.uri.path());
        let (asked, responder) = {
            let mut log = self.0.log.lock().unwrap();
            let asked = Asked {
                query: parts.uri.query().unwrap_or_default().to_owned(),
                headers: parts.headers,
                body: serde_json::from_slice(&body).unwrap_or(Value::Null),
                earlier: log.iter().filter(|earlier| earlier.what == what).count(),
                what,
            };
            log.push(asked.clone());
            let responder = self.0.responders.lock().unwrap().get(&asked.what).cloned();
            (asked, responder)
        };
        let answer = match responder {
            Some(responder) => responder(&asked),
            None => answer(404, json!({"error": {"message": format!("{} is not scripted", asked.what)}})),
        };
        let latency = *self.0.latency.lock().unwrap();
        tokio::time::sleep(latency + answer.delay).await;
        let mut response = Response::builder().status(answer.status);
        for (name, value) in answer.headers {
            response = response.header(name, value);
        }
        let mut response = response.body(Body::from(Bytes::from(answer.body))).unwrap();
        if answer.cut {
            response.extensions_mut().insert(Cut);
        }
        response
    }

    pub(crate) fn transport(&self) -> Arc<dyn Transport> {
        let fake = self.clone();
        let router = Router::new().fallback(move |request: Request<Body>| fake.clone().respond(request));
        Arc::new(RouterTransport::new(router, |extensions| extensions.get::<Cut>().is_some()))
    }

    pub(crate) fn config() -> CloudConfig {
        CloudConfig {
            auth_url: "http://cloud/identity".parse().unwrap(),
            credentials: Credentials::Password {
                user: Identity::Id("u1".to_owned()),
                password: PASSWORD.into(),
                scope: Scope::Trust("t1".to_owned()),
            },
            region: Some("R".to_owned()),
            interface: Interface::Public,
            endpoint_overrides: EndpointOverrides::default(),
            ca_file: None,
            client_certificate: None,
            insecure: false,
        }
    }

    pub(crate) fn session(&self) -> Arc<Session> {
        Arc::new(Session::new(Self::config(), self.transport()))
    }
}

/// A token with this number and life.
pub(crate) fn token(number: u32, seconds: u32) -> Answer {
    let endpoint = |kind: &str, url: &str| json!({"type": kind, "endpoints": [{"interface": "public", "region": "R", "region_id": "R", "url": url}]});
    let expires_at =
        format!("2026-01-01T{:02}:{:02}:{:02}.000000Z", seconds / 3600, seconds / 60 % 60, seconds % 60);
    answer(
        201,
        json!({"token": {
            "issued_at": "2026-01-01T00:00:00.000000Z",
            "expires_at": expires_at,
            "project": {"id": "p1", "name": "demo"},
            "catalog": [
                endpoint("container-infra", "http://cloud/magnum/v1"),
                endpoint("orchestration", "http://cloud/heat/v1/p1"),
                endpoint("compute", "http://cloud/nova/v2.1"),
            ],
        }}),
    )
    .header("x-subject-token", &format!("token-{number}"))
}
