//! The cloud that histories are played on.

use cluster_autoscaler_provider_magnum::{
    openstack::driver::{DriverOptions, ResizeMethod},
    simulator::Profile,
};

/// A simulated cloud, and how the service resizes its groups.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::Args)]
pub(crate) struct Site {
    /// The simulated release or driver.
    #[arg(long, env = "HISTORIES_PROFILE", value_enum, default_value_t)]
    pub(crate) profile: Profile,
    /// How groups are resized.
    #[arg(long, env = "HISTORIES_RESIZE_METHOD", value_enum, default_value_t)]
    pub(crate) resize_method: ResizeMethod,
}

impl Site {
    /// The same cloud, where nodes are removed by updates of the Heat stack.
    pub(crate) fn by_heat(self) -> Self {
        Self { resize_method: ResizeMethod::Heat, ..self }
    }

    pub(crate) fn driver_options(self) -> DriverOptions {
        DriverOptions { resize_method: self.resize_method, ..DriverOptions::default() }
    }
}
