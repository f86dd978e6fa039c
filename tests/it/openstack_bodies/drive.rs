//! Lets every client read one answer, whatever it is. For the property tests and for the fuzzer.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cluster_autoscaler_provider_magnum::{
    config::{
        CloudConfig, Credentials,
        cloud::{Identity, Interface, Scope},
        node_groups::GroupSelection,
    },
    core::cloud::Cloud as _,
    openstack::{
        MagnumCluster, Session, Transport,
        driver::heat::api::{Heat, StackRef},
        magnum::Magnum,
        nova::Nova,
        transport::TransportError,
    },
};
use http::{Request, Response};

/// The password and the token that no error may show.
pub(crate) const SECRETS: [&str; 2] = ["plantedPassword", "plantedToken"];

const TOKEN: &str = r#"{"token": {"issued_at": "2026-01-01T00:00:00Z", "expires_at": "2026-01-01T01:00:00Z", "catalog": [
    {"type": "container-infra", "endpoints": [{"interface": "public", "url": "http://cloud/magnum/v1"}]},
    {"type": "orchestration", "endpoints": [{"interface": "public", "url": "http://cloud/heat/v1/p1"}]},
    {"type": "compute", "endpoints": [{"interface": "public", "url": "http://cloud/nova/v2.1"}]}]}}"#;

/// Answers everything alike; the login only where that is what is tried.
#[derive(Debug)]
struct Same {
    status: u16,
    body: Bytes,
    location: Option<String>,
    login: bool,
}

#[async_trait]
impl Transport for Same {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let mut answer = Response::builder().header("x-subject-token", "plantedToken");
        if request.uri().path().ends_with("/auth/tokens") && !self.login {
            return answer
                .status(201)
                .body(Bytes::from_static(TOKEN.as_bytes()))
                .map_err(|error| lost(&error));
        }
        if request.uri().path() == "/magnum/" && !self.login {
            let root = r#"{"versions": [{"id": "v1", "max_version": "1.10"}]}"#;
            return answer.body(Bytes::from_static(root.as_bytes())).map_err(|error| lost(&error));
        }
        if let Some(location) = &self.location {
            answer = answer.header("location", location);
        }
        answer.status(self.status).body(self.body.clone()).map_err(|error| lost(&error))
    }
}

fn lost(error: &http::Error) -> TransportError {
    TransportError::Lost(error.to_string())
}

/// Reads the answer in every place; the errors that came of it.
pub(crate) async fn drive(status: u16, body: &[u8]) -> Vec<String> {
    let mut errors = Vec::new();
    for login in [true, false] {
        let location =
            String::from_utf8_lossy(body).chars().filter(char::is_ascii_graphic).take(200).collect();
        let same = Same { status, body: Bytes::copy_from_slice(body), location: Some(location), login };
        let config = CloudConfig {
            auth_url: "http://cloud/identity".parse().expect("a URL"),
            credentials: Credentials::Password {
                user: Identity::Id("u1".to_owned()),
                password: "plantedPassword".into(),
                scope: Scope::Trust("t1".to_owned()),
            },
            region: None,
            interface: Interface::Public,
            ca_file: None,
            client_certificate: None,
            insecure: false,
            endpoint_overrides: Default::default(),
        };
        let session = Arc::new(Session::new(config, Arc::new(same)));
        if login {
            errors.extend(session.token().await.err());
            continue;
        }
        let magnum = Magnum::new(Arc::clone(&session));
        let (nova, heat) = (Nova::new(Arc::clone(&session)), Heat::new(Arc::clone(&session)));
        let stack = StackRef { name: "k".to_owned(), id: "s1".to_owned() };
        let group = "531cd801-d372-468e-b865-e775c513c86f".parse().expect("a UUID");
        let server = "588d1f0e-661a-4aae-a7d7-607df3ea5a85".parse().expect("a UUID");
        errors.extend(magnum.cluster("k8s").await.err());
        errors.extend(magnum.node_groups("k8s").await.err());
        errors.extend(magnum.node_group("k8s", group).await.err());
        errors.extend(magnum.resize("k8s", group, 1, &[]).await.err());
        errors.extend(nova.servers("^k-node-[0-9]+$").await.err());
        errors.extend(nova.server_exists(server).await.err());
        errors.extend(heat.stack("s1").await.err());
        errors.extend(heat.kube_minions(&stack).await.err());
        errors.extend(heat.members(&stack).await.err());
        errors.extend(heat.refs_map(&stack).await.err());
        let cluster = MagnumCluster::new(session, "k8s".to_owned(), GroupSelection::All);
        match cluster.observe(None).await {
            Err(error) => errors.push(error),
            Ok(observation) => {
                errors.extend(observation.groups.into_iter().filter_map(|group| group.reading.err()));
            }
        }
    }
    errors.into_iter().map(|error| format!("{error} {error:?}")).collect()
}
