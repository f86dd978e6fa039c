//! Where the cloud is, who logs in, which node groups are meant, and what is set for single ones ([`settings_file`]).
//!
//! [`load`] finds the cloud the way the command line promises: `--cloud-config FILE` (the `[Global]` file of
//! cluster-autoscaler's Magnum provider and of the OpenStack cloud provider), else `--os-cloud` or `OS_CLOUD`
//! (`clouds.yaml`), else the `OS_*` variables, else the only cloud of `clouds.yaml`. The variables fill what a file
//! leaves out. Whatever the source, the settings become one [`cloud::CloudConfig`] by the same rules (`resolve`).

use std::path::PathBuf;

use settings::Settings;

mod auth_url;
pub mod cloud;
pub mod cloud_conf;
mod cloud_entry;
pub mod clouds_yaml;
pub mod environment;
pub mod error;
mod files;
pub mod gcfg;
mod likeness;
mod login;
mod names;
pub mod node_groups;
mod precedence;
mod resolve;
pub mod settings;
pub mod settings_file;
mod unknown_keys;
pub mod warning;
mod yaml;

pub use cloud::{CloudConfig, Credentials};
pub use environment::Environment;
pub use error::{ConfigError, ConfigProblem};
pub use warning::{ConfigWarning, Place};

/// What the command line says about the cloud.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CloudChoice {
    /// `--cloud-config`.
    pub cloud_config: Option<PathBuf>,
    /// `--os-cloud`; `OS_CLOUD` is read from the environment.
    pub os_cloud: Option<String>,
}

/// A configuration with where it came from.
#[derive(Debug)]
pub struct Loaded {
    pub config: CloudConfig,
    /// Its source, for a message: `/etc/kubernetes/cloud-config [Global]`.
    pub origin: String,
    /// What was passed over or may be meant otherwise.
    pub warnings: Vec<ConfigWarning>,
}

/// Finds and reads the configuration of the cloud.
///
/// # Errors
/// [`ConfigError`] names the file or variable and what is missing.
pub fn load(choice: &CloudChoice, environment: &Environment) -> Result<Loaded, ConfigError> {
    let variables = environment::read(environment);
    let mut settings = if let Some(file) = &choice.cloud_config {
        cloud_conf::read(file, environment)?
    } else if let Some(name) = chosen_cloud(choice, environment)? {
        clouds_yaml::read(None, clouds_yaml::Choice { cloud: Some(name), region: None }, environment)?
    } else if environment::names_a_cloud(environment) {
        return finish(variables);
    } else {
        clouds_yaml::read(None, clouds_yaml::Choice::default(), environment)?
    };
    settings.merge_defaults(variables);
    finish(settings)
}

fn finish(mut settings: Settings) -> Result<Loaded, ConfigError> {
    settings.leave_out_blank_files();
    let (config, origin, warnings) = settings.resolve()?;
    Ok(Loaded { config, origin, warnings })
}

/// The cloud of clouds.yaml that is asked for. `envvars`, or `OS_CLOUD_NAME`, is the name that the other clients give to
/// the cloud that the variables describe (openstacksdk `config/loader.py`).
fn chosen_cloud<'a>(
    choice: &'a CloudChoice,
    environment: &'a Environment,
) -> Result<Option<&'a str>, ConfigError> {
    let given = choice.os_cloud.as_deref().or_else(|| environment.get("OS_CLOUD").map(String::as_str));
    let Some(name) = given.map(settings::without_line_ends).filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    if name == "envvars" {
        return Ok(None);
    }
    let of_variables = environment::variable(environment, "OS_CLOUD_NAME") == Some(name);
    if !of_variables || !environment::names_a_cloud(environment) {
        return Ok(Some(name));
    }
    if clouds_yaml::has_cloud(name, environment) {
        return Err(ConfigProblem::Setting {
            origin: "environment".to_owned(),
            reason: format!(
                "OS_CLOUD_NAME gives the cloud of the OS_* variables the name {name:?}, which a cloud of clouds.yaml has as \
                 well; unset OS_CLOUD_NAME to use that one, or OS_CLOUD to use the variables"
            ),
        }
        .into());
    }
    Ok(None)
}
