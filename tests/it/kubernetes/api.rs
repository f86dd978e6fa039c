//! A Kubernetes API server, as far as Node objects and events go, on loopback.
#![allow(unreachable_pub, reason = "a module of one test")]

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::{get, patch, post},
};
use cluster_autoscaler_provider_magnum::kubernetes::Access;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

/// What the server remembers and does.
#[derive(Default)]
struct Inner {
    nodes: BTreeMap<String, Value>,
    /// All changes with their versions, as watches tell them.
    changes: Vec<(u64, Value)>,
    version: u64,
    /// Versions before this one are forgotten.
    forgotten: u64,
    /// Whether that is said at once, and not by the first line of a watch.
    says_gone_at_once: bool,
    /// Verbs that are forbidden.
    forbidden: Vec<&'static str>,
    /// How many lists were asked for.
    lists: usize,
    /// The versions that watches began at.
    watches: Vec<u64>,
    /// Method and body of each event that was written.
    events: Vec<(&'static str, Value)>,
}

/// What open watches are told to do.
#[derive(Clone, Copy, Default)]
struct Tick {
    change: u64,
    /// Connections of an earlier generation end.
    generation: u64,
}

#[derive(Clone)]
struct Shared {
    inner: Arc<Mutex<Inner>>,
    ticks: watch::Sender<Tick>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }
}

/// The server.
pub struct ApiServer {
    shared: Shared,
    pub address: SocketAddr,
    running: Option<JoinHandle<()>>,
}

impl ApiServer {
    pub async fn start() -> Self {
        let shared = Shared { inner: Arc::default(), ticks: watch::Sender::new(Tick::default()) };
        let mut server = Self { shared, address: "127.0.0.1:0".parse().unwrap(), running: None };
        server.come_back().await;
        server
    }

    /// Answers at the same address again.
    pub async fn come_back(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/api/v1/nodes", get(nodes))
            .route("/apis/events.k8s.io/v1/namespaces/default/events", post(create_event))
            .route("/apis/events.k8s.io/v1/namespaces/default/events/{name}", patch(patch_event))
            .with_state(self.shared.clone());
        self.running = Some(tokio::spawn(async { axum::serve(listener, router).await.unwrap() }));
    }

    /// Ends all connections and takes no more.
    pub async fn go_away(&mut self) {
        if let Some(running) = self.running.take() {
            running.abort();
            let _ = running.await;
        }
        self.cut();
    }

    /// Ends all watches; they may begin again.
    pub fn cut(&self) {
        self.shared.ticks.send_modify(|tick| tick.generation += 1);
    }

    /// A kubeconfig for it.
    pub fn kubeconfig(&self) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "clusters": [{"name": "test", "cluster": {"server": format!("http://{}", self.address)}}],
            "users": [{"name": "test", "user": {"token": "a-token"}}],
        });
        std::fs::write(file.path(), config.to_string()).unwrap();
        file
    }

    pub async fn access(&self) -> Access {
        Access::new(Some(self.kubeconfig().path().as_os_str())).await.unwrap()
    }

    /// Adds a node, or changes one.
    pub fn apply(&self, mut node: Value) {
        let name = node["metadata"]["name"].as_str().unwrap().to_owned();
        let mut inner = self.shared.lock();
        inner.version += 1;
        let version = inner.version;
        node["metadata"]["resourceVersion"] = json!(version.to_string());
        let kind = if inner.nodes.contains_key(&name) { "MODIFIED" } else { "ADDED" };
        inner.nodes.insert(name, node.clone());
        inner.changes.push((version, json!({"type": kind, "object": node})));
        drop(inner);
        self.shared.ticks.send_modify(|tick| tick.change = version);
    }

    pub fn delete(&self, name: &str) {
        let mut inner = self.shared.lock();
        let mut node = inner.nodes.remove(name).unwrap();
        inner.version += 1;
        let version = inner.version;
        node["metadata"]["resourceVersion"] = json!(version.to_string());
        inner.changes.push((version, json!({"type": "DELETED", "object": node})));
        drop(inner);
        self.shared.ticks.send_modify(|tick| tick.change = version);
    }

    /// Forgets all changes so far: watches cannot begin at them any more.
    pub fn forget_changes(&self, says_gone_at_once: bool) {
        let mut inner = self.shared.lock();
        inner.says_gone_at_once = says_gone_at_once;
        inner.version += 1;
        inner.forgotten = inner.version;
        inner.changes.clear();
    }

    pub fn forbid(&self, verbs: &[&'static str]) {
        self.shared.lock().forbidden = verbs.to_vec();
    }

    pub fn lists(&self) -> usize {
        self.shared.lock().lists
    }

    /// The versions that watches began at.
    pub fn watches(&self) -> Vec<u64> {
        self.shared.lock().watches.clone()
    }

    pub fn version(&self) -> u64 {
        self.shared.lock().version
    }

    pub fn events(&self) -> Vec<(&'static str, Value)> {
        self.shared.lock().events.clone()
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.abort();
        }
        self.cut();
    }
}

