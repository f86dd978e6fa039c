//! Nothing that a service or a proxy says back brings a secret into a log, an error or a metric, however it quotes it.

use std::{
    io,
    sync::{Arc, Mutex},
};

use cluster_autoscaler_provider_magnum::{
    config::{
        CloudConfig, Credentials,
        cloud::{ApplicationCredential, Identity, Scope},
        node_groups::GroupSelection,
    },
    core::{
        cloud::{Cloud as _, CloudError, Service},
        request::RequestError,
    },
    openstack::{MagnumCluster, Session, Timeouts, driver::heat::api::Heat, magnum::Magnum, nova::Nova},
    telemetry::metrics::Metrics,
};
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use crate::{
    captured_log::listen,
    openstack_fake::{Answer, Asked, Fake, answer, text},
};

/// The token of the fake Keystone.
const TOKEN: &str = "gAAAAABplantedTokenOfTheSession";
/// In the URLs of the catalog.
const CATALOG: &str = "catalogpassword";

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn python(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Everything that was asked, quoted in one of many ways.
fn quote(way: usize, asked: &Asked) -> Value {
    let headers: Vec<String> = asked
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap_or_default()))
        .collect();
    let headers = headers.join("\r\n");
    let body = asked.body.to_string();
    let secrets = asked.body.pointer("/auth/identity").map(Value::to_string).unwrap_or_default();
    let everything = format!("{headers} {body}");
    match way {
        0 => json!({"error": {"code": 400, "message": everything}}),
        1 => json!({"errors": [{"detail": format!("{:>280} {everything}", "")}]}),
        2 => json!({"itemNotFound": {"message": format!("{:-<290}{secrets}{headers}", "")}}),
        3 => json!({"message": python(&everything), "explanation": everything}),
        4 => json!(everything),
        5 => json!({"error": asked.body, "headers": headers}),
        6 => json!({"error": {"message": html(&everything)}}),
        7 => json!({"token": asked.body, "versions": headers, "cluster": [everything]}),
        _ => {
            json!({"token": {"expires_at": everything, "catalog": headers}, "uuid": headers, "nodegroups": headers,
            "servers": headers, "resources": [{"resource_name": headers}], "stack": headers, "versions": [headers]})
        }
    }
}
const WAYS: usize = 9;

/// A cloud that quotes everything that it is asked, with this status.
fn quoting(status: u16, way: usize, raw: bool) -> impl Fn(&Asked) -> Answer + Send + Sync + Clone {
    move |asked| {
        let quoted = quote(way, asked);
        let token = asked.header("x-auth-token").to_owned();
        let quoted = match &quoted {
            // As text, cut off somewhere.
            Value::String(text) if raw => text.chars().take(400 + way).collect(),
            quoted => quoted.to_string(),
        };
        text(status, &quoted)
            .header("x-openstack-request-id", &format!("req-{token}"))
            .header("x-compute-request-id", &token)
            .header("content-type", if raw { "text/html" } else { "application/json" })
            .header("location", &format!("http://u:{CATALOG}@elsewhere/x/{token}?token={token}#{token}"))
    }
}

fn login() -> Answer {
    let endpoint = |kind: &str, path: &str| {
        json!({"type": kind, "endpoints": [
        {"interface": "public", "region": "R", "url": format!("http://u:{CATALOG}@cloud{path}")}]})
    };
    answer(
        201,
        json!({"token": {"expires_at": "2030-01-01T01:00:00Z", "catalog": [
            endpoint("container-infra", "/magnum/v1"),
            endpoint("orchestration", "/heat/v1/p1"),
            endpoint("compute", "/nova/v2.1"),
        ]}}),
    )
    .header("x-subject-token", TOKEN)
}

const PATHS: [&str; 11] = [
    "GET /magnum/",
    "GET /magnum/v1",
    "GET /magnum/v1/clusters",
    "GET /magnum/v1/clusters/k8s",
    "GET /magnum/v1/clusters/k8s/nodegroups",
    "POST /magnum/v1/clusters/k8s/actions/resize",
    "GET /nova/v2.1/servers",
    "GET /nova/v2.1/servers/588d1f0e-661a-4aae-a7d7-607df3ea5a85",
    "GET /heat/v1/p1/stacks/s1",
    "GET /heat/v1/p1/stacks/k/s1/resources",
    "GET /heat/v1/p1/stacks/k/s1/outputs/refs_map",
];

