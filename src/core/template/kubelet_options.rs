//! The Magnum label `kubelet_options`: what its drivers append to the kubelet's command line
//! (magnum 22.0.0 `fragments/configure-kubernetes-minion.sh`). It shapes the nodes, so it shapes the template.

use std::collections::BTreeMap;

use super::{
    labels::{Taint, check_key, check_value},
    resources::{Amounts, Reservation, Threshold},
};
use crate::core::quantity::Quantity;

/// What the options say of a node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct KubeletOptions {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) taints: Vec<Taint>,
    pub(super) max_pods: Option<u64>,
    pub(super) reservation: Reservation,
}

impl KubeletOptions {
    /// Reads a command line. Options that say nothing of a node, and what makes no sense, are left out: the kubelet would not
    /// start with it, which is not for a template to tell.
    pub(super) fn parse(line: &str) -> Self {
        let mut options = Self::default();
        let mut words = line.split_whitespace().map(|word| word.trim_matches(['"', '\''])).peekable();
        while let Some(word) = words.next() {
            let Some(option) = word.strip_prefix("--") else { continue };
            match option.split_once('=') {
                Some((name, value)) => options.set(name, value.trim_matches(['"', '\''])),
                None => {
                    if let Some(value) = words.next_if(|next| !next.starts_with('-')) {
                        options.set(option, value);
                    }
                }
            }
        }
        options
    }

    fn set(&mut self, name: &str, value: &str) {
        match name {
            "node-labels" => {
                let labels = value.split(',').filter_map(|label| label.split_once('='));
                let good = labels.filter(|(key, value)| check_key(key).is_ok() && check_value(value).is_ok());
                self.labels.extend(good.map(|(key, value)| (key.to_owned(), value.to_owned())));
            }
            "register-with-taints" => {
                self.taints.extend(value.split(',').filter_map(|taint| taint.parse().ok()));
            }
            "max-pods" => self.max_pods = value.parse().ok().or(self.max_pods),
            "kube-reserved" => self.reservation.kube = amounts(value),
            "system-reserved" => self.reservation.system = amounts(value),
            "eviction-hard" => {
                for (signal, threshold) in value.split(',').filter_map(|part| part.split_once('<')) {
                    let threshold = parse_threshold(threshold);
                    match signal.trim() {
                        "memory.available" => self.reservation.eviction_memory = threshold,
                        "nodefs.available" => self.reservation.eviction_nodefs = threshold,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
}

/// `cpu=100m,memory=1Gi`.
fn amounts(text: &str) -> Amounts {
    let mut amounts = Amounts::default();
    for (resource, amount) in text.split(',').filter_map(|part| part.split_once('=')) {
        let Ok(amount) = amount.parse::<Quantity>() else { continue };
        match resource.trim() {
            "cpu" => amounts.cpu_millis = Some(amount.thousandths()),
            "memory" => amounts.memory = Some(amount.units()),
            "ephemeral-storage" => amounts.ephemeral_storage = Some(amount.units()),
            _ => {}
        }
    }
    amounts
}

/// A threshold of `--eviction-hard`: `100Mi` or `10%`.
#[must_use]
pub fn parse_threshold(text: &str) -> Option<Threshold> {
    match text.trim().strip_suffix('%') {
        // A thousandth of a percent is finer than anybody writes; hundredths are kept.
        Some(percent) => {
            let thousandths = percent.parse::<Quantity>().ok()?.thousandths();
            (thousandths <= 100_000).then_some(Threshold::BasisPoints(thousandths / 10))
        }
        None => text.parse::<Quantity>().ok().map(|bytes| Threshold::Bytes(bytes.units())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::quantity::{GIB, MIB};

    #[test]
    fn what_shapes_a_node_is_read_and_the_rest_is_passed_over() {
        let options = KubeletOptions::parse(
            "--v=2 --node-labels=disk=ssd,zone.example.com/rack=r1 --max-pods 250 --fail-swap-on \
             --register-with-taints=\"dedicated=batch:NoSchedule\" --kube-reserved=cpu=100m,memory=1Gi,pid=100 \
             '--system-reserved=cpu=1,ephemeral-storage=2Gi' --eviction-hard=memory.available<5%,nodefs.available<1Gi,x<1",
        );
        assert_eq!(options.labels.len(), 2);
        assert_eq!(options.labels["zone.example.com/rack"], "r1");
        assert_eq!(options.taints, ["dedicated=batch:NoSchedule".parse().unwrap()]);
        assert_eq!(options.max_pods, Some(250));
        let reservation = options.reservation;
        assert_eq!((reservation.kube.cpu_millis, reservation.kube.memory), (Some(100), Some(GIB)));
        assert_eq!(
            (reservation.system.cpu_millis, reservation.system.ephemeral_storage),
            (Some(1000), Some(2 * GIB))
        );
        assert_eq!(reservation.eviction_memory, Some(Threshold::BasisPoints(500)));
        assert_eq!(reservation.eviction_nodefs, Some(Threshold::Bytes(GIB)));
    }

    #[test]
    fn what_makes_no_sense_is_left_out() {
        for line in [
            "",
            "--",
            "--node-labels",
            "--node-labels=nothing",
            "--node-labels=a b=c",
            "--max-pods=-1",
            "--max-pods=many",
            "--register-with-taints=x:Never",
            "--kube-reserved=cpu=lots,gpu=1",
            "--eviction-hard=memory.available<-1",
            "max-pods=3",
        ] {
            assert_eq!(KubeletOptions::parse(line), KubeletOptions::default(), "{line}");
        }
    }

    #[test]
    fn thresholds_are_bytes_or_a_share() {
        assert_eq!(parse_threshold("100Mi"), Some(Threshold::Bytes(100 * MIB)));
        assert_eq!(parse_threshold("7.5%"), Some(Threshold::BasisPoints(750)));
        assert_eq!(parse_threshold("101%"), None);
        assert_eq!(parse_threshold("%"), None);
    }
}
