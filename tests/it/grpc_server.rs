//! The server around the service: health, reflection, limits, TLS, metrics and the way it stops.

use std::{fs, path::PathBuf, time::Duration};

use cluster_autoscaler_provider_magnum::grpc::{
    externalgrpc::{
        ExternalGrpcNode, NodeGroupDeleteNodesRequest, NodeGroupsRequest,
        cloud_provider_client::CloudProviderClient, cloud_provider_server::SERVICE_NAME,
    },
    server::{Server, ServerError},
    tls::{Security, SecurityOptions},
};
use futures_util::{StreamExt as _, stream};
use rcgen::{CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tonic::{
    Code, Request,
    client::Grpc,
    transport::{Certificate, ClientTlsConfig, Endpoint, Identity},
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_prost::ProstCodec;
use tonic_reflection::pb::{v1, v1alpha};

use crate::{
    captured_log::CapturedLog,
    grpc_fixture::{self, Fixture, MemoryCloud, WORKERS},
};

#[tokio::test]
async fn it_is_healthy_until_it_stops_and_says_when() {
    let fixture = Fixture::start().await;
    let mut health = HealthClient::new(fixture.channel().await);
    for service in ["", SERVICE_NAME] {
        let request = HealthCheckRequest { service: service.to_owned() };
        assert_eq!(health.check(request).await.unwrap().into_inner().status(), ServingStatus::Serving);
    }
    let unknown = HealthCheckRequest { service: "other.Service".to_owned() };
    assert_eq!(health.check(unknown).await.unwrap_err().code(), Code::NotFound);

    let request = HealthCheckRequest { service: SERVICE_NAME.to_owned() };
    let mut statuses = health.watch(request).await.unwrap().into_inner();
    assert_eq!(statuses.next().await.unwrap().unwrap().status(), ServingStatus::Serving);
    fixture.stop.cancel();
    assert_eq!(statuses.next().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    drop(statuses);
    drop(health);
    tokio::time::timeout(Duration::from_secs(5), fixture.server).await.unwrap().unwrap();
}

fn assert_lists_services(answer: &str) {
    for service in [SERVICE_NAME, "grpc.health.v1.Health"] {
        assert!(answer.contains(service), "{service} in {answer}");
    }
}

#[tokio::test]
async fn both_ages_of_reflection_list_the_service() {
    let fixture = Fixture::start().await;
    let request = v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(v1::server_reflection_request::MessageRequest::ListServices(String::new())),
    };
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(fixture.channel().await);
    let mut answers = client.server_reflection_info(stream::iter([request])).await.unwrap().into_inner();
    let answer = answers.next().await.unwrap().unwrap();
    assert_lists_services(&format!("{answer:?}"));

    let request = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(
            v1alpha::server_reflection_request::MessageRequest::ListServices(String::new()),
        ),
    };
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(fixture.channel().await);
    let mut answers = client.server_reflection_info(stream::iter([request])).await.unwrap().into_inner();
    let answer = answers.next().await.unwrap().unwrap();
    assert_lists_services(&format!("{answer:?}"));
}

#[tokio::test]
async fn calls_are_counted_and_unknown_methods_get_no_label_of_their_own() {
    let fixture = Fixture::start().await;
    fixture.client().await.node_groups(NodeGroupsRequest {}).await.unwrap();
    let mut client = Grpc::new(fixture.channel().await);
    client.ready().await.unwrap();
    let codec = ProstCodec::<NodeGroupsRequest, NodeGroupsRequest>::default();
    let path = format!("/{SERVICE_NAME}/Invented").parse().unwrap();
    let refused = client.unary(Request::new(NodeGroupsRequest {}), path, codec).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    for line in [
        &format!(
            "grpc_server_handled_total{{grpc_code=\"OK\",grpc_method=\"NodeGroups\",grpc_service=\"{SERVICE_NAME}\"}} 1"
        ),
        "grpc_server_handled_total{grpc_code=\"Unimplemented\",grpc_method=\"unknown\",grpc_service=\"unknown\"} 1",
        &format!(
            "grpc_server_handling_seconds_count{{grpc_method=\"NodeGroups\",grpc_service=\"{SERVICE_NAME}\"}} 1"
        ),
        &format!("magnum_autoscaler_node_group_target_size{{node_group=\"{WORKERS}\"}} 2"),
        &format!("magnum_autoscaler_wrong_removals_total{{node_group=\"{WORKERS}\"}} 0"),
    ] {
        assert!(fixture.shows_metric(line), "{line} in\n{}", fixture.metrics.render().unwrap());
    }
}

/// A request of about this many megabytes.
fn delete_of_size(megabytes: usize) -> NodeGroupDeleteNodesRequest {
    let label = ("filler".to_owned(), "x".repeat(1 << 20));
    let node = ExternalGrpcNode { labels: [label].into(), ..grpc_fixture::node("not-a-uuid") };
    NodeGroupDeleteNodesRequest { nodes: vec![node; megabytes], id: WORKERS.to_owned() }
}

#[tokio::test]
async fn long_requests_are_taken_and_endless_ones_are_not() {
    let fixture = Fixture::start().await;
    let mut client = fixture.client().await;
    let refused = client.node_group_delete_nodes(delete_of_size(6)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "it was read: {refused}");
    let refused = client.node_group_delete_nodes(delete_of_size(9)).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange, "{refused}");
    client.node_groups(NodeGroupsRequest {}).await.unwrap();
}

