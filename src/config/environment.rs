//! The `OS_*` environment variables, as the openstack client and gophercloud read them
//! (gophercloud/utils `clientconfig/requests.go`).

use super::{
    Environment,
    settings::{NAMES, Settings, Spelling},
};

/// Older and other names of the variables.
const ALIASES: &[(&str, &str)] = &[
    ("OS_TENANT_ID", "project_id"),
    ("OS_TENANT_NAME", "project_name"),
    ("OS_USERID", "user_id"),
    ("OS_ENDPOINT_TYPE", "interface"),
    ("OS_AUTH_TOKEN", "token"),
];

/// Whether the variables describe a cloud.
#[must_use]
pub fn names_a_cloud(environment: &Environment) -> bool {
    environment.get("OS_AUTH_URL").is_some_and(|url| !url.is_empty())
}

/// Reads the variables. The proper name of a setting goes before its aliases.
#[must_use]
pub fn read(environment: &Environment) -> Settings {
    let mut settings = Settings::new("environment".to_owned(), Spelling::Environment);
    for (variable, name) in ALIASES {
        if let Some(value) = environment.get(*variable) {
            settings.set(name, value);
        }
    }
    for name in NAMES {
        if let Some(value) =
            environment.get(&Spelling::Environment.of(name)).filter(|value| !value.is_empty())
        {
            settings.set(name, value);
        }
    }
    settings
}
