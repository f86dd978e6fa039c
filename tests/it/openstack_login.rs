//! Logging in where something is wrong with the URL, the rights or the cloud's own records: one clear error each.

use std::{sync::Arc, time::Duration};

use cluster_autoscaler_provider_magnum::{
    cli::first_reading::is_fatal,
    config::{
        CloudConfig, Credentials,
        cloud::{ApplicationCredential, Identity, Scope},
    },
    core::cloud::{CloudError, Service},
    openstack::{Session, driver::heat::api::Heat, magnum::Magnum, nova::Nova},
};
use serde_json::{Value, json};
use tokio::time::advance;

use crate::openstack_fake::{Answer, Fake, answer, ok, text, token};

const LOGIN: &str = "POST /identity/v3/auth/tokens";
const CLUSTER: &str = "GET /magnum/v1/clusters/k8s";
const SERVER: &str = "588d1f0e-661a-4aae-a7d7-607df3ea5a85";

fn html(status: u16, body: &str) -> Answer {
    text(status, body).header("content-type", "text/html; charset=utf-8")
}

fn redirect(status: u16, to: &str) -> Answer {
    html(status, "<html>moved</html>").header("location", to)
}

fn keystone(status: u16, message: &str) -> Answer {
    answer(status, json!({"error": {"code": status, "title": "x", "message": message}}))
}

