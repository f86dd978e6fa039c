//! Everything that goes wrong on purpose, and that it goes wrong in the way it says.

use std::{net::Ipv4Addr, time::Duration};

use cluster_autoscaler_provider_magnum::simulator::{Fault, FaultPlan, FaultRule, Service, Simulator};
use http::{Method, StatusCode};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};

use super::client::{Client, lab, sleep};

const RESIZE: &str = "/v1/clusters/*/actions/resize";

async fn client_with(rule: FaultRule) -> Client {
    let client = Client::new(lab()).await;
    client.simulator.set_faults(FaultPlan::of([rule]));
    client
}

fn resize(fault: Fault) -> FaultRule {
    FaultRule::once(fault).to(Method::POST, RESIZE)
}

#[tokio::test(start_paused = true)]
async fn answers_from_in_front_of_the_service() {
    for (fault, status) in [
        (Fault::Answer(500), 500),
        (Fault::Answer(503), 503),
        (Fault::TooManyRequests, 429),
        (Fault::Unauthorized, 401),
    ] {
        let client = client_with(FaultRule::once(fault.clone()).at(Service::ContainerInfra)).await;
        let path = client.cluster_path();
        let answer = client.call("GET", &path, None).await;
        assert_eq!(answer.status.as_u16(), status);
        let retry_after = answer.headers.get("retry-after").map(|value| value.to_str().unwrap());
        assert_eq!(retry_after, (status == 429).then_some("1"));
        assert_eq!(client.call("GET", &path, None).await.status, StatusCode::OK, "only once");
        assert_eq!(client.simulator.fault_counts(), [(fault, 1)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_rule_keeps_to_its_service_and_path() {
    let client = client_with(
        FaultRule::always(Fault::Answer(500)).at(Service::ContainerInfra).to(Method::GET, "*/nodegroups/*"),
    )
    .await;
    let cluster = client.cluster_path();
    assert_eq!(client.call("GET", &cluster, None).await.status, StatusCode::OK);
    assert_eq!(client.call("GET", &format!("{cluster}/nodegroups"), None).await.status, StatusCode::OK);
    let group = format!("{cluster}/nodegroups/pool-b");
    assert_eq!(client.call("GET", &group, None).await.status, StatusCode::INTERNAL_SERVER_ERROR);
    client.simulator.set_faults(FaultPlan::none());
    assert_eq!(client.call("GET", &group, None).await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn held_back_before_and_after_processing() {
    for (fault, processed) in
        [(Fault::Hang(Duration::from_secs(60)), false), (Fault::Slow(Duration::from_secs(60)), true)]
    {
        let client = client_with(resize(fault)).await;
        let began = Instant::now();
        let leaving = tokio::time::timeout(Duration::from_secs(10), client.resize("pool-b", 2, &[])).await;
        assert!(leaving.is_err());
        assert_eq!(client.simulator.resizes().len() == 1, processed);
        sleep(100.0).await;
        assert_eq!(client.simulator.resizes().len() == 1, processed, "the client had left");
        assert!(began.elapsed() >= Duration::from_secs(60));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_cut_short_is_no_json() {
    let client = client_with(FaultRule::always(Fault::TruncatedBody)).await;
    let answer = client.call("GET", &client.cluster_path(), None).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(!answer.text.is_empty());
    assert!(serde_json::from_str::<Value>(&answer.text).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_cut_connection_may_or_may_not_have_carried_the_request() {
    for (fault, processed) in [(Fault::CutBefore, false), (Fault::CutAfter, true)] {
        let client = client_with(resize(fault)).await;
        let path = format!("{}/actions/resize", client.cluster_path());
        let body = serde_json::json!({"node_count": 2, "nodegroup": "pool-b"});
        assert!(client.call("POST", &path, Some(&body)).await.cut);
        assert_eq!(client.simulator.resizes().len() == 1, processed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_cast_leaves_no_trace() {
    let client = client_with(resize(Fault::LostCast)).await;
    client.resize("pool-b", 2, &[]).await;
    client.simulator.lose_next_casts(1);
    client.resize("pool-b", 2, &[]).await;
    sleep(20.0).await;
    let group = client.group("pool-b");
    assert_eq!((group.node_count, group.status.as_str()), (1, "CREATE_COMPLETE"));
    client.resize_and_settle("pool-b", 2, &[]).await;
    assert_eq!(client.servers("pool-b").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_delayed_cast_comes_later() {
    let client = client_with(resize(Fault::DelayedCast(Duration::from_secs(30)))).await;
    client.resize("pool-b", 2, &[]).await;
    sleep(0.5).await;
    assert_eq!(client.group("pool-b").node_count, 1);
    sleep(30.0).await;
    assert_eq!(client.group("pool-b").node_count, 2);
}

#[tokio::test(start_paused = true)]
async fn heat_refuses_the_conductor() {
    let client = client_with(resize(Fault::HeatRefuses)).await;
    client.resize("pool-b", 2, &[]).await;
    sleep(1.0).await;
    let group = client.group("pool-b");
    assert_eq!((group.node_count, group.number_of_minions), (1, 1));
    assert_eq!(
        (group.status.as_str(), group.status_reason.as_str()),
        ("UPDATE_FAILED", "ERROR: Internal Error")
    );
    assert_eq!(client.simulator.cluster_status(), "UPDATE_FAILED");
    assert_eq!(client.resize_and_settle("pool-b", 2, &[]).await, "UPDATE_COMPLETE");
}

#[tokio::test(start_paused = true)]
async fn stale_reads_show_the_past() {
    let client = client_with(FaultRule::always(Fault::StaleRead(Duration::from_secs(3)))).await;
    let path = format!("{}/nodegroups/pool-b", client.cluster_path());
    client.resize("pool-b", 2, &[]).await;
    // Nobody looks when the count changes, 0.1 s later.
    sleep(1.6).await;
    let mut stale = 0;
    for _ in 0..100 {
        stale += u32::from(client.get(&path).await["node_count"] == 1);
    }
    assert!((30..=70).contains(&stale), "half of the reads reach back behind 1.5 of 3 s: {stale}");
    assert_eq!(client.group("pool-b").node_count, 2, "the truth is another matter");
    sleep(1.6).await;
    for _ in 0..100 {
        assert_eq!(client.get(&path).await["node_count"], 2, "nothing is older than it may be");
    }
}

#[tokio::test(start_paused = true)]
async fn a_storm_is_the_same_for_the_same_seed() {
    let run = async |seed| {
        let client = Client::new(lab()).await;
        client.simulator.set_faults(FaultPlan::storm(seed, 0.05));
        for _ in 0..200 {
            client.call("GET", &client.cluster_path(), None).await;
        }
        client.simulator.fault_counts()
    };
    let counts = run(7).await;
    assert_eq!(counts, run(7).await);
    assert_ne!(counts, run(8).await);
    assert!(counts.iter().filter(|(_, struck)| *struck > 0).count() >= 8, "{counts:?}");
}

/// Everything that a server sends on one connection, until it ends; the error that ended it if one did.
async fn raw_get(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut received = Vec::new();
    // A reset is as good an end as any other.
    let _ = stream.read_to_end(&mut received).await;
    String::from_utf8(received).unwrap()
}

#[tokio::test]
async fn over_real_http_links_lead_back_and_cut_connections_break_off() {
    let simulator = Simulator::new(lab());
    let running = simulator.listen((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
    let answer = raw_get(running.address(), "/container-infra/").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.contains(&format!("{}/container-infra/v1/", running.base_url)), "{answer}");
    assert_eq!(running.auth_url(), format!("{}/identity/v3", running.base_url));

    simulator.set_faults(FaultPlan::of([FaultRule::always(Fault::CutBefore)]));
    let answer = raw_get(running.address(), "/container-infra/").await;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    assert_eq!(body, "", "{answer}");

    let address = running.address();
    running.stop().await;
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}