/// Asks for everything; all that there is to read afterwards.
async fn errors_of(session: &Arc<Session>) -> Vec<CloudError> {
    let magnum = Magnum::new(Arc::clone(session));
    let (nova, heat) = (Nova::new(Arc::clone(session)), Heat::new(Arc::clone(session)));
    let stack = cluster_autoscaler_provider_magnum::openstack::driver::heat::api::StackRef {
        name: "k".to_owned(),
        id: "s1".to_owned(),
    };
    let server = "588d1f0e-661a-4aae-a7d7-607df3ea5a85".parse().unwrap();
    let group = "531cd801-d372-468e-b865-e775c513c86f".parse().unwrap();
    let cluster = MagnumCluster::new(Arc::clone(session), "k8s".to_owned(), GroupSelection::All);
    [
        session.token().await.err(),
        session.endpoint(Service::Compute).await.err(),
        magnum.microversion().await.err(),
        magnum.cluster("k8s").await.err(),
        magnum.node_groups("k8s").await.err(),
        magnum.resize("k8s", group, 3, &[]).await.err(),
        nova.servers("^k-node-[0-9]+$").await.err(),
        nova.server_exists(server).await.err(),
        heat.stack("s1").await.err(),
        heat.members(&stack).await.err(),
        heat.refs_map(&stack).await.err(),
        cluster.observe(None).await.err(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[tokio::test(start_paused = true)]
async fn nothing_that_is_shown_has_a_secret_in_it() {
    let log = Log::default();
    let subscriber =
        tracing_subscriber::fmt().with_env_filter("trace").with_ansi(false).with_writer(log.clone()).finish();
    let _guard = listen(subscriber);
    let password = |secret: &str| Credentials::Password {
        user: Identity::Id("u1".to_owned()),
        password: secret.into(),
        scope: Scope::Trust("t1".to_owned()),
    };
    let credential = |secret: &str| Credentials::ApplicationCredential {
        credential: ApplicationCredential::Id("a1".to_owned()),
        secret: secret.into(),
    };
    let mut shown = String::new();
    let mut told = 0;
    for (credentials, secret) in [
        (password("S3cr3tPassword"), "S3cr3tPassw"),
        (password(r#"qu"ote\backtickle'x"#), "backtickle"),
        (password("tag<b>and  blanks</b>&"), "blanks"),
        (credential("Ümläut🔑planted-Secret"), "planted-Secret"),
        (Credentials::Token { token: "gAAAAgivenToken".into(), scope: None }, "givenTok"),
    ] {
        for status in [200, 302, 400, 401, 403, 404, 500] {
            for (way, raw) in
                (0..WAYS).map(|way| (way, false)).chain((0..WAYS).step_by(4).map(|way| (way, true)))
            {
                let fake = Fake::new();
                let metrics = Arc::new(Metrics::new().unwrap());
                let config = CloudConfig { credentials: credentials.clone(), ..Fake::config() };
                let session = || {
                    Arc::new(Session::with(
                        config.clone(),
                        fake.transport(),
                        metrics.clone(),
                        Timeouts::default(),
                    ))
                };
                for path in PATHS {
                    fake.on(path, quoting(status, way, raw));
                }
                let mut seen = String::new();
                // First Keystone quotes, then the others do.
                for of_keystone in [true, false] {
                    let quoting = quoting(status, way, raw);
                    fake.on("POST /identity/v3/auth/tokens", move |asked| {
                        if of_keystone { quoting(asked).header("x-subject-token", TOKEN) } else { login() }
                    });
                    let session = session();
                    for error in errors_of(&session).await {
                        told += 1;
                        seen += &format!("{error}\n{error:?}\n");
                        let status = tonic::Status::from(RequestError::Cloud(error));
                        seen += &format!("{status}\n{status:?}\n");
                    }
                    seen += &format!("{session:?}\n{:?}\n", session.token().await);
                }
                seen += &metrics.render().unwrap();
                for planted in [secret, "plantedToken", CATALOG] {
                    assert!(
                        !seen.contains(planted),
                        "{planted} (HTTP {status}, way {way}):\n{}",
                        seen.lines().find(|line| line.contains(planted)).unwrap_or_default()
                    );
                }
                shown += &seen;
            }
        }
        let logged = String::from_utf8_lossy(&std::mem::take(&mut *log.0.lock().unwrap())).into_owned();
        assert!(logged.contains("request"), "the log is not empty");
        for planted in [secret, "plantedToken", CATALOG] {
            let line = logged.lines().find(|line| line.contains(planted));
            assert_eq!(line, None, "{planted}");
        }
    }
    assert!(told > 5_000, "the errors were there to be read: {told}");
    assert!(shown.contains("***"), "and the secrets in them");
}
