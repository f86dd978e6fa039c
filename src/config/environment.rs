//! The `OS_*` environment variables, as the openstack client and gophercloud read them
//! (gophercloud/utils `clientconfig/requests.go`; openstacksdk `config/loader.py`).

use std::collections::BTreeMap;

use super::{
    names::{KeyStyle, NAMES, canonical, nearest, unknown},
    settings::{LINE_END, Settings, without_line_ends},
    warning::{ConfigWarning, Place},
};

/// The process's environment, or a test's.
pub type Environment = BTreeMap<String, String>;

/// Older and other names of the variables.
const ALIASES: &[(&str, &str)] = &[
    ("OS_TENANT_ID", "project_id"),
    ("OS_TENANT_NAME", "project_name"),
    ("OS_USERID", "user_id"),
    ("OS_ENDPOINT_TYPE", "interface"),
    ("OS_AUTH_TOKEN", "token"),
    ("OS_AUTH_PLUGIN", "auth_type"),
];

/// Variables that say where settings are, not what they are.
const SELECTORS: &[&str] =
    &["OS_CLOUD", "OS_CLOUD_NAME", "OS_CLIENT_CONFIG_FILE", "OS_CLIENT_SECURE_FILE", "OS_CLIENT_VENDOR_FILE"];

/// Ends and beginnings of variables of other services and clients.
const IGNORED_SUFFIXES: &[&str] = &[
    "_API_VERSION",
    "_ENDPOINT_OVERRIDE",
    "_ENDPOINT",
    "_INTERFACE",
    "_ENDPOINT_TYPE",
    "_SERVICE_TYPE",
    "_SERVICE_NAME",
    "_REGION_NAME",
];
const IGNORED_PREFIXES: &[&str] = &["OS_TEST", "OS_STD", "OS_LOG", "OS_DEBUG", "OS_CACHE"];

/// The variable's value without line ends at its end; none where it is empty.
pub(super) fn variable<'a>(environment: &'a Environment, name: &str) -> Option<&'a str> {
    environment.get(name).map(|value| without_line_ends(value)).filter(|value| !value.is_empty())
}

/// Whether the variables describe a cloud.
#[must_use]
pub fn names_a_cloud(environment: &Environment) -> bool {
    variable(environment, "OS_AUTH_URL").is_some()
}

/// Reads the variables. The proper name of a setting goes before its aliases.
#[must_use]
pub fn read(environment: &Environment) -> Settings {
    let mut settings = Settings::new("environment".to_owned(), KeyStyle::Environment);
    let place = Place::whole(settings.origin.clone());
    for variable in SELECTORS {
        if environment.get(*variable).is_some_and(|value| without_line_ends(value).len() < value.len()) {
            settings.warn(&place, Some(variable), LINE_END);
        }
    }
    let (mut proper, mut aliases) = (Vec::new(), Vec::new());
    for (variable, value) in environment.iter().filter(|(_, value)| !without_line_ends(value).is_empty()) {
        let Some(name) = variable.strip_prefix("OS_").map(str::to_ascii_lowercase) else { continue };
        let alias = ALIASES.iter().find(|(alias, _)| alias == variable).map(|(_, name)| *name);
        if NAMES.contains(&name.as_str()) {
            proper.push((name, variable, value));
        } else if let Some(name) =
            alias.or_else(|| Some(canonical(&name)).filter(|name| NAMES.contains(name)))
        {
            aliases.push((name.to_owned(), variable, value));
        } else if !is_ignored(variable) {
            settings.warnings.extend(misspelt(variable, &place));
        }
    }
    for (name, variable, value) in aliases.into_iter().chain(proper) {
        settings.set(&name, value, variable, &place);
    }
    settings
}

fn is_ignored(variable: &str) -> bool {
    SELECTORS.contains(&variable)
        || IGNORED_SUFFIXES.iter().any(|end| variable.ends_with(end))
        || IGNORED_PREFIXES.iter().any(|beginning| variable.starts_with(beginning))
}

/// Only what is near to a known name: other programs have variables of that beginning, too.
fn misspelt(variable: &str, place: &Place) -> Option<ConfigWarning> {
    let known = NAMES.iter().copied().chain(["cloud"]).map(str::to_owned);
    let suggestion = nearest(variable.strip_prefix("OS_")?, known)?;
    let suggestion = KeyStyle::Environment.of(&suggestion);
    let text = unknown("this unknown variable", Some(suggestion));
    Some(ConfigWarning { place: place.clone(), key: Some(variable.to_owned()), text })
}