#[tokio::test]
async fn a_call_with_millions_of_empty_nodes_is_refused_unread() {
    let fixture = Fixture::start().await;
    let mut client = fixture.client().await;
    let named = |number| NodeGroupDeleteNodesRequest {
        nodes: vec![ExternalGrpcNode::default(); number],
        id: WORKERS.to_owned(),
    };
    let refused = client.node_group_delete_nodes(named(4_000_000)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    assert!(refused.message().contains("more than 65536 parts"), "{refused}");
    let refused = client.node_group_delete_nodes(named(10_000)).await.unwrap_err();
    assert!(!refused.message().contains("parts"), "it was read: {refused}");
    assert_eq!(fixture.cloud.heard(), []);
}

#[tokio::test]
async fn a_caller_is_told_how_many_calls_a_connection_may_have() {
    const MAX_CONCURRENT_STREAMS: u16 = 3;
    let fixture = Fixture::start().await;
    let mut connection = TcpStream::connect(fixture.address).await.unwrap();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    connection.write_all(preface).await.unwrap();
    let mut head = [0; 9];
    connection.read_exact(&mut head).await.unwrap();
    assert_eq!(head[3], 4, "a SETTINGS frame");
    let mut settings = vec![0; usize::from(head[2])];
    connection.read_exact(&mut settings).await.unwrap();
    let told = settings.chunks(6).find(|setting| setting[..2] == MAX_CONCURRENT_STREAMS.to_be_bytes());
    assert_eq!(told.unwrap()[2..], 256_u32.to_be_bytes());
}

#[tokio::test]
async fn a_crowd_of_connections_is_refused_and_leaves_those_that_are_there_alone() {
    let (log, _capture) = CapturedLog::start();
    let fixture = Fixture::start().await;
    let mut client = fixture.client().await;
    client.node_groups(NodeGroupsRequest {}).await.unwrap();
    let mut crowd = Vec::new();
    for _ in 0..70 {
        crowd.push(TcpStream::connect(fixture.address).await.unwrap());
    }
    let refused = ["WARN", "refused a connection from 127.0.0.1:", "64 connections are open already"];
    grpc_fixture::eventually("it is told", || !log.lines(&refused).is_empty()).await;
    client.node_groups(NodeGroupsRequest {}).await.unwrap();
    drop(crowd);
    let answered = async {
        while fixture.endpoint().connect().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), answered).await.unwrap();
}

#[tokio::test]
async fn noise_on_the_port_disturbs_nobody() {
    let fixture = Fixture::start().await;
    let mut client = fixture.client().await;
    for noise in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 4096], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff"]
    {
        TcpStream::connect(fixture.address).await.unwrap().write_all(noise).await.unwrap();
        client.node_groups(NodeGroupsRequest {}).await.unwrap();
    }
}

#[tokio::test]
async fn a_busy_port_is_known_before_anything_starts() {
    let fixture = Fixture::start().await;
    let error = Server::bind(fixture.address, Security::Plaintext).unwrap_err();
    assert!(matches!(error, ServerError::Bind { .. }), "{error}");
    assert!(error.to_string().contains(&fixture.address.to_string()), "{error}");
}

/// An authority, what it signed, and the files on disk.
struct Certificates {
    directory: tempfile::TempDir,
    authority: String,
    client: Identity,
}

fn key_usage(purpose: ExtendedKeyUsagePurpose) -> CertificateParams {
    let mut parameters = CertificateParams::new(["localhost".to_owned()]).unwrap();
    parameters.extended_key_usages = vec![purpose];
    parameters
}

