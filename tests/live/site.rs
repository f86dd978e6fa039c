//! Where the tests run: which cluster of which cloud, as the environment says.

use std::{env, path::PathBuf};

use cluster_autoscaler_provider_magnum::config::{self, CloudChoice, CloudConfig, Environment};

use crate::lab::Lab;

/// A cluster, and who may resize it.
pub(crate) struct Site {
    /// Name or UUID of the cluster, `LIVE_CLUSTER`.
    pub(crate) cluster: String,
    /// `LIVE_CLOUD_CONFIG`; without it `OS_CLOUD` counts.
    pub(crate) cloud_config: Option<PathBuf>,
    /// `--resize-method` of the service, `LIVE_RESIZE_METHOD`; without it the service's default.
    pub(crate) resize_method: Option<String>,
    /// The lab, where `LIVE_LAB` names one: a cloud whose services may be broken.
    pub(crate) lab: Option<Lab>,
}

impl Site {
    /// What the environment says.
    ///
    /// # Errors
    ///
    /// Which variables are missing.
    pub(crate) fn from_environment() -> Result<Self, &'static str> {
        let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
        let cluster = variable("LIVE_CLUSTER");
        let cloud_config = variable("LIVE_CLOUD_CONFIG").map(PathBuf::from);
        let has_cloud = cloud_config.is_some() || variable("OS_CLOUD").is_some();
        let Some(cluster) = cluster.filter(|_| has_cloud) else {
            return Err("needs LIVE_CLUSTER, and LIVE_CLOUD_CONFIG or OS_CLOUD; CONTRIBUTING.md, Live tests");
        };
        let resize_method = variable("LIVE_RESIZE_METHOD");
        let lab = variable("LIVE_LAB").map(|script| Lab::at(script.into()));
        Ok(Self { cluster, cloud_config, resize_method, lab })
    }

    /// As [`Site::from_environment`], for tests that break the cloud.
    ///
    /// # Errors
    ///
    /// The same, and where there is no lab.
    pub(crate) fn with_lab() -> Result<Self, &'static str> {
        let site = Self::from_environment()?;
        if site.lab.is_none() {
            return Err("needs LIVE_LAB, a cloud whose services may be broken; CONTRIBUTING.md, Live tests");
        }
        Ok(site)
    }

    /// The configuration that the service will find, too.
    pub(crate) fn cloud(&self) -> CloudConfig {
        let choice = CloudChoice { cloud_config: self.cloud_config.clone(), os_cloud: None };
        let environment: Environment = env::vars().collect();
        config::load(&choice, &environment).expect("the cloud's configuration").config
    }
}
