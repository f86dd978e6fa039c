//! From the command line to a cloud.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{arguments::ServeArguments, error::StartError};
use crate::{
    config::{
        self, CloudChoice, Environment,
        node_groups::{AutoDiscovery, GroupSelection, NodeGroupOptionError, NodeGroupSpec},
        settings::without_line_ends,
    },
    core::{cloud::Cloud, nodes::NodeSource, settings::Settings},
    openstack::{HttpTransport, MagnumCluster, Session, Timeouts},
    telemetry::metrics::Metrics,
};

/// How a cloud is reached that this process runs itself.
#[derive(Debug, Clone)]
pub struct OwnCloud {
    /// Who may log in, as the `OS_*` variables that all OpenStack clients read.
    pub environment: Environment,
    /// The cluster it has.
    pub cluster_name: String,
}

/// The cluster to scale: in the simulator if one was started, else where `--cloud-config`, `--os-cloud` or `OS_*` say.
/// Each request is told to `metrics`; node templates are made by `settings` and like the live `nodes`. Talks to nobody yet.
///
/// # Errors
/// [`StartError::Configuration`] when the files or options cannot be used.
pub fn connect(
    arguments: &ServeArguments,
    simulator: Option<&OwnCloud>,
    metrics: &Arc<Metrics>,
    settings: Arc<Settings>,
    nodes: Option<Arc<dyn NodeSource>>,
) -> Result<Arc<dyn Cloud>, StartError> {
    let options = &arguments.cloud;
    let selection = selection(&options.nodes, &options.node_group_auto_discovery).map_err(configuration)?;
    let loaded = match simulator {
        Some(simulator) => config::load(&CloudChoice::default(), &simulator.environment),
        None => {
            let choice = CloudChoice {
                cloud_config: options.cloud_config.as_deref().map(path_without_line_ends),
                os_cloud: options.os_cloud.clone(),
            };
            config::load(&choice, &environment())
        }
    }
    .map_err(configuration)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let name = match (simulator, &options.cluster_name) {
        (_, Some(name)) => without_line_ends(name).to_owned(),
        (Some(simulator), None) => simulator.cluster_name.clone(),
        (None, None) => return Err(StartError::Configuration("--cluster-name is missing".to_owned())),
    };
    let transport = HttpTransport::new(&loaded.config).map_err(configuration)?;
    let timeouts = Timeouts {
        read: options.openstack_timeout,
        resize: options.openstack_timeout.max(Timeouts::default().resize),
    };
    let session = Session::with(loaded.config, Arc::new(transport), metrics.clone(), timeouts)
        .with_origin(loaded.origin);
    let cluster = MagnumCluster::new(Arc::new(session), name, selection)
        .with_driver_options(arguments.driver.options())
        .with_settings(settings)
        .with_nodes(nodes);
    Ok(Arc::new(cluster))
}

/// What `--config` says, corrected by the options of the command line.
///
/// # Errors
/// [`StartError::Configuration`] when the file cannot be read or a setting makes no sense.
pub fn settings(arguments: &ServeArguments) -> Result<Settings, StartError> {
    let mut settings = match &arguments.config {
        Some(file) => config::settings_file::read(file).map_err(configuration)?,
        None => Settings::default(),
    };
    if let Some(label) = &arguments.gpu_label {
        settings.devices.gpu_label.clone_from(label);
    }
    Ok(settings)
}

fn selection(nodes: &[String], discovery: &[String]) -> Result<GroupSelection, NodeGroupOptionError> {
    let nodes = nodes
        .iter()
        .map(|value| without_line_ends(value).parse())
        .collect::<Result<Vec<NodeGroupSpec>, _>>()?;
    let discovery = discovery
        .iter()
        .map(|value| without_line_ends(value).parse())
        .collect::<Result<Vec<AutoDiscovery>, _>>()?;
    GroupSelection::new(nodes, discovery)
}

/// Removes line ends from options: they may come from variables that were filled from files.
fn path_without_line_ends(path: &Path) -> PathBuf {
    path.to_str().map_or_else(|| path.to_owned(), |text| without_line_ends(text).into())
}

/// Leaves out variables that are not UTF-8, with a warning if the name could be one of ours.
fn environment() -> Environment {
    std::env::vars_os()
        .filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            let value = value.into_string().ok();
            if value.is_none() && name.starts_with("OS_") {
                tracing::warn!("environment: {name}: is not UTF-8 text; it is passed over");
            }
            Some((name, value?))
        })
        .collect()
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn configuration(error: impl ToString) -> StartError {
    StartError::Configuration(error.to_string())
}
