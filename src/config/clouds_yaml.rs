//! `clouds.yaml` with `secure.yaml` and `clouds-public.yaml`, after openstacksdk `config/loader.py`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use url::Url;

use super::{
    ConfigError, ConfigProblem, Environment,
    cloud_entry::Entry,
    environment::variable,
    files,
    names::KeyStyle,
    settings::Settings,
    yaml::{self, Node, Value},
};

/// What is asked of a clouds.yaml.
#[derive(Debug, Clone, Copy, Default)]
pub struct Choice<'a> {
    /// The cloud; the only one where none is named.
    pub cloud: Option<&'a str>,
    /// The region, if another source says it that goes before this one.
    pub region: Option<&'a str>,
}

/// The files, each with its name and text.
#[derive(Default)]
pub struct Files {
    /// clouds.yaml.
    pub clouds: Option<(PathBuf, String)>,
    /// secure.yaml, which goes before it.
    pub secure: Option<(PathBuf, String)>,
    /// clouds-public.yaml, which has the profiles.
    pub public: Option<(PathBuf, String)>,
}

/// The texts hold passwords.
impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Files").finish_non_exhaustive()
    }
}

/// Reads one cloud: the one named, or the only one. `file` goes before the search.
///
/// # Errors
/// [`ConfigError`] when no file or no such cloud is found, or a file breaks the rules of its format.
pub fn read(
    file: Option<&Path>,
    choice: Choice<'_>,
    environment: &Environment,
) -> Result<Settings, ConfigError> {
    parse(&find_files(file, environment)?, choice, environment)
}

/// Whether there is a cloud of this name in the files that would be read.
pub(super) fn has_cloud(name: &str, environment: &Environment) -> bool {
    find_files(None, environment)
        .and_then(|files| Ok(clouds_of(&files)?.contains_key(name)))
        .unwrap_or_default()
}

fn find_files(file: Option<&Path>, environment: &Environment) -> Result<Files, ConfigError> {
    let with_text = |file: PathBuf| files::read(&file).map(|text| (file, text));
    let find = |stem, variable| find(stem, variable, environment).map(with_text).transpose();
    let files = Files {
        clouds: match file {
            Some(file) => Some(with_text(file.to_owned())?),
            None => find("clouds", "OS_CLIENT_CONFIG_FILE")?,
        },
        secure: find("secure", "OS_CLIENT_SECURE_FILE")?,
        public: find("clouds-public", "OS_CLIENT_VENDOR_FILE")?,
    };
    if files.clouds.is_none() && files.secure.is_none() {
        let searched =
            directories(environment).iter().map(|dir| dir.display().to_string()).collect::<Vec<_>>();
        return Err(ConfigProblem::NoCloud { searched: searched.join(", ") }.into());
    }
    Ok(files)
}

/// Reads one cloud of the files' texts.
///
/// # Errors
/// As [`read`].
pub fn parse(files: &Files, choice: Choice<'_>, environment: &Environment) -> Result<Settings, ConfigError> {
    let mut clouds = clouds_of(files)?;
    let Some((file, _)) = files.clouds.as_ref().or(files.secure.as_ref()) else {
        return Err(ConfigProblem::NoCloud { searched: String::new() }.into());
    };
    let name = choose(file, choice.cloud, &clouds, environment)?;
    let mut settings = Settings::new(format!("{}, cloud {name:?}", file.display()), KeyStyle::CloudsYaml);
    let layers = clouds.remove(&name).unwrap_or_default();
    fill(&mut settings, layers, files, choice, environment)
        .map_err(|problem| ConfigError { problem, warnings: settings.warnings.clone() })?;
    Ok(settings)
}

fn fill(
    settings: &mut Settings,
    layers: Vec<Node>,
    files: &Files,
    choice: Choice<'_>,
    environment: &Environment,
) -> Result<(), ConfigProblem> {
    let mut entry = Entry::default();
    // The last one is the one that goes before the others.
    for layer in layers.into_iter().rev() {
        entry = entry.with_defaults(Entry::of(layer, settings)?);
    }
    if let Some(profile) = entry.profile()? {
        match profile_of(&profile.text, files)? {
            Some(base) => entry = entry.with_defaults(Entry::of(base, settings)?),
            None => settings.warn(&profile.place, Some("profile"), unknown_profile(&profile.text)),
        }
    }
    entry.fill(settings, choice.region, environment)
}

