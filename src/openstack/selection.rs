//! Which node groups are scaled, and between which sizes.

use std::collections::BTreeSet;

use super::magnum::{BrokenRecord, ClusterRecord, NodeGroupRecord};
use crate::{
    config::node_groups::{GroupSelection, MASTER_ROLE, NodeGroupSpec},
    core::{
        cloud::CloudError,
        node_group::{Bounds, MAX_NODES},
        quote::quoted,
        settings::GroupSettings,
    },
};

/// Magnum's records of a group, with the sizes that it may have.
#[derive(Debug)]
pub(super) struct Records<'a> {
    pub(super) cluster: &'a ClusterRecord,
    pub(super) detail: NodeGroupRecord,
    pub(super) bounds: Bounds,
}

impl GroupSelection {
    /// Whether the group may be one of those to be scaled; its bounds have the last word.
    pub(super) fn may_include(&self, group: &NodeGroupRecord) -> bool {
        let role = group.role.as_deref().unwrap_or_default();
        role != MASTER_ROLE
            && match self {
                Self::All => true,
                Self::Roles(roles) => roles.contains(role),
                Self::Explicit(_) => self.spec_of(group).is_some(),
            }
    }

    /// Whether a group may be one of those to be scaled, by what can be read of its record.
    pub(super) fn may_include_broken(&self, record: &BrokenRecord) -> bool {
        record.role.as_deref() != Some(MASTER_ROLE)
            && match self {
                Self::All => true,
                Self::Roles(roles) => record.role.as_ref().is_none_or(|role| roles.contains(role)),
                Self::Explicit(specs) => {
                    let uuid = record.uuid.map(|uuid| uuid.to_string()).unwrap_or_default();
                    let is_named = |spec: &NodeGroupSpec| {
                        record.name.as_ref() == Some(&spec.group) || spec.group.eq_ignore_ascii_case(&uuid)
                    };
                    specs.iter().any(is_named)
                }
            }
    }

    fn spec_of(&self, group: &NodeGroupRecord) -> Option<&NodeGroupSpec> {
        let Self::Explicit(specs) = self else { return None };
        let uuid = group.uuid.to_string();
        specs.iter().find(|spec| spec.group == group.name || spec.group.eq_ignore_ascii_case(&uuid))
    }

    /// The groups that were named and are not there to be scaled.
    pub(super) fn missing(&self, groups: &[NodeGroupRecord]) -> BTreeSet<String> {
        let Self::Explicit(specs) = self else { return BTreeSet::new() };
        let found: Vec<_> = groups
            .iter()
            .filter(|group| self.may_include(group))
            .filter_map(|group| self.spec_of(group))
            .collect();
        specs.iter().filter(|spec| !found.contains(spec)).map(|spec| spec.group.clone()).collect()
    }

