//! The real OpenStack client on a simulated cloud, without a network: time may be paused.

use std::sync::Arc;

use cluster_autoscaler_provider_magnum::{
    config::{self, CloudChoice, node_groups::GroupSelection},
    core::cloud::Cloud,
    openstack::{MagnumCluster, Session, Transport},
    simulator::{ConnectionCut, Simulator},
};

use crate::router_transport::RouterTransport;

/// All worker groups of the simulated cluster, reached with its password.
pub(crate) fn cloud(simulator: &Simulator) -> Arc<dyn Cloud> {
    Arc::new(cluster(simulator, GroupSelection::All))
}

/// These groups of the simulated cluster, to be shaped further.
pub(crate) fn cluster(simulator: &Simulator, selection: GroupSelection) -> MagnumCluster {
    cluster_through(simulator, selection, |transport| transport)
}

/// The same, with something in the way of the requests.
pub(crate) fn cluster_through(
    simulator: &Simulator,
    selection: GroupSelection,
    wrap: impl FnOnce(Arc<dyn Transport>) -> Arc<dyn Transport>,
) -> MagnumCluster {
    const BASE_URL: &str = "http://simulator.invalid";
    let credentials = simulator.credentials();
    let environment = [
        ("OS_AUTH_URL", format!("{BASE_URL}/identity/v3")),
        ("OS_USERNAME", credentials.user_name.to_owned()),
        ("OS_PASSWORD", credentials.password.to_owned()),
        ("OS_USER_DOMAIN_NAME", credentials.domain_name.to_owned()),
        ("OS_PROJECT_NAME", credentials.project_name.to_owned()),
        ("OS_PROJECT_DOMAIN_NAME", credentials.domain_name.to_owned()),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value)).into();
    let config = config::load(&CloudChoice::default(), &environment).unwrap().config;
    let is_cut = |extensions: &http::Extensions| extensions.get::<ConnectionCut>().is_some();
    let transport = RouterTransport::new(simulator.router(BASE_URL), is_cut);
    let session = Session::new(config, wrap(Arc::new(transport))).with_jitter_seed(0);
    MagnumCluster::new(Arc::new(session), simulator.cluster_name(), selection)
}