async fn login_error(on_login: impl Fn() -> Answer + Send + Sync + 'static) -> CloudError {
    let fake = Fake::new();
    fake.on(LOGIN, move |_| on_login());
    let session =
        Session::new(Fake::config(), fake.transport()).with_origin("cloud.conf [Global]".to_owned());
    session.token().await.unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn what_answers_in_keystones_place_is_named_and_what_to_do_about_it() {
    type Case = (fn() -> Answer, &'static [&'static str]);
    let cases: [Case; 14] = [
        (
            || redirect(302, "https://cloud/auth/login/?next=/identity/v3&token=hunter2#x"),
            &["redirects to https://cloud/auth/login/ (HTTP 302)", "dashboard"],
        ),
        (
            || redirect(301, "https://cloud/identity/v3/auth/tokens"),
            &["redirects to https://cloud/identity/v3/auth/tokens (HTTP 301)", "write https://"],
        ),
        (
            || redirect(308, "https://u:hunter2@cloud:5000/identity"),
            &["redirects to https://cloud:5000/identity (HTTP 308)", "write https://"],
        ),
        (|| redirect(307, "/horizon/"), &["redirects to http://cloud/horizon/ (HTTP 307)", "dashboard"]),
        (
            || redirect(303, "//elsewhere/x"),
            &["redirects to http://elsewhere/x (HTTP 303)", "Keystone's own"],
        ),
        (|| text(302, ""), &["redirects to nowhere (HTTP 302)"]),
        (|| answer(300, json!({"versions": {"values": []}})), &["redirects to nowhere (HTTP 300)"]),
        (
            || html(200, "<html>Sign in</html>"),
            &["is not Keystone: HTTP 200, text/html;", "https://HOST:5000/v3"],
        ),
        (|| html(404, "<h1>Not Found</h1>"), &["is not Keystone: HTTP 404, text/html;"]),
        (|| html(403, "CSRF verification failed"), &["is not Keystone: HTTP 403, text/html;"]),
        (|| html(405, "Not Allowed"), &["is not Keystone: HTTP 405, text/html;"]),
        (
            || text(200, "").header("content-type", "hunter2 hunter2"),
            &["is not Keystone: HTTP 200, no content type;"],
        ),
        (|| ok(json!({"name": "glance"})), &["is not Keystone: HTTP 200, no content type;"]),
        (
            || html(400, "<center>400 Bad Request</center>The plain HTTP request was sent to HTTPS port"),
            &["expects TLS", "write https:// instead of http://"],
        ),
    ];
    for (on_login, words) in cases {
        let error = login_error(on_login).await;
        let told = error.to_string();
        assert!(matches!(error, CloudError::Unsuitable(_)), "{told}");
        assert!(is_fatal(&error) && error.certainly_without_effect());
        for word in words.iter().chain(&["http://cloud/identity (from cloud.conf [Global])", "OS_AUTH_URL"]) {
            assert!(told.contains(word), "{word} in {told}");
        }
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn plain_http_on_a_port_for_tls_is_told_whoever_says_so() {
    for said in [
        "Client sent an HTTP request to an HTTPS server.\n",
        "Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />",
    ] {
        let told = login_error(move || text(400, said)).await.to_string();
        assert!(told.contains("write https:// instead of http://"), "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cloud_that_is_down_is_not_taken_for_a_wrong_url() {
    for status in [429, 500, 502, 503, 504] {
        let error = login_error(move || html(status, "<h1>down</h1>")).await;
        assert!(matches!(error, CloudError::Unavailable { .. }) && !is_fatal(&error), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_cut_off_is_not_taken_for_a_wrong_url() {
    for (status, body) in [
        (200, r#"{"token": {"expires_at": "2026-11-22T0"#),
        (201, r#"{"tok"#),
        (400, r#"{"error": {"mess"#),
        (401, r#"{"error": {"message": "The request you have made requires"#),
    ] {
        let error = login_error(move || text(status, body).header("content-type", "application/json")).await;
        let told = error.to_string();
        assert!(matches!(error, CloudError::Malformed { .. }) && !is_fatal(&error), "{told}");
        assert!(
            told.contains("keystone returned an invalid response to POST /identity/v3/auth/tokens"),
            "{told}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_that_is_not_let_in_is_told_with_who_where_and_what_it_means() {
    let user = || Identity::Id("u1".to_owned());
    let project = Scope::Project(Identity::Id("p1".to_owned()));
    let password = |scope| Credentials::Password { user: user(), password: "hunter2".into(), scope };
    let application = Credentials::ApplicationCredential {
        credential: ApplicationCredential::Id("a1".to_owned()),
        secret: "hunter2".into(),
    };
    let given = Credentials::Token { token: "hunter2".into(), scope: None };
    for (credentials, who, meaning) in [
        (
            password(Scope::Trust("t1".to_owned())),
            "user u1 with trust t1",
            "whoever made the cluster was disabled",
        ),
        (password(project), "user u1", "no role in the project"),
        (application, "application credential a1", "make a new application credential"),
        (given, "the holder of a token", "get one that does"),
    ] {
        let fake = Fake::new();
        fake.on(LOGIN, |_| keystone(403, "You are not authorized to perform the requested action."));
        let session = Session::new(CloudConfig { credentials, ..Fake::config() }, fake.transport());
        let error = session.token().await.unwrap_err();
        let told = error.to_string();
        for part in ["http://cloud/identity", who, "You are not authorized", "HTTP 403", meaning] {
            assert!(told.contains(part), "{part} in {told}");
        }
        assert!(matches!(error, CloudError::Authentication { .. }));
        session.token().await.unwrap_err();
        assert_eq!(fake.counts()[LOGIN], 1, "it is not tried over and over");
    }
    let told = login_error(|| keystone(404, "Could not find trust: t1.")).await.to_string();
    assert!(told.contains("user u1 with trust t1") && told.contains("Could not find trust"), "{told}");
    let told = login_error(|| html(401, "<h1>Authorization Required</h1>")).await.to_string();
    assert!(told.contains("HTTP 401, text/html: that is not Keystone"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn an_odd_answer_of_keystone_is_told_without_a_word_of_it() {
    let secret = "gAAAAhunter2";
    let bodies = [
        json!({"token": {"expires_at": secret}}),
        json!({"token": {"expires_at": {"x": secret}}}),
        json!({"token": secret}),
        json!({"token": [secret]}),
        json!({"token": {"issued_at": secret}}),
    ];
    for body in bodies {
        let body = body.clone();
        let error =
            login_error(move || answer(201, body.clone()).header("x-subject-token", "gAAAAhunter2")).await;
        assert!(matches!(error, CloudError::Malformed { service: Service::Identity, .. }), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
    let token = || ok(json!({"token": {"expires_at": "2026-01-01T01:00:00Z", "project": {"id": 5}}}));
    let told = login_error(token).await.to_string();
    assert!(told.contains("there is no X-Subject-Token"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_born_expired_does_not_mean_a_login_before_every_request() {
    for seconds in ["00:00:00", "00:00:01"] {
        let fake = Fake::new();
        let body = json!({"token": {"issued_at": "2026-01-01T00:00:01Z", "expires_at": format!("2026-01-01T{seconds}Z")}});
        fake.on(LOGIN, move |_| answer(201, body.clone()).header("x-subject-token", "t"));
        let session = fake.session();
        for _ in 0..60 {
            session.token().await.unwrap();
            advance(Duration::from_secs(1)).await;
        }
        assert!(fake.counts()[LOGIN] <= 3, "a login every half minute at most");
    }
}

/// A token with this catalog and these other parts.
fn token_with(catalog: Value) -> impl Fn() -> Answer + Send + Sync {
    move || {
        answer(
            201,
            json!({"token": {"expires_at": "2030-01-01T01:00:00Z", "issued_at": null, "project": null, "catalog": catalog.clone()}}),
        )
        .header("x-subject-token", "t")
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_entry_of_the_catalog_is_left_out() {
    let good = json!({"type": "compute", "endpoints": [
        {"interface": "public", "region": "R", "url": null},
        {"interface": null, "region": "R", "url": "http://x"},
        {"interface": "public", "region": "R", "url": 5},
        {"interface": "public", "region": ["R"], "url": "http://x"},
        "nonsense",
        {"interface": "public", "region": "R", "url": "http://cloud/nova/v2.1"},
    ]});
    let broken = [
        json!(null),
        json!({"type": "image", "endpoints": null}),
        json!({"type": "image"}),
        json!({"type": "image", "endpoints": {"public": "x"}}),
        json!({"type": null, "endpoints": []}),
        json!({"endpoints": []}),
        json!({"type": 5, "endpoints": []}),
        json!({"type": "image", "endpoints": [{"interface": "public"}]}),
        json!(["image"]),
        json!("image"),
    ];
    for entry in &broken {
        for catalog in [json!([entry, good]), json!([good, entry])] {
            let fake = Fake::new();
            let token = token_with(catalog);
            fake.on(LOGIN, move |_| token());
            let url = fake.session().endpoint(Service::Compute).await.unwrap();
            assert_eq!(url.as_str(), "http://cloud/nova/v2.1", "{entry}");
        }
    }
    for catalog in [json!(null), json!({}), json!("x"), json!(broken)] {
        let fake = Fake::new();
        let token = token_with(catalog);
        fake.on(LOGIN, move |_| token());
        let error = fake.session().endpoint(Service::Compute).await.unwrap_err();
        assert!(error.to_string().contains("the service catalog lacks"), "{error}");
    }
    for url in ["ftp://u:hunter2@x", "u:hunter2@x", "http://", "", "/v2.1", "%(host)s"] {
        let fake = Fake::new();
        let token = token_with(
            json!([{"type": "compute", "endpoints": [{"interface": "public", "region": "R", "url": url}]}]),
        );
        fake.on(LOGIN, move |_| token());
        let told = fake.session().endpoint(Service::Compute).await.unwrap_err().to_string();
        assert!(told.contains("nova") && told.contains("is not a URL"), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_redirect_or_a_page_in_place_of_a_service_is_told_as_such() {
    let fake = Fake::new();
    let session = fake.session();
    let (magnum, nova, heat) =
        (Magnum::new(Arc::clone(&session)), Nova::new(Arc::clone(&session)), Heat::new(session));
    type Respond = fn() -> Answer;
    let cases: [(Respond, &str); 5] = [
        (|| redirect(301, "https://u:hunter2@cloud/x?hunter2"), "it redirects to https://cloud/x (HTTP 301)"),
        (|| redirect(302, "https://cloud/auth/login"), "it redirects to https://cloud/auth/login (HTTP 302)"),
        (
            || html(200, "<html>Sign in</html>"),
            "not JSON (line 1 column 1) (HTTP 200, text/html, 20 bytes); that is not",
        ),
        (|| html(404, "<h1>404 Not Found</h1> nginx"), "HTTP 404, text/html, not"),
        (|| html(400, "The plain HTTP request was sent to HTTPS port"), "must begin with https://"),
    ];
    for (respond, words) in cases {
        fake.on(CLUSTER, move |_| respond());
        fake.on("GET /nova/v2.1/servers", move |_| respond());
        fake.on(&format!("GET /nova/v2.1/servers/{SERVER}"), move |_| respond());
        fake.on("GET /heat/v1/p1/stacks/s1", move |_| respond());
        let errors = [
            magnum.cluster("k8s").await.unwrap_err(),
            nova.servers("^s-node-[0-9]+$").await.unwrap_err(),
            nova.server_exists(SERVER.parse().unwrap()).await.unwrap_err(),
            heat.stack("s1").await.unwrap_err(),
        ];
        for (error, service) in errors.iter().zip(["magnum", "nova", "nova", "heat"]) {
            let told = error.to_string();
            assert!(told.contains(words) && told.contains(service), "{words} in {told}");
            assert!(!error.not_found() && !told.contains("hunter2"), "{told}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn magnums_versions_are_found_where_its_root_does_not_tell_them() {
    type Respond = fn() -> Answer;
    let roots: [Respond; 8] = [
        || answer(404, json!({"errors": []})),
        || html(404, "no"),
        || html(403, "forbidden"),
        || html(200, "<html>welcome</html>"),
        || redirect(302, "https://elsewhere/"),
        || ok(json!({"status": "ok"})),
        || ok(json!({"versions": [{"id": "v1", "max_version": null}]})),
        || html(503, "no backend"),
    ];
    for root in roots {
        for told_at in ["GET /magnum/v1", "GET /magnum/v1/clusters"] {
            let fake = Fake::new();
            fake.on("GET /magnum/", move |_| root());
            fake.on(told_at, |asked| {
                assert_eq!(asked.header("x-auth-token"), "token-1");
                ok(json!({"clusters": []})).header("openstack-api-maximum-version", "container-infra 1.9")
            });
            let magnum = Magnum::new(fake.session());
            assert_eq!(magnum.microversion().await.unwrap().to_string(), "1.9");
            magnum.microversion().await.unwrap();
            assert_eq!(fake.counts()[told_at], 1, "asked for once");
        }
    }
    let fake = Fake::new();
    fake.on("GET /magnum/", |_| html(404, "no"));
    let error = Magnum::new(fake.session()).cluster("k8s").await.unwrap_err();
    assert!(error.to_string().contains("there is no magnum at http://cloud/magnum/v1"), "{error}");
    fake.on("GET /magnum/v1/clusters", |_| ok(json!({})));
    let error = Magnum::new(fake.session()).cluster("k8s").await.unwrap_err();
    assert!(error.to_string().contains("OpenStack-API-Maximum-Version"), "{error}");
    fake.on("GET /magnum/v1", |_| {
        ok(json!({})).header("openstack-api-maximum-version", "container-infra 1.5")
    });
    let error = Magnum::new(fake.session()).cluster("k8s").await.unwrap_err();
    assert!(error.to_string().contains("API 1.5; 1.6 is needed"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_never_ends_is_an_error_and_not_a_list() {
    let uuid = |number: usize| format!("531cd801-d372-468e-b865-{number:012}");
    let fake = Fake::new();
    let session = fake.session();
    let magnum = Magnum::new(Arc::clone(&session));
    for (page, words, most) in [(0, "begins anew", 3), (1, "has not ended after 200 pages", 201)] {
        fake.on("GET /magnum/v1/clusters/c1/nodegroups", move |asked| {
            let number = asked.earlier * page;
            ok(json!({"nodegroups": [{"uuid": uuid(number), "name": "g"}], "next": "http://x"}))
        });
        fake.on("GET /nova/v2.1/servers", move |asked| {
            let number = asked.earlier * page;
            ok(json!({"servers": [{"id": uuid(number), "name": "s-node-1"}], "servers_links": [{"rel": "next"}]}))
        });
        let error = magnum.node_groups("c1").await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        let error = Nova::new(Arc::clone(&session)).servers("^s-node-[0-9]+$").await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        let counts = fake.counts();
        assert!(counts.values().all(|count| *count < most), "{counts:?}");
    }
    fake.on("GET /nova/v2.1/servers", |_| ok(json!({"servers": [], "servers_links": [{"rel": "next"}]})));
    let error = Nova::new(session).servers("^s-node-[0-9]+$").await.unwrap_err();
    assert!(error.to_string().contains("no last record"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_nova_only_keeps_is_not_there() {
    let fake = Fake::new();
    let nova = Nova::new(fake.session());
    for (server, there) in [
        (json!({"status": "SOFT_DELETED"}), false),
        (json!({"status": "DELETED"}), false),
        (json!({"status": "ACTIVE"}), true),
        (json!({"status": "SHUTOFF"}), true),
        (json!({"status": "ERROR"}), true),
        (json!({"status": "UNKNOWN"}), true),
        (json!({"status": null}), true),
        (json!({}), true),
    ] {
        let answer = json!({"server": server});
        fake.on(&format!("GET /nova/v2.1/servers/{SERVER}"), move |_| ok(answer.clone()));
        assert_eq!(nova.server_exists(SERVER.parse().unwrap()).await, Ok(there), "{server}");
        let mut listed = server.clone();
        listed["id"] = json!(SERVER);
        listed["name"] = json!("s-node-1");
        let broken =
            json!([{"id": null, "name": null}, listed, {"name": 5}, "x", {"id": SERVER, "name": null}]);
        fake.on("GET /nova/v2.1/servers", move |_| ok(json!({"servers": broken})));
        let servers = nova.servers("^s-node-[0-9]+$").await.unwrap();
        assert_eq!(servers.iter().any(|server| server.id.to_string() == SERVER), there, "{server}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_login_is_the_same_as_ever_where_nothing_is_wrong() {
    let fake = Fake::new();
    fake.on(LOGIN, |_| token(7, 3600));
    assert_eq!(fake.session().token().await.unwrap().header, "token-7");
}