    /// The sizes that a group may have: Magnum's own, narrowed by `--nodes` where that names it and by the settings
    /// file, and not below the `least` that this Magnum takes. None for a group to which nobody gives a maximum: it is not for scaling.
    ///
    /// # Errors
    /// [`CloudError::Unsuitable`] when they leave no size.
    pub(super) fn bounds(
        &self,
        detail: &NodeGroupRecord,
        settings: &GroupSettings,
        least: u32,
    ) -> Result<Option<Bounds>, CloudError> {
        let min = detail.min_node_count.unwrap_or(0).max(least);
        let spec = self.spec_of(detail);
        let node_count = detail.node_count.unwrap_or(0);
        if node_count > MAX_NODES {
            return Err(CloudError::Unsuitable(format!(
                "Magnum's record of node group {} says {node_count} nodes; more than {MAX_NODES} are not believed. If a \
                 resize asked for them by mistake, resize the group in Magnum",
                quoted(&detail.name)
            )));
        }
        let maxima = [detail.max_node_count, spec.map(|spec| spec.bounds.max), settings.max];
        let Some(max) = maxima.into_iter().flatten().min() else { return Ok(None) };
        let max = max.min(MAX_NODES);
        let minima = [Some(min), spec.map(|spec| spec.bounds.min), settings.min];
        let bounds = Bounds { min: minima.into_iter().flatten().max().unwrap_or(0), max };
        if bounds.min <= bounds.max {
            return Ok(Some(bounds));
        }
        let size = |size: Option<u32>| size.map_or_else(|| "any".to_owned(), |size| size.to_string());
        let mut sources = Vec::new();
        if let Some(NodeGroupSpec { bounds, group }) = spec {
            sources.push(format!("--nodes {}:{}:{group}", bounds.min, bounds.max));
        }
        if settings.min.is_some() || settings.max.is_some() {
            let (min, max) = (settings.min.unwrap_or(0), size(settings.max));
            sources.push(format!("the settings file's bounds of {} ({min} to {max})", detail.name));
        }
        sources.push(format!("Magnum's own bounds of the group ({min} to {})", size(detail.max_node_count)));
        Err(CloudError::Unsuitable(format!("{} have no size in common", sources.join(" and "))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static NOTHING: std::sync::LazyLock<GroupSettings> = std::sync::LazyLock::new(GroupSettings::default);

    fn group(name: &str, role: &str, min: u32, max: Option<u32>) -> NodeGroupRecord {
        serde_json::from_value(serde_json::json!({
            "uuid": "531cd801-d372-468e-b865-e775c513c86f", "name": name, "role": role,
            "min_node_count": min, "max_node_count": max,
        }))
        .unwrap()
    }

    fn explicit(specs: &[&str]) -> GroupSelection {
        GroupSelection::Explicit(specs.iter().map(|spec| spec.parse().unwrap()).collect())
    }

    #[test]
    fn bounds_are_magnums_narrowed_by_the_command_line() {
        for (selection, min, max, expected) in [
            (GroupSelection::All, 1, Some(5), Some((1, 5))),
            (GroupSelection::All, 1, None, None),
            (explicit(&["0:10:g"]), 1, Some(5), Some((1, 5))),
            (explicit(&["2:4:g"]), 1, Some(5), Some((2, 4))),
            (explicit(&["2:4:g"]), 0, None, Some((2, 4))),
            (explicit(&["2:4:531cd801-d372-468e-b865-e775c513c86f"]), 0, None, Some((2, 4))),
        ] {
            let bounds = selection.bounds(&group("g", "worker", min, max), &NOTHING, 0).unwrap();
            assert_eq!(bounds, expected.map(|(min, max)| Bounds { min, max }));
        }
        let error = explicit(&["2:4:g"]).bounds(&group("g", "worker", 5, None), &NOTHING, 0);
        let error = error.unwrap_err().to_string();
        assert!(error.contains("2:4:g") && error.contains("5 to any"), "{error}");
    }

    #[test]
    fn the_settings_file_narrows_the_bounds_further() {
        let settings = |min, max| GroupSettings { min, max, ..GroupSettings::default() };
        for (selection, min, max, settings, expected) in [
            (GroupSelection::All, 1, Some(5), settings(Some(0), Some(10)), Some((1, 5))),
            (GroupSelection::All, 1, Some(5), settings(Some(2), Some(4)), Some((2, 4))),
            (GroupSelection::All, 1, Some(5), settings(None, Some(3)), Some((1, 3))),
            (GroupSelection::All, 0, None, settings(None, Some(3)), Some((0, 3))),
            (GroupSelection::All, 0, None, settings(Some(1), None), None),
            (explicit(&["2:4:g"]), 0, Some(9), settings(Some(3), Some(9)), Some((3, 4))),
        ] {
            let bounds = selection.bounds(&group("g", "worker", min, max), &settings, 0).unwrap();
            assert_eq!(bounds, expected.map(|(min, max)| Bounds { min, max }));
        }
        let error =
            GroupSelection::All.bounds(&group("g", "worker", 0, Some(2)), &settings(Some(3), None), 0);
        assert_eq!(
            error.unwrap_err().to_string(),
            "the settings file's bounds of g (3 to any) and Magnum's own bounds of the group (0 to 2) have no size in \
             common"
        );
    }

    #[test]
    fn masters_are_never_scaled() {
        let roles = GroupSelection::Roles(BTreeSet::from(["gpu".to_owned()]));
        for (selection, name, role, included) in [
            (GroupSelection::All, "default-worker", "worker", true),
            (GroupSelection::All, "default-master", "master", false),
            (explicit(&["1:3:default-master"]), "default-master", "master", false),
            (explicit(&["1:3:a"]), "a", "worker", true),
            (explicit(&["1:3:a"]), "b", "worker", false),
            (roles.clone(), "a", "gpu", true),
            (roles, "a", "worker", false),
        ] {
            assert_eq!(selection.may_include(&group(name, role, 0, None)), included, "{selection:?} {name}");
        }
        let groups = [group("a", "worker", 0, None), group("m", "master", 0, None)];
        let missing = explicit(&["1:3:a", "1:3:m", "1:3:z"]).missing(&groups);
        assert_eq!(missing, BTreeSet::from(["m".to_owned(), "z".to_owned()]));
    }
}
