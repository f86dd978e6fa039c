//! Which members a `ResourceGroup` has, by its count and its removal policies
//! (Heat `engine/resources/openstack/heat/resource_group.py`; docs/openstack-behaviour.md#nodes_to_remove).

use std::collections::{BTreeMap, BTreeSet};

/// Adds to the skip list whatever `remove` names: a member's index, an index that is skipped already, or a string
/// that is exactly a value of `refs_map`. Everything else is ignored without a word.
pub(super) fn extend_skip_list(
    skip_list: &mut BTreeSet<u32>,
    references: &BTreeMap<u32, String>,
    remove: &[String],
) {
    for name in remove {
        let index = name.parse().ok().filter(|index: &u32| index.to_string() == *name);
        if let Some(index) = index
            && (references.contains_key(&index) || skip_list.contains(&index))
        {
            skip_list.insert(index);
            continue;
        }
        let referred = references.iter().filter(|(_, reference)| *reference == name);
        skip_list.extend(referred.map(|(index, _)| *index));
    }
}

/// The indices that a group of this size has: the lowest that are not skipped.
pub(super) fn wanted_indices(skip_list: &BTreeSet<u32>, count: u32) -> BTreeSet<u32> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    (0..).filter(|index| !skip_list.contains(index)).take(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &str = "ca5b234b-f9a6-42b0-a77d-197636b29d52";

    fn skip_list_after(skipped: &[u32], remove: &[&str]) -> Vec<u32> {
        let mut skip_list = skipped.iter().copied().collect();
        let references = BTreeMap::from([
            (3, SERVER.to_owned()),
            (4, "kube-minion".to_owned()),
            (5, "kube-minion".to_owned()),
            (6, "6".to_owned()),
        ]);
        let remove: Vec<_> = remove.iter().map(|name| (*name).to_owned()).collect();
        extend_skip_list(&mut skip_list, &references, &remove);
        skip_list.into_iter().collect()
    }

    #[test]
    fn only_an_index_or_an_exact_reference_is_matched() {
        assert_eq!(skip_list_after(&[0], &["3"]), [0, 3]);
        assert_eq!(skip_list_after(&[0], &[SERVER]), [0, 3]);
        assert_eq!(skip_list_after(&[0], &["kube-minion"]), [0, 4, 5]);
        assert_eq!(skip_list_after(&[0], &["0", "6"]), [0, 6]);
        for ignored in
            ["ca5b234bf9a642b0a77d197636b29d52", "7", "03", "+3", "", "10.0.1.71", "k8s-abc-node-3"]
        {
            assert_eq!(skip_list_after(&[0], &[ignored]), [0], "{ignored:?}");
        }
    }

    #[test]
    fn a_group_has_the_lowest_indices_that_are_not_skipped() {
        let skip_list = BTreeSet::from([0, 2, 5]);
        assert_eq!(wanted_indices(&skip_list, 4), BTreeSet::from([1, 3, 4, 6]));
        assert_eq!(wanted_indices(&skip_list, 0), BTreeSet::new());
    }
}
