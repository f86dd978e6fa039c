//! The cloud that histories are played on.

use std::fmt;

use clap::ValueEnum as _;
use cluster_autoscaler_provider_magnum::{
    config::node_groups::GroupSelection,
    openstack::driver::{DriverOptions, ResizeMethod},
    simulator::Profile,
};

use crate::step::GROUPS;

/// The most nodes that a group has at first.
pub(crate) const MAX_NODES: u32 = 8;

/// A simulated cloud, and how the service resizes its groups.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::Args)]
pub(crate) struct Site {
    /// The simulated release or driver.
    #[arg(long, env = "HISTORIES_PROFILE", value_enum, default_value_t)]
    pub(crate) profile: Profile,
    /// How groups are resized.
    #[arg(long, env = "HISTORIES_RESIZE_METHOD", value_enum, default_value_t)]
    pub(crate) resize_method: ResizeMethod,
    /// Accepts that magnum-capi-helm removes other nodes than the named ones.
    #[arg(long)]
    pub(crate) allow_untargeted_removal: bool,
}

/// What becomes of a request to remove nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removals {
    /// The named ones go.
    Named,
    /// As many go as were named.
    Counted,
    /// None go.
    Refused,
}

impl Site {
    pub(crate) fn of(profile: Profile) -> Self {
        Self { profile, ..Self::default() }
    }

    /// The same cloud, where nodes are removed by updates of the Heat stack.
    pub(crate) fn by_heat(self) -> Self {
        Self { resize_method: ResizeMethod::Heat, ..self }
    }

    pub(crate) fn driver_options(self) -> DriverOptions {
        let Self { resize_method, allow_untargeted_removal, .. } = self;
        DriverOptions { resize_method, allow_untargeted_removal, ..DriverOptions::default() }
    }

    /// Whether Cluster API makes the nodes; Heat otherwise.
    pub(crate) fn is_cluster_api(self) -> bool {
        matches!(self.profile, Profile::MagnumClusterApi | Profile::CapiHelm)
    }

    pub(crate) fn removals(self) -> Removals {
        match (self.profile, self.allow_untargeted_removal) {
            (Profile::CapiHelm, true) => Removals::Counted,
            (Profile::CapiHelm, false) => Removals::Refused,
            _ => Removals::Named,
        }
    }

    /// Whether Magnum knows of node groups, and of their bounds.
    pub(crate) fn has_node_groups(self) -> bool {
        !matches!(self.profile, Profile::Queens | Profile::Stein)
    }

    /// How many of the groups there are: where Magnum knows of none the cluster's workers are one.
    pub(crate) fn groups(self) -> usize {
        if self.has_node_groups() { GROUPS.len() } else { 1 }
    }

    /// The groups that are scaled, with bounds where Magnum has none.
    pub(crate) fn selection(self) -> GroupSelection {
        if self.has_node_groups() {
            return GroupSelection::All;
        }
        let nodes = format!("1:{MAX_NODES}:{}", GROUPS[0]);
        GroupSelection::new(vec![nodes.parse().unwrap()], Vec::new()).unwrap()
    }

    /// How many rounds of 5 s a group may take to settle. An update that waits for a node in vain takes an hour, and one before
    /// it may have been waited for. Before Heat 14 no update interrupts an older one: each of them holds up all others for its
    /// hour. And Magnum is not told of an update of the stack before that.
    pub(crate) fn rounds_to_settle(self) -> u32 {
        use Profile::{Queens, Stein, Train};
        let waits_for_stacks = self.resize_method == ResizeMethod::Heat;
        if waits_for_stacks || matches!(self.profile, Queens | Stein | Train) { 5000 } else { 2000 }
    }

    /// The fewest nodes that a group may have.
    pub(crate) fn least_size(self) -> u32 {
        use Profile::{Queens, Stein, Train, Victoria};
        u32::from(matches!(self.profile, Queens | Stein | Train | Victoria))
    }
}

/// As the options that choose it.
impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = self.resize_method.to_possible_value();
        let method = method.map(|value| value.get_name().to_owned()).unwrap_or_default();
        write!(f, "--profile {} --resize-method {method}", self.profile)?;
        if self.allow_untargeted_removal {
            f.write_str(" --allow-untargeted-removal")?;
        }
        Ok(())
    }
}
