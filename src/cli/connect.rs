//! From the command line to a cloud.

use std::sync::Arc;

use super::{arguments::ServeArguments, error::StartError, simulate::StartedSimulator};
use crate::{core::cloud::Cloud, telemetry::metrics::Metrics};

/// The cluster to scale: in the simulator if one was started, else where `--cloud-config`, `--os-cloud` or `OS_*` say.
/// Each request is told to `metrics`. Talks to nobody yet.
///
/// # Errors
/// [`StartError::Configuration`] when the files or options cannot be used.
pub fn connect(
    arguments: &ServeArguments,
    simulator: Option<&StartedSimulator>,
    metrics: &Arc<Metrics>,
) -> Result<Arc<dyn Cloud>, StartError> {
    let _ = (arguments, simulator, metrics);
    Err(StartError::Run("this build has no OpenStack client".to_owned()))
}