/// The clouds by name, each with what clouds.yaml and then secure.yaml says of it.
fn clouds_of(files: &Files) -> Result<BTreeMap<String, Vec<Node>>, ConfigProblem> {
    let mut clouds: BTreeMap<String, Vec<Node>> = BTreeMap::new();
    for (file, text) in [&files.clouds, &files.secure].into_iter().flatten() {
        for (name, node) in section(text, file, "clouds")? {
            clouds.entry(name).or_default().push(node);
        }
    }
    Ok(clouds)
}

/// The entries of a document's section; none where the document or the section is empty.
fn section(text: &str, file: &Path, key: &str) -> Result<Vec<(String, Node)>, ConfigProblem> {
    let document = yaml::parse(text, file)?;
    let node = match document.value {
        Value::Null => return Ok(Vec::new()),
        Value::Map(entries) => entries.into_iter().rev().find(|(name, _)| name == key).map(|(_, node)| node),
        Value::Text(_) | Value::List(_) => {
            return Err(yaml::not_a_map(text, file, key));
        }
    };
    match node.map(|node| (node.value, node.place)) {
        None | Some((Value::Null, _)) => Ok(Vec::new()),
        Some((Value::Map(clouds), _)) => Ok(clouds),
        Some((Value::Text(_) | Value::List(_), place)) => Err(ConfigProblem::Setting {
            origin: place.to_string(),
            reason: format!(
                "{key} must have the name of each cloud as a key, with its settings indented below"
            ),
        }),
    }
}

fn choose(
    file: &Path,
    name: Option<&str>,
    clouds: &BTreeMap<String, Vec<Node>>,
    environment: &Environment,
) -> Result<String, ConfigProblem> {
    let names = clouds.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let refuse = |reason| Err(ConfigProblem::Choice { file: file.to_owned(), reason });
    match (name, clouds.keys().next()) {
        (_, None) => refuse("there is no cloud in it (nothing under `clouds:`)".to_owned()),
        (Some(name), _) if clouds.contains_key(name) => Ok(name.to_owned()),
        (Some(name), _) => refuse(format!("there is no cloud {name:?} in it; there is: {names}")),
        (None, Some(only)) if clouds.len() == 1 => Ok(only.clone()),
        (None, _) => {
            let hint = match variable(environment, "OS_CLOUD_NAME") {
                Some(_) => {
                    " (OS_CLOUD_NAME only names the cloud that OS_AUTH_URL and the other OS_* variables describe)"
                }
                None => "",
            };
            refuse(format!("choose one of its clouds with --os-cloud or OS_CLOUD: {names}{hint}"))
        }
    }
}

fn profile_of(profile: &str, files: &Files) -> Result<Option<Node>, ConfigProblem> {
    let Some((file, text)) = &files.public else { return Ok(None) };
    let profiles = section(text, file, "public-clouds")?;
    Ok(profiles.into_iter().find(|(name, _)| name == profile).map(|(_, node)| node))
}

/// openstacksdk has the profiles of some vendors within, and fetches those that are a URL.
fn unknown_profile(profile: &str) -> String {
    let name = match Url::parse(profile) {
        Ok(url) if url.has_host() => {
            format!("the profile at {} is not fetched", url.host_str().unwrap_or_default())
        }
        _ => format!(
            "profile {:?} is not in any clouds-public.yaml",
            profile.chars().take(64).collect::<String>()
        ),
    };
    format!(
        "{name}, and no vendor's settings are built in; write the vendor's auth_url under auth, and its region_name, \
         into the cloud's entry"
    )
}

fn directories(environment: &Environment) -> Vec<PathBuf> {
    let set = |name: &str| variable(environment, name).map(PathBuf::from);
    let user = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")));
    let mut directories = vec![PathBuf::from(".")];
    directories.extend(user.map(|user| user.join("openstack")));
    directories.push("/etc/xdg/openstack".into());
    directories.push("/etc/openstack".into());
    directories
}

fn find(stem: &str, name: &str, environment: &Environment) -> Option<PathBuf> {
    if let Some(file) = variable(environment, name) {
        return Some(file.into());
    }
    directories(environment)
        .iter()
        .flat_map(|directory| {
            ["yaml", "yml", "json"].map(|ending| directory.join(format!("{stem}.{ending}")))
        })
        .find(|file| file.is_file())
}
