//! Logins, tries, time-outs and what the services' answers become, on a paused clock.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use cluster_autoscaler_provider_magnum::{
    config::cloud::EndpointOverride,
    core::cloud::{CloudError, Service},
    openstack::{
        RequestObserver, Session, Timeouts, Transport,
        driver::heat::api::{Heat, StackRef},
        magnum::Magnum,
        nova::Nova,
        transport::TransportError,
    },
};
use futures_util::future::join_all;
use http::{Method, Request, Response, StatusCode};
use serde_json::json;
use tokio::time::{Instant, advance};

use crate::openstack_fake::{self, Fake, PASSWORD, answer, ok, text, token};

const LOGIN: &str = "POST /identity/v3/auth/tokens";
const CLUSTER: &str = "GET /magnum/v1/clusters/k8s";
const RESIZE: &str = "POST /magnum/v1/clusters/c1/actions/resize";
const GROUP: &str = "531cd801-d372-468e-b865-e775c513c86f";

fn cluster() -> openstack_fake::Answer {
    ok(json!({"uuid": "c1", "name": "k8s", "status": "CREATE_COMPLETE"}))
}

fn unauthorized() -> openstack_fake::Answer {
    answer(
        401,
        json!({"error": {"code": 401, "title": "Unauthorized", "message": "The request you have made requires authentication."}}),
    )
}

async fn resize(magnum: &Magnum) -> Result<(), CloudError> {
    magnum.resize("c1", GROUP.parse().unwrap(), 3, &["7".to_owned()]).await
}

