//! Keys of a clouds.yaml that are no settings here: those that other clients have, and those that nobody has.

use super::{
    names::{KeyStyle, NAMES, is_plausible, nearest, unknown},
    settings::Settings,
    yaml::Node,
};

/// Keys of a cloud that other clients have and that say nothing here.
const IGNORED_KEYS: &[&str] = &[
    "api_timeout",
    "app_name",
    "app_version",
    "auth_methods",
    "cache",
    "client",
    "collect_timing",
    "concurrency",
    "connect_retries",
    "connect_retry_delay",
    "description",
    "disable_vendor_agent",
    "external_network",
    "floating_ip_source",
    "force_ipv4",
    "image_api_use_tasks",
    "image_format",
    "image_upload_use_import",
    "internal_network",
    "locked",
    "message",
    "metrics",
    "nat_destination",
    "nat_source",
    "networks",
    "ordering",
    "private",
    "rate_limits",
    "requires_floating_ip",
    "retriable_status_codes",
    "secgroup_source",
    "service_name",
    "split_loggers",
    "status",
    "status_code_retries",
    "status_code_retry_delay",
    "timeout",
    "use_direct_get",
    "use_external_network",
    "use_internal_network",
    "vendor_hook",
];
/// Ends of keys that are about one service, or about the APIs' versions.
const IGNORED_SUFFIXES: &[&str] = &[
    "_api_version",
    "_connect_retries",
    "_connect_retry_delay",
    "_default_microversion",
    "_endpoint",
    "_endpoint_override",
    "_endpoint_type",
    "_interface",
    "_max_version",
    "_min_version",
    "_rate_limit",
    "_region_name",
    "_retriable_status_codes",
    "_service_name",
    "_service_type",
    "_status_code_retries",
    "_status_code_retry_delay",
];
/// Ends of keys that would change where one of our services is found.
const UNSUPPORTED_ENDS: &[&str] =
    &["_interface", "_endpoint_type", "_region_name", "_service_type", "_service_name"];
/// Beginnings of the keys of our services.
const OUR_SERVICES: &[&str] = &["identity", "container_infra", "orchestration", "compute"];

/// Says that a key is passed over, unless it is one that says nothing here.
pub(super) fn warn_of_unknown(settings: &mut Settings, key: &str, spelled: &str, node: &Node, in_auth: bool) {
    let is_ours = |key: &str| OUR_SERVICES.iter().any(|service| key.starts_with(service));
    if !in_auth && is_ours(key) && UNSUPPORTED_ENDS.iter().any(|end| key.ends_with(end)) {
        let text = "is not supported; use region_name and interface, or SERVICE_endpoint_override";
        settings.warn(&node.place, Some(spelled), text);
        return;
    }
    let is_ignored = IGNORED_KEYS.contains(&key) || IGNORED_SUFFIXES.iter().any(|end| key.ends_with(end));
    if is_ignored && !in_auth {
        return;
    }
    let section = if in_auth { " in auth" } else { "" };
    let what = if is_plausible(key) {
        format!("unknown key {key:?}{section}")
    } else {
        format!("an unknown key{section}")
    };
    let known = NAMES.iter().map(|name| KeyStyle::CloudsYaml.of(name)).chain(
        ["insecure", "endpoint_type", "regions", "profile", "auth"]
            .map(str::to_owned)
            .into_iter()
            .filter(|_| !in_auth),
    );
    settings.warn(&node.place, None, unknown(&what, nearest(key, known)));
}
