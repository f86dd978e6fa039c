//! What the operator decides about drivers.

use clap::ValueEnum;

/// By which way the groups of the Heat driver are resized.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, ValueEnum)]
pub enum ResizeMethod {
    /// Magnum's resize where it has one (Magnum 8 and newer), else the Heat stack
    #[default]
    Auto,
    /// Magnum's resize, which names the nodes that go
    Magnum,
    /// Nodes are removed by an update of the Heat stack, then Magnum is told how many are left
    Heat,
}

/// All of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DriverOptions {
    /// For the Heat driver.
    pub resize_method: ResizeMethod,
    /// Whether nodes may be removed where the driver takes whichever it likes.
    pub allow_untargeted_removal: bool,
    /// Whether groups are resized although the cluster has an autoscaler of its own.
    pub ignore_auto_scaling: bool,
}
