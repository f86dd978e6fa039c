//! How the Cluster API drivers name the servers of a group: `<cluster>-<group>-` and what Kubernetes appends for the
//! deployment, the set and the machine, five letters or digits each.

use crate::openstack::driver::DriverKind;

/// How long one such part is.
const PART: usize = 5;

/// The group that a server is of; none for a control-plane node or a foreign server. Where the name fits several groups it
/// is of the one with the longest name.
pub(super) fn group_of<'a>(
    kind: DriverKind,
    cluster: &str,
    groups: impl Iterator<Item = &'a str>,
    server: &str,
) -> Option<&'a str> {
    let of_cluster = server.strip_prefix(cluster)?.strip_prefix('-')?;
    let fits = |group: &&str| {
        let parts = of_cluster.strip_prefix(*group).and_then(|rest| rest.strip_prefix('-'));
        parts.is_some_and(|parts| is_generated(kind, parts))
    };
    groups.filter(fits).max_by_key(|group| group.len())
}

/// Whether it is what Kubernetes appends. magnum-cluster-api has a topology, which gives the deployment a part of its own;
/// with the charts of magnum-capi-helm that has none.
fn is_generated(kind: DriverKind, parts: &str) -> bool {
    let count = parts.split('-').count();
    let fits = match kind {
        DriverKind::CapiHelm => matches!(count, 2 | 3),
        DriverKind::ClusterApi | DriverKind::Heat => count == 3,
    };
    let is_part =
        |part: &str| part.len() == PART && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    fits && parts.split('-').all(is_part)
}

/// A regular expression for the names of all servers of a cluster, in the database's dialect.
pub(super) fn name_pattern(cluster: &str) -> String {
    format!("^{}-", cluster.replace('.', "\\."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_of_the_group_in_its_name() {
        let groups = ["default-worker", "a", "a-bcdfg"];
        let group_of = |kind, server| group_of(kind, "kube-x7k2p", groups.iter().copied(), server);
        for (server, group) in [
            ("kube-x7k2p-default-worker-8xz4c-l2kq7-9vw2d", Some("default-worker")),
            ("kube-x7k2p-a-8xz4c-l2kq7-9vw2d", Some("a")),
            ("kube-x7k2p-a-bcdfg-8xz4c-l2kq7-9vw2d", Some("a-bcdfg")),
            // One of group «a» whose deployment happens to be called so.
            ("kube-x7k2p-a-bcdfg-8xz4c-l2kq7", Some("a")),
            ("kube-x7k2p-8xz4c-l2kq7", None),
            ("kube-x7k2p-control-plane-8xz4c", None),
            ("kube-x7k2q-a-8xz4c-l2kq7-9vw2d", None),
            ("kube-x7k2p-a-8xz4c-l2kq7-9vw2", None),
            ("kube-x7k2p-a", None),
        ] {
            assert_eq!(group_of(DriverKind::ClusterApi, server), group, "{server}");
        }
        assert_eq!(group_of(DriverKind::CapiHelm, "kube-x7k2p-a-l2kq7-9vw2d"), Some("a"));
        assert_eq!(group_of(DriverKind::CapiHelm, "kube-x7k2p-a-bcdfg-l2kq7-9vw2d"), Some("a-bcdfg"));
        assert_eq!(name_pattern("k8s.1-ab"), "^k8s\\.1-ab-");
    }
}
