//! Options about the driver behind Magnum.

use clap::{Args, builder::BoolishValueParser};

use crate::openstack::driver::{DriverOptions, ResizeMethod};

/// What the operator decides about it.
#[derive(Debug, Clone, Args)]
pub struct DriverArguments {
    /// By which way the groups of Magnum's Heat driver are resized
    ///
    /// The Heat stack has to be updated where Magnum has no resize (Magnum 7, Rocky, and older). There, nodes are added by
    /// Magnum all the same.
    #[arg(long, env = "MAGNUM_AUTOSCALER_RESIZE_METHOD", default_value = "auto", value_enum)]
    pub resize_method: ResizeMethod,

    /// Remove nodes also where the driver takes others than those that were named
    ///
    /// The driver magnum-capi-helm takes the node whose name comes first. cluster-autoscaler drains the node that it
    /// chose, and another one may go, with all that runs on it. Without this option such removals are refused.
    #[arg(long, env = "MAGNUM_AUTOSCALER_ALLOW_UNTARGETED_REMOVAL", value_parser = BoolishValueParser::new())]
    pub allow_untargeted_removal: bool,

    /// Resize groups although the cluster has an autoscaler of its own (label auto_scaling_enabled of the Cluster API
    /// drivers), which makes a resize have no effect
    #[arg(long, env = "MAGNUM_AUTOSCALER_IGNORE_AUTO_SCALING", value_parser = BoolishValueParser::new())]
    pub ignore_auto_scaling: bool,
}

impl DriverArguments {
    /// The same for the driver.
    #[must_use]
    pub const fn options(&self) -> DriverOptions {
        DriverOptions {
            resize_method: self.resize_method,
            allow_untargeted_removal: self.allow_untargeted_removal,
            ignore_auto_scaling: self.ignore_auto_scaling,
        }
    }
}
