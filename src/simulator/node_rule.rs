//! What becomes of a new server's node, by the server's name.

use std::time::Duration;

/// What a node does once its server is ACTIVE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeRule {
    /// Reports success after this time.
    Boot(Duration),
    /// Never reports; drop the rule and it boots.
    Hang,
    /// Reports failure after the usual boot time, with these words behind `Deployment to server failed: `.
    Fail(String),
}

impl NodeRule {
    /// A failure in the words of a real one (docs/openstack-behaviour.md#failures).
    #[must_use]
    pub fn fail() -> Self {
        Self::Fail("deploy_status_code: Deployment exited with non-zero status code: 1".to_owned())
    }
}

/// Whether a name matches a glob with `*` (anything, also nothing) and `?` (one character).
pub(super) fn glob_matches(glob: &str, name: &str) -> bool {
    let mut glob_rest = glob.chars();
    match glob_rest.next() {
        None => name.is_empty(),
        Some('*') => {
            let glob_rest = glob_rest.as_str();
            let mut ends = name.char_indices().map(|(start, _)| start).chain([name.len()]);
            ends.any(|start| name.get(start..).is_some_and(|rest| glob_matches(glob_rest, rest)))
        }
        Some(wanted) => {
            let mut name_rest = name.chars();
            name_rest.next().is_some_and(|found| wanted == '?' || wanted == found)
                && glob_matches(glob_rest.as_str(), name_rest.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::glob_matches;

    #[test]
    fn globs_match_whole_names() {
        for (glob, name) in
            [("*", ""), ("*-node-3", "k8s-abc-node-3"), ("*pool-b*-node-?", "k8s-pool-b-x-node-7")]
        {
            assert!(glob_matches(glob, name), "{glob} {name}");
        }
        for (glob, name) in [("*-node-3", "k8s-abc-node-33"), ("k8s", "k8s-abc"), ("?", ""), ("", "k")] {
            assert!(!glob_matches(glob, name), "{glob} {name}");
        }
    }
}