#[tokio::test(start_paused = true)]
async fn one_login_serves_all_that_wait_for_it() {
    let fake = Fake::new();
    fake.latency(Duration::from_millis(50));
    let session = fake.session();
    let tokens = join_all((0..20).map(|_| session.token())).await;
    assert!(tokens.iter().all(|token| token.as_ref().unwrap().header == "token-1"));
    assert_eq!(fake.counts(), [(LOGIN.to_owned(), 1)].into());
    assert_eq!(session.project().as_deref(), Some("demo"));
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_early_by_one_while_the_others_go_on() {
    let fake = Fake::new();
    let session = fake.session();
    session.token().await.unwrap();
    advance(Duration::from_secs(3600 - 121)).await;
    assert_eq!(session.token().await.unwrap().header, "token-1");
    fake.latency(Duration::from_secs(4));
    advance(Duration::from_secs(2)).await;
    let started = Instant::now();
    let tokens = join_all((0..5).map(async |_| (session.token().await.unwrap(), started.elapsed()))).await;
    let renewed: Vec<_> = tokens.iter().filter(|(token, _)| token.header == "token-2").collect();
    assert_eq!(renewed.len(), 1);
    assert_eq!(renewed[0].1, Duration::from_secs(4));
    assert!(tokens.iter().filter(|(token, _)| token.header == "token-1").all(|(_, after)| after.is_zero()));
    assert_eq!(fake.counts()[LOGIN], 2);
}

#[tokio::test(start_paused = true)]
async fn a_short_token_is_renewed_at_a_tenth_of_its_life_and_an_old_one_serves_while_keystone_is_down() {
    let fake = Fake::new();
    fake.on(LOGIN, |asked| if asked.earlier == 0 { token(1, 100) } else { text(503, "down") });
    let session = fake.session();
    session.token().await.unwrap();
    advance(Duration::from_secs(89)).await;
    session.token().await.unwrap();
    assert_eq!(fake.counts()[LOGIN], 1);
    fake.on(LOGIN, |_| text(503, "down"));
    advance(Duration::from_secs(2)).await;
    for _ in 0..10 {
        assert_eq!(session.token().await.unwrap().header, "token-1");
    }
    assert_eq!(fake.counts()[LOGIN], 3, "one attempt of three tries, then a pause");
    advance(Duration::from_secs(10)).await;
    assert!(matches!(session.token().await, Err(CloudError::Unavailable { status: 503, .. })));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_a_service_rejects_is_replaced_once() {
    let fake = Fake::new();
    fake.on(
        CLUSTER,
        |asked| if asked.header("x-auth-token") == "token-1" { unauthorized() } else { cluster() },
    );
    let magnum = Magnum::new(fake.session());
    let clusters = join_all((0..5).map(|_| magnum.cluster("k8s"))).await;
    assert!(clusters.iter().all(Result::is_ok), "{clusters:?}");
    assert_eq!(fake.counts()[LOGIN], 2);
    fake.on(CLUSTER, |_| unauthorized());
    let error = magnum.cluster("k8s").await.unwrap_err();
    assert!(matches!(error, CloudError::Refused { status: 401, .. }), "{error}");
    assert_eq!(fake.counts()[CLUSTER], 2);
}

#[tokio::test(start_paused = true)]
async fn wrong_credentials_are_told_at_once_and_not_tried_over_and_over() {
    let fake = Fake::new();
    fake.on(LOGIN, |_| unauthorized());
    let session = fake.session();
    let error = session.token().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "authentication failed at http://cloud/identity as user u1 with trust t1: The request you have made requires \
         authentication."
    );
    let mut asked_at = Vec::new();
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(1300) {
        assert_eq!(session.token().await.unwrap_err(), error);
        if fake.counts().contains_key(LOGIN) {
            asked_at.push(started.elapsed().as_secs());
        }
        advance(Duration::from_secs(1)).await;
    }
    assert_eq!(asked_at, [0, 30, 90, 210, 450, 750, 1050], "30 s, doubling up to 5 min");
}

#[tokio::test(start_paused = true)]
async fn no_error_shows_a_secret_even_where_keystone_quotes_it() {
    let fake = Fake::new();
    for status in [400, 401, 500] {
        fake.on(LOGIN, move |_| {
            answer(
                status,
                json!({"error": {"message": format!("On instance: {{'password': '{PASSWORD}'}}")}}),
            )
        });
        let session = fake.session();
        let error = session.token().await.unwrap_err();
        for text in [error.to_string(), format!("{error:?}"), format!("{session:?}")] {
            assert!(!text.contains(PASSWORD), "{text}");
        }
        assert!(error.to_string().contains("On instance: {'password': '***'}"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waited_for_a_failed_login_has_its_answer() {
    let fake = Fake::new();
    fake.on(LOGIN, |_| text(200, "").cut());
    fake.latency(Duration::from_millis(100));
    let session = fake.session();
    let errors = join_all((0..10).map(|_| session.token())).await;
    for error in errors {
        let error = error.unwrap_err();
        assert!(matches!(&error, CloudError::Unreachable { service: Service::Identity, .. }), "{error}");
        assert!(error.to_string().contains("keystone at http://cloud did not answer"), "{error}");
    }
    assert_eq!(fake.counts()[LOGIN], 3);
}

#[tokio::test(start_paused = true)]
async fn only_reads_are_tried_again() {
    let fake = Fake::new();
    let magnum = Magnum::new(fake.session());
    for failure in [429, 500, 502, 503, 504] {
        fake.on(CLUSTER, move |asked| if asked.earlier < 2 { text(failure, "busy") } else { cluster() });
        fake.on(RESIZE, move |_| text(failure, "busy"));
        magnum.cluster("k8s").await.unwrap();
        let error = resize(&magnum).await.unwrap_err();
        assert!(
            matches!(&error, CloudError::Unavailable { status, message, .. } if *status == failure && message == "busy")
        );
        assert!(!error.certainly_without_effect());
        let counts = fake.counts();
        assert_eq!((counts[CLUSTER], counts[RESIZE]), (3, 1));
    }
    fake.on(CLUSTER, |asked| if asked.earlier < 2 { cluster().cut() } else { cluster() });
    fake.on(RESIZE, |_| text(202, "").cut());
    magnum.cluster("k8s").await.unwrap();
    assert!(matches!(resize(&magnum).await, Err(CloudError::Unreachable { .. })));
    let counts = fake.counts();
    assert_eq!((counts[CLUSTER], counts[RESIZE]), (3, 1));
    for final_answer in [400, 403, 409, 501] {
        fake.on(CLUSTER, move |_| text(final_answer, "no"));
        magnum.cluster("k8s").await.unwrap_err();
        assert_eq!(fake.counts()[CLUSTER], 1, "{final_answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_honoured_within_reason() {
    let fake = Fake::new();
    let magnum = Magnum::new(fake.session());
    magnum.microversion().await.unwrap();
    fake.on(
        CLUSTER,
        |asked| if asked.earlier == 0 { text(429, "").header("retry-after", "2") } else { cluster() },
    );
    let started = Instant::now();
    magnum.cluster("k8s").await.unwrap();
    assert_eq!(started.elapsed().as_secs(), 2);
    fake.counts();
    fake.on(CLUSTER, |_| text(503, "maintenance").header("retry-after", "600"));
    let error = magnum.cluster("k8s").await.unwrap_err();
    assert!(
        matches!(error, CloudError::Unavailable { retry_after: Some(after), .. } if after.as_secs() == 600)
    );
    assert_eq!(fake.counts()[CLUSTER], 1);
}

/// Fails the first sends before anything is sent.
#[derive(Debug)]
struct Unconnected {
    inner: Arc<dyn Transport>,
    path: &'static str,
    left: Mutex<u32>,
}

#[async_trait]
impl Transport for Unconnected {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        if request.uri().path().contains(self.path) {
            let mut left = self.left.lock().unwrap();
            if *left > 0 {
                *left -= 1;
                return Err(TransportError::NotSent("connection refused".to_owned()));
            }
        }
        self.inner.send(request).await
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_never_sent_is_sent_again_even_a_resize() {
    let fake = Fake::new();
    fake.on(RESIZE, |_| text(202, ""));
    let transport = Unconnected { inner: fake.transport(), path: "resize", left: Mutex::new(2) };
    let magnum = Magnum::new(Arc::new(Session::new(Fake::config(), Arc::new(transport))));
    resize(&magnum).await.unwrap();
    assert_eq!(fake.counts()[RESIZE], 1);
}

#[derive(Default)]
struct Recorder(Mutex<Vec<String>>);

impl RequestObserver for Recorder {
    fn request(
        &self,
        service: Service,
        method: &Method,
        kind: &'static str,
        status: Option<StatusCode>,
        elapsed: Duration,
    ) {
        let status = status.map_or("error".to_owned(), |status| status.as_u16().to_string());
        self.0.lock().unwrap().push(format!("{service} {method} {kind} {status} {}", elapsed.as_secs()));
    }
}

#[tokio::test(start_paused = true)]
async fn silence_ends_at_the_time_out_and_every_try_is_observed() {
    let fake = Fake::new();
    let silence = || cluster().after(Duration::from_secs(3600));
    fake.on(CLUSTER, move |_| silence());
    fake.on(RESIZE, move |_| silence());
    let recorder = Arc::new(Recorder::default());
    let observer = Arc::clone(&recorder) as Arc<dyn RequestObserver>;
    let session = Session::with(Fake::config(), fake.transport(), observer, Timeouts::default());
    let magnum = Magnum::new(Arc::new(session));
    let error = magnum.cluster("k8s").await.unwrap_err();
    assert_eq!(error.to_string(), "magnum at http://cloud did not answer: timed out after 10s");
    let error = resize(&magnum).await.unwrap_err();
    assert_eq!(error.to_string(), "magnum at http://cloud did not answer: timed out after 30s");
    assert_eq!(
        *recorder.0.lock().unwrap(),
        [
            "keystone POST token 201 0",
            "magnum GET versions 200 0",
            "magnum GET cluster error 10",
            "magnum POST resize error 30"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn errors_carry_the_services_words_and_the_request_id() {
    let fake = Fake::new();
    fake.on(CLUSTER, |_| {
        answer(403, json!({"errors": [{"code": "client", "status": 403, "title": "Policy doesn't allow cluster:get", "detail": "Policy doesn't allow cluster:get to be performed."}]}))
            .header("x-openstack-request-id", "req-1")
    });
    let magnum = Magnum::new(fake.session());
    assert_eq!(
        magnum.cluster("k8s").await.unwrap_err().to_string(),
        "magnum refused GET /magnum/v1/clusters/k8s with HTTP 403: Policy doesn't allow cluster:get to be performed. (req-1)"
    );
    fake.on(CLUSTER, |_| text(200, "<html>Sign in</html>").header("content-type", "text/html"));
    let error = magnum.cluster("k8s").await.unwrap_err();
    assert!(
        matches!(&error, CloudError::Malformed { reason, .. } if reason.contains("text/html")),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_version_is_bounded_on_both_sides() {
    for (newest, spoken) in [("1.9", "1.9"), ("1.10", "1.10"), ("1.12", "1.10"), ("1.14", "1.10")] {
        let fake = Fake::new();
        fake.magnum_version(newest);
        fake.on(CLUSTER, |_| cluster());
        let magnum = Magnum::new(fake.session());
        magnum.cluster("k8s").await.unwrap();
        magnum.cluster("k8s").await.unwrap();
        let asked = fake.asked();
        assert_eq!(asked.iter().filter(|asked| asked.what == "GET /magnum/").count(), 1);
        for asked in asked.iter().filter(|asked| asked.what == CLUSTER) {
            assert_eq!(asked.header("openstack-api-version"), format!("container-infra {spoken}"));
        }
    }
    let fake = Fake::new();
    fake.magnum_version("1.5");
    let error = Magnum::new(fake.session()).cluster("k8s").await.unwrap_err();
    assert!(
        matches!(&error, CloudError::Unsuitable(text) if text.contains("API 1.5; 1.6 is needed")),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_configurations_own_endpoint_goes_before_the_catalogs() {
    let fake = Fake::new();
    let mut config = Fake::config();
    let endpoint = |url: &str| Some(EndpointOverride::parse(url).unwrap());
    config.endpoint_overrides.compute = endpoint("http://other/nova/v2.1");
    config.endpoint_overrides.orchestration = endpoint("http://other/heat/v1/%(project_id)s");
    let session = Session::new(config, fake.transport());
    for (service, expected) in [
        (Service::Compute, "http://other/nova/v2.1"),
        (Service::Orchestration, "http://other/heat/v1/p1"),
        (Service::ContainerInfra, "http://cloud/magnum/v1"),
    ] {
        assert_eq!(session.endpoint(service).await.unwrap().as_str(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_cluster_is_told_with_those_that_there_are() {
    let fake = Fake::new();
    fake.on("GET /magnum/v1/clusters", |_| {
        ok(json!({"clusters": [{"uuid": "c1", "name": "k8s"}, {"uuid": "c2", "name": null}]}))
    });
    let error = Magnum::new(fake.session()).cluster("nope").await.unwrap_err();
    assert_eq!(
        error,
        CloudError::Unsuitable(
            "cluster \"nope\" not found in project demo; visible clusters: k8s, c2".to_owned()
        )
    );
}

#[tokio::test(start_paused = true)]
async fn a_resize_goes_by_uuid_and_by_decimal_indices() {
    let fake = Fake::new();
    fake.on(RESIZE, |asked| if asked.earlier == 0 { text(202, "null") } else { text(202, "") });
    let magnum = Magnum::new(fake.session());
    resize(&magnum).await.unwrap();
    magnum.resize("c1", GROUP.parse().unwrap(), 0, &[]).await.unwrap();
    let bodies: Vec<_> =
        fake.asked().into_iter().filter(|asked| asked.what == RESIZE).map(|asked| asked.body).collect();
    assert_eq!(
        bodies,
        [
            json!({"node_count": 3, "nodegroup": GROUP, "nodes_to_remove": ["7"]}),
            json!({"node_count": 0, "nodegroup": GROUP}),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn lists_are_read_page_by_page_by_marker_and_never_by_link() {
    let fake = Fake::new();
    let groups = |last: u32| format!("531cd801-d372-468e-b865-00000000000{last}");
    fake.on("GET /magnum/v1/clusters/c1/nodegroups", move |asked| {
        let number = match asked.query.as_str() {
            "" => 0,
            query if query == format!("limit=1000&marker={}", groups(0)) => 1,
            query if query == format!("limit=1000&marker={}", groups(1)) => 2,
            query => panic!("{query}"),
        };
        let next = (number < 2).then_some("http://internal:9511/v1/elsewhere");
        ok(json!({"nodegroups": [{"uuid": groups(number), "name": format!("g{number}")}], "next": next}))
    });
    let session = fake.session();
    let list = Magnum::new(Arc::clone(&session)).node_groups("c1").await.unwrap().groups;
    assert_eq!(list.iter().map(|group| group.name.as_str()).collect::<Vec<_>>(), ["g0", "g1", "g2"]);
    fake.on("GET /nova/v2.1/servers", move |asked| {
        assert!(asked.query.starts_with("name=%5E%28s%29%3F-%28node%29%3F%28minion%29%3F-%5B0-9%5D%2B%24&limit=1000"));
        let number = if asked.query.ends_with(&format!("&marker={}", groups(0))) { 1 } else { 0 };
        let links = if number == 0 { json!([{"rel": "next", "href": "http://internal/elsewhere"}]) } else { json!([]) };
        ok(json!({"servers": [{"id": groups(number), "name": format!("s-node-{number}")}], "servers_links": links}))
    });
    let servers = Nova::new(session).servers("^(s)?-(node)?(minion)?-[0-9]+$").await.unwrap();
    for number in 0..2 {
        let expected = (groups(number).parse().unwrap(), format!("s-node-{number}"));
        assert!(servers.iter().any(|server| (server.id, server.name.clone()) == expected));
    }
}

#[tokio::test(start_paused = true)]
async fn stacks_are_found_by_name_and_id_on_the_catalogs_own_endpoint() {
    let fake = Fake::new();
    fake.on("GET /heat/v1/p1/stacks/s1", |_| {
        answer(302, json!({"code": "302 Found"}))
            .header("location", "http://internal:8004/v1/p1/stacks/k8s-ab/s1")
    });
    fake.on("GET /heat/v1/p1/stacks/k8s-ab/s1/resources/kube_minions", |_| {
        ok(json!({"resource": {"resource_name": "kube_minions", "physical_resource_id": "n1", "links": [
            {"rel": "self", "href": "http://internal:8004/v1/p1/stacks/k8s-ab/s1/resources/kube_minions"},
            {"rel": "nested", "href": "http://internal:8004/v1/p1/stacks/k8s-ab-kube_minions-cd/n1"},
        ]}}))
    });
    let heat = Heat::new(fake.session());
    let stack = heat.stack("s1").await.unwrap();
    assert_eq!(stack.name, "k8s-ab");
    let minions = heat.kube_minions(&stack).await.unwrap().unwrap();
    assert_eq!((minions.name.as_str(), minions.id.as_str()), ("k8s-ab-kube_minions-cd", "n1"));
    assert_eq!(fake.asked().len(), 3);
    let error = heat.stack("s2").await.unwrap_err();
    assert!(error.not_found(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn refs_map_is_an_output_of_its_own_or_among_the_stacks() {
    let fake = Fake::new();
    let heat = Heat::new(fake.session());
    let minions = StackRef { name: "m".to_owned(), id: "n1".to_owned() };
    let error = heat.refs_map(&minions).await.unwrap_err();
    assert!(error.not_found(), "{error}");
    fake.on("GET /heat/v1/p1/stacks/m/n1", |asked| {
        let outputs = match asked.earlier {
            0 => json!([]),
            1 => json!([{"output_key": "refs_map", "output_value": {"0": "kube-minion", "7": null}}]),
            _ => json!([{"output_key": "refs_map", "output_value": null, "output_error": "broken"}]),
        };
        ok(json!({"stack": {"stack_name": "m", "id": "n1", "outputs": outputs}}))
    });
    fake.asked();
    assert_eq!(heat.refs_map(&minions).await.unwrap(), None);
    let refs_map = heat.refs_map(&minions).await.unwrap().unwrap();
    assert_eq!(refs_map.values().map(String::as_str).collect::<Vec<_>>(), ["kube-minion", ""]);
    assert!(heat.refs_map(&minions).await.unwrap_err().to_string().contains("broken"));
    fake.on("GET /heat/v1/p1/stacks/m/n1/outputs/refs_map", |_| {
        ok(json!({"output": {"output_key": "refs_map", "output_value": {"3": "x"}}}))
    });
    fake.asked();
    assert_eq!(heat.refs_map(&minions).await.unwrap().unwrap().len(), 1);
    assert_eq!(fake.asked().len(), 1);
}
