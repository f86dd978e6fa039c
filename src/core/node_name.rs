//! Which server a node is by its name: where nodes get no provider ID, they are named as their servers are.

/// The server that a node's name stands for, of those that `server_named` knows by their name.
///
/// Where DHCP gives out a domain, nodes are named with it: `<server>.novalocal`. Servers' names may have dots themselves; a
/// node's name that fits two servers in that way stands for neither.
pub fn server_of<T>(node: &str, server_named: impl Fn(&str) -> Option<T>) -> Option<T> {
    if let Some(server) = server_named(node) {
        return Some(server);
    }
    let mut servers = node.match_indices('.').filter_map(|(dot, _)| server_named(node.get(..dot)?));
    let found = servers.next()?;
    servers.next().is_none().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_name_may_end_with_the_domain_of_its_network() {
        let servers = ["k8s-abc-node-12", "my.k8s-abc-node-3", "k8s-node-1", "k8s-node-1.a-node-2"];
        for (node, server) in [
            ("k8s-abc-node-12", Some("k8s-abc-node-12")),
            ("k8s-abc-node-12.novalocal", Some("k8s-abc-node-12")),
            ("k8s-abc-node-12.openstack.example.org", Some("k8s-abc-node-12")),
            ("my.k8s-abc-node-3", Some("my.k8s-abc-node-3")),
            ("my.k8s-abc-node-3.novalocal", Some("my.k8s-abc-node-3")),
            ("k8s-node-1.a-node-2", Some("k8s-node-1.a-node-2")),
            ("k8s-node-1.a-node-2.novalocal", None),
            ("k8s-abc-node-1.novalocal", None),
            ("k8s-abc-node-12x.novalocal", None),
            ("k8s-abc-master-0.novalocal", None),
            (".novalocal", None),
            ("", None),
        ] {
            let known = |name: &str| servers.iter().copied().find(|server| *server == name);
            assert_eq!(server_of(node, known), server, "{node}");
        }
    }
}