impl Certificates {
    fn make() -> Self {
        let mut parameters = CertificateParams::new(["authority".to_owned()]).unwrap();
        parameters.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap();
        let sign = |purpose| {
            let key = KeyPair::generate().unwrap();
            let certificate = key_usage(purpose).signed_by(&key, &authority).unwrap();
            (certificate.pem(), key.serialize_pem())
        };
        let (server, server_key) = sign(ExtendedKeyUsagePurpose::ServerAuth);
        let (client, client_key) = sign(ExtendedKeyUsagePurpose::ClientAuth);
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("tls.crt"), server).unwrap();
        fs::write(directory.path().join("tls.key"), server_key).unwrap();
        fs::write(directory.path().join("ca.crt"), authority.pem()).unwrap();
        Self { directory, authority: authority.pem(), client: Identity::from_pem(client, client_key) }
    }

    fn file(&self, name: &str) -> Option<PathBuf> {
        Some(self.directory.path().join(name))
    }

    fn security(&self, key: &str) -> Security {
        let options = SecurityOptions {
            certificate: self.file("tls.crt"),
            key: self.file(key),
            client_ca: self.file("ca.crt"),
            insecure: false,
        };
        options.load("0.0.0.0".parse().unwrap()).unwrap()
    }

    fn client_config(&self) -> ClientTlsConfig {
        ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&self.authority)).domain_name("localhost")
    }
}

#[tokio::test]
async fn only_a_caller_with_a_certificate_of_the_authority_gets_in() {
    let certificates = Certificates::make();
    let fixture = Fixture::start_on(MemoryCloud::new(), certificates.security("tls.key"));
    grpc_fixture::eventually("the first snapshot", || fixture.engine.snapshot().is_ok()).await;
    let list = async |endpoint: Endpoint| {
        let channel =
            endpoint.connect().await.map_err(|error| tonic::Status::unavailable(error.to_string()))?;
        CloudProviderClient::new(channel).node_groups(NodeGroupsRequest {}).await
    };
    let encrypted = Endpoint::from_shared(format!("https://{}", fixture.address)).unwrap();
    let config = certificates.client_config();
    let known = encrypted.clone().tls_config(config.clone().identity(certificates.client.clone())).unwrap();
    assert_eq!(list(known).await.unwrap().into_inner().node_groups.len(), 2);

    let stranger = Certificates::make();
    for refused in [
        list(encrypted.clone().tls_config(config.clone()).unwrap()).await,
        list(encrypted.tls_config(config.identity(stranger.client)).unwrap()).await,
        list(fixture.endpoint()).await,
    ] {
        assert!(refused.is_err());
    }
}

#[tokio::test]
async fn files_that_are_no_key_are_refused_before_listening() {
    let certificates = Certificates::make();
    let error = Server::bind("127.0.0.1:0".parse().unwrap(), certificates.security("tls.crt")).unwrap_err();
    assert!(matches!(error, ServerError::Tls(_)), "{error}");
}

#[tokio::test]
async fn a_caller_that_is_refused_leaves_a_line_with_its_address_and_the_reason() {
    let (log, _capture) = CapturedLog::start();
    let certificates = Certificates::make();
    let fixture = Fixture::start_on(MemoryCloud::new(), certificates.security("tls.key"));
    let encrypted = Endpoint::from_shared(format!("https://{}", fixture.address)).unwrap();
    let config = certificates.client_config();
    let stranger = Certificates::make();
    let with = |config: ClientTlsConfig| encrypted.clone().tls_config(config).unwrap();
    let callers = [
        (with(config.clone()), "it shows no certificate"),
        (with(config.identity(stranger.client.clone())), "not signed by the authority of --tls-client-ca"),
        (fixture.endpoint(), "it does not speak TLS"),
        (
            with(stranger.client_config().identity(certificates.client)),
            "does not accept this service's certificate",
        ),
    ];
    for (caller, reason) in callers {
        // Again and again, as cluster-autoscaler does.
        for _ in 0..3 {
            let _ = async {
                CloudProviderClient::new(caller.connect().await?)
                    .node_groups(NodeGroupsRequest {})
                    .await
                    .map_err(|_| ())
                    .ok();
                Ok::<_, tonic::transport::Error>(())
            }
            .await;
        }
        let parts = ["WARN", "refused a connection from 127.0.0.1:", reason];
        grpc_fixture::eventually(reason, || !log.lines(&parts).is_empty()).await;
        assert_eq!(log.lines(&parts).len(), 1, "{}", log.text());
    }
    // A probe of the port.
    drop(tokio::net::TcpStream::connect(fixture.address).await.unwrap());
    assert_eq!(log.lines(&["WARN", "refused"]).len(), 4, "{}", log.text());
}

#[tokio::test]
async fn a_caller_that_speaks_tls_to_a_plaintext_service_is_told_of() {
    let (log, _capture) = CapturedLog::start();
    let fixture = Fixture::start().await;
    let config = Certificates::make().client_config();
    let encrypted = Endpoint::from_shared(format!("https://{}", fixture.address)).unwrap();
    assert!(encrypted.tls_config(config).unwrap().connect().await.is_err());
    grpc_fixture::eventually("the line", || !log.lines(&["WARN", "127.0.0.1:", "it speaks TLS"]).is_empty())
        .await;
}