/// As the API server's authorizer says it.
fn forbidden(verb: &str, resource: &str) -> Response {
    let message = format!(
        "{resource} is forbidden: User \"system:serviceaccount:kube-system:cluster-autoscaler-provider-magnum\" cannot {verb} \
         resource \"{resource}\" in API group \"\" at the cluster scope"
    );
    status(403, "Forbidden", &message)
}

fn status(code: u16, reason: &str, message: &str) -> Response {
    (StatusCode::from_u16(code).unwrap(), Json(status_body(code, reason, message))).into_response()
}

fn status_body(code: u16, reason: &str, message: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    })
}

async fn nodes(State(shared): State<Shared>, Query(query): Query<BTreeMap<String, String>>) -> Response {
    let watching = query.get("watch").is_some_and(|watch| watch == "true");
    let verb = if watching { "watch" } else { "list" };
    let mut inner = shared.lock();
    if !watching {
        inner.lists += 1;
    }
    if inner.forbidden.contains(&verb) {
        return forbidden(verb, "nodes");
    }
    if !watching {
        let items: Vec<&Value> = inner.nodes.values().collect();
        let version = inner.version.to_string();
        let list = json!({
            "apiVersion": "v1", "kind": "NodeList", "metadata": {"resourceVersion": version}, "items": items,
        });
        return Json(list).into_response();
    }
    let begin: u64 = query["resourceVersion"].parse().unwrap();
    inner.watches.push(begin);
    let gone = begin < inner.forgotten;
    if gone && inner.says_gone_at_once {
        return status(410, "Expired", "too old resource version");
    }
    drop(inner);
    let ticks = shared.ticks.subscribe();
    let generation = ticks.borrow().generation;
    let watch = Watch { shared, ticks, generation, seen: begin, gone };
    Body::from_stream(stream::unfold(watch, Watch::next)).into_response()
}

/// One open watch.
struct Watch {
    shared: Shared,
    ticks: watch::Receiver<Tick>,
    generation: u64,
    seen: u64,
    gone: bool,
}

impl Watch {
    /// The next line, or the end.
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        if std::mem::take(&mut self.gone) {
            let expired = status_body(410, "Expired", "too old resource version");
            return Some((Ok(line(&json!({"type": "ERROR", "object": expired}))), self));
        }
        loop {
            let change = {
                let inner = self.shared.lock();
                inner.changes.iter().find(|(version, _)| *version > self.seen).cloned()
            };
            if let Some((version, change)) = change {
                self.seen = version;
                return Some((Ok(line(&change)), self));
            }
            self.ticks.changed().await.ok()?;
            if self.ticks.borrow().generation != self.generation {
                return None;
            }
        }
    }
}

fn line(value: &Value) -> Bytes {
    Bytes::from(format!("{value}\n"))
}

async fn create_event(State(shared): State<Shared>, Json(event): Json<Value>) -> Response {
    let mut inner = shared.lock();
    if inner.forbidden.contains(&"create") {
        return forbidden("create", "events");
    }
    inner.events.push(("POST", event.clone()));
    (StatusCode::CREATED, Json(event)).into_response()
}

async fn patch_event(
    State(shared): State<Shared>,
    Path(_): Path<String>,
    Json(event): Json<Value>,
) -> Response {
    shared.lock().events.push(("PATCH", event.clone()));
    Json(event).into_response()
}
