//! A group's options laid over the defaults that cluster-autoscaler sent.

use std::time::Duration;

use super::externalgrpc::{KubernetesDuration, NodeGroupAutoscalingOptions};
use crate::core::settings::AutoscalingOptions;

/// The defaults with what is set for the group in place of them; none where nothing is set or nothing was sent.
///
/// An answer without options means «the defaults» to each version; one with options replaces all of them, so that whatever
/// was sent goes back. Durations have one set of fields up to 1.34 and another from there on: what the caller filled is
/// what it reads.
pub(super) fn overlay(
    defaults: Option<NodeGroupAutoscalingOptions>,
    options: &AutoscalingOptions,
) -> Option<NodeGroupAutoscalingOptions> {
    let mut answer = defaults.filter(|_| !options.is_empty())?;
    let old = answer.scale_down_unneeded_time.is_some()
        || answer.scale_down_unready_time.is_some()
        || answer.max_node_provision_time.is_some();
    let new = answer.scale_down_unneeded_duration.is_some()
        || answer.scale_down_unready_duration.is_some()
        || answer.max_node_provision_duration.is_some();
    for (set, old_field, new_field) in [
        (
            options.scale_down_unneeded_time,
            &mut answer.scale_down_unneeded_time,
            &mut answer.scale_down_unneeded_duration,
        ),
        (
            options.scale_down_unready_time,
            &mut answer.scale_down_unready_time,
            &mut answer.scale_down_unready_duration,
        ),
        (
            options.max_node_provision_time,
            &mut answer.max_node_provision_time,
            &mut answer.max_node_provision_duration,
        ),
    ] {
        let Some(set) = set else { continue };
        if old {
            *old_field = Some(kubernetes_duration(set));
        }
        if new {
            *new_field = prost_types::Duration::try_from(set).ok();
        }
    }
    overwrite(&mut answer.scale_down_utilization_threshold, options.scale_down_utilization_threshold);
    overwrite(&mut answer.scale_down_gpu_utilization_threshold, options.scale_down_gpu_utilization_threshold);
    overwrite(&mut answer.zero_or_max_node_scaling, options.zero_or_max_node_scaling);
    overwrite(&mut answer.ignore_daemon_sets_utilization, options.ignore_daemonsets_utilization);
    Some(answer)
}

fn overwrite<T>(field: &mut T, set: Option<T>) {
    if let Some(set) = set {
        *field = set;
    }
}

fn kubernetes_duration(duration: Duration) -> KubernetesDuration {
    KubernetesDuration { duration: i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn old(seconds: i64) -> Option<KubernetesDuration> {
        Some(KubernetesDuration { duration: seconds * SECOND })
    }

    fn new(seconds: i64) -> Option<prost_types::Duration> {
        Some(prost_types::Duration { seconds, nanos: 0 })
    }

    fn sent() -> NodeGroupAutoscalingOptions {
        NodeGroupAutoscalingOptions {
            scale_down_utilization_threshold: 0.5,
            scale_down_gpu_utilization_threshold: 0.6,
            ignore_daemon_sets_utilization: true,
            ..NodeGroupAutoscalingOptions::default()
        }
    }

    fn set() -> AutoscalingOptions {
        AutoscalingOptions {
            scale_down_utilization_threshold: Some(0.7),
            scale_down_unneeded_time: Some(Duration::from_secs(300)),
            ..AutoscalingOptions::default()
        }
    }

    #[test]
    fn without_settings_or_without_defaults_there_is_nothing_to_answer() {
        assert_eq!(overlay(Some(sent()), &AutoscalingOptions::default()), None);
        assert_eq!(overlay(None, &set()), None);
    }

    #[test]
    fn what_was_sent_comes_back_in_the_fields_it_was_sent_in() {
        let new = |options: NodeGroupAutoscalingOptions, seconds| NodeGroupAutoscalingOptions {
            scale_down_unneeded_duration: new(seconds),
            scale_down_unready_duration: new(1200),
            max_node_provision_duration: new(900),
            ..options
        };
        let old = |options: NodeGroupAutoscalingOptions, seconds| NodeGroupAutoscalingOptions {
            scale_down_unneeded_time: old(seconds),
            scale_down_unready_time: old(1200),
            max_node_provision_time: old(900),
            ..options
        };
        let set_for_the_group =
            || NodeGroupAutoscalingOptions { scale_down_utilization_threshold: 0.7, ..sent() };
        for (sent, expected) in [
            (old(sent(), 600), old(set_for_the_group(), 300)),
            (new(sent(), 600), new(set_for_the_group(), 300)),
            (new(old(sent(), 600), 600), new(old(set_for_the_group(), 300), 300)),
        ] {
            assert_eq!(overlay(Some(sent), &set()), Some(expected));
        }
    }

    #[test]
    fn every_option_has_its_field() {
        let sent = NodeGroupAutoscalingOptions { scale_down_unneeded_duration: new(600), ..sent() };
        let options = AutoscalingOptions {
            scale_down_utilization_threshold: Some(0.1),
            scale_down_gpu_utilization_threshold: Some(0.2),
            scale_down_unneeded_time: Some(Duration::from_secs(1)),
            scale_down_unready_time: Some(Duration::from_secs(2)),
            max_node_provision_time: Some(Duration::from_millis(3500)),
            zero_or_max_node_scaling: Some(true),
            ignore_daemonsets_utilization: Some(false),
        };
        let expected = NodeGroupAutoscalingOptions {
            scale_down_utilization_threshold: 0.1,
            scale_down_gpu_utilization_threshold: 0.2,
            zero_or_max_node_scaling: true,
            scale_down_unneeded_duration: new(1),
            scale_down_unready_duration: new(2),
            max_node_provision_duration: Some(prost_types::Duration { seconds: 3, nanos: 500_000_000 }),
            ..NodeGroupAutoscalingOptions::default()
        };
        assert_eq!(overlay(Some(sent), &options), Some(expected));
    }
}
