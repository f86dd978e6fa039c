//! `clouds.yaml` with `secure.yaml` and `clouds-public.yaml`, after openstacksdk `config/loader.py`.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};

use super::{
    ConfigError, Environment, read_file,
    settings::{NAMES, Settings, Spelling, parse_boolean},
};

/// Reads one cloud: the one named, or the only one. `file` goes before the search.
///
/// # Errors
/// [`ConfigError`] when no file or no such cloud is found, or a file breaks the rules of its format.
pub fn read(
    file: Option<&Path>,
    name: Option<&str>,
    environment: &Environment,
) -> Result<Settings, ConfigError> {
    let file = match file {
        Some(file) => file.to_owned(),
        None => find("clouds", "OS_CLIENT_CONFIG_FILE", environment).ok_or_else(|| ConfigError::NoCloud {
            searched: directories(environment)
                .iter()
                .map(|dir| dir.display().to_string())
                .collect::<Vec<_>>()
                .join(", "),
        })?,
    };
    let mut clouds = parse::<Clouds>(&file)?.clouds;
    let name = choose(&file, name, &clouds)?;
    let mut entry = clouds.remove(&name).flatten().unwrap_or_default();
    if let Some(secure) = find("secure", "OS_CLIENT_SECURE_FILE", environment)
        && let Some(over) = parse::<Clouds>(&secure)?.clouds.remove(&name).flatten()
    {
        entry = over.over(entry);
    }
    let origin = format!("{}, cloud {name:?}", file.display());
    let mut settings = Settings::new(origin, Spelling::CloudsYaml);
    if let Some(profile) = entry.profile.clone() {
        match find_profile(&profile, environment)? {
            Some(base) => entry = entry.over(base),
            None => settings
                .warnings
                .push(format!("profile {profile:?} is not in any clouds-public.yaml; it is ignored")),
        }
    }
    entry.fill(&mut settings, environment);
    Ok(settings)
}

fn choose(
    file: &Path,
    name: Option<&str>,
    clouds: &BTreeMap<String, Option<Cloud>>,
) -> Result<String, ConfigError> {
    let names = clouds.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let refuse = |reason| Err(ConfigError::Choice { file: file.to_owned(), reason });
    match (name, clouds.keys().next()) {
        (_, None) => refuse("there is no cloud in it (nothing under `clouds:`)".to_owned()),
        (Some(name), _) if clouds.contains_key(name) => Ok(name.to_owned()),
        (Some(name), _) => refuse(format!("there is no cloud {name:?} in it; there is: {names}")),
        (None, Some(only)) if clouds.len() == 1 => Ok(only.clone()),
        (None, _) => refuse(format!("choose one of its clouds with --os-cloud or OS_CLOUD: {names}")),
    }
}

fn find_profile(profile: &str, environment: &Environment) -> Result<Option<Cloud>, ConfigError> {
    let Some(file) = find("clouds-public", "OS_CLIENT_VENDOR_FILE", environment) else { return Ok(None) };
    Ok(parse::<PublicClouds>(&file)?.public_clouds.remove(profile).flatten())
}

fn directories(environment: &Environment) -> Vec<PathBuf> {
    let set = |name: &str| environment.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let user = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")));
    let mut directories = vec![PathBuf::from(".")];
    directories.extend(user.map(|user| user.join("openstack")));
    directories.push("/etc/xdg/openstack".into());
    directories.push("/etc/openstack".into());
    directories
}

fn find(stem: &str, variable: &str, environment: &Environment) -> Option<PathBuf> {
    if let Some(file) = environment.get(variable).filter(|file| !file.is_empty()) {
        return Some(file.into());
    }
    directories(environment)
        .iter()
        .flat_map(|directory| {
            ["yaml", "yml", "json"].map(|ending| directory.join(format!("{stem}.{ending}")))
        })
        .find(|file| file.is_file())
}

/// Errors of the parser are told by place and kind only: it would quote the line, which may hold a password.
fn parse<T: for<'de> Deserialize<'de> + Default>(file: &Path) -> Result<T, ConfigError> {
    let text = read_file(file)?;
    if text.trim().is_empty() {
        return Ok(T::default());
    }
    serde_saphyr::from_str(&text).map_err(|error| {
        let location = error.location();
        ConfigError::Syntax {
            file: file.to_owned(),
            line: location.and_then(|place| usize::try_from(place.line()).ok()).unwrap_or(1),
            reason: format!(
                "not the YAML of a clouds.yaml (column {}); see that quotes are closed, lines indented alike and keys \
                 unique, and that the file is not half-written",
                location.map_or(1, |place| place.column())
            ),
        }
    })
}

#[derive(Deserialize, Default)]
struct Clouds {
    #[serde(default)]
    clouds: BTreeMap<String, Option<Cloud>>,
}

#[derive(Deserialize, Default)]
struct PublicClouds {
    #[serde(default, rename = "public-clouds")]
    public_clouds: BTreeMap<String, Option<Cloud>>,
}

/// One cloud's entry. Scalars are kept as they are written: a password of digits stays one.
#[derive(Default)]
struct Cloud {
    auth: BTreeMap<String, Option<String>>,
    top: BTreeMap<String, Option<String>>,
    regions: Vec<String>,
    profile: Option<String>,
}

impl Cloud {
    /// Deep merge: what this says goes before what `base` says.
    fn over(mut self, base: Self) -> Self {
        for (mine, theirs) in [(&mut self.auth, base.auth), (&mut self.top, base.top)] {
            for (key, value) in theirs {
                mine.entry(key).or_insert(value);
            }
        }
        if self.regions.is_empty() {
            self.regions = base.regions;
        }
        self.profile = self.profile.or(base.profile);
        self
    }

    fn fill(self, settings: &mut Settings, environment: &Environment) {
        // Keys on the top level go before those of the auth section (`loader.py:633-870`).
        for (key, value) in self.auth.into_iter().chain(self.top) {
            let Some(value) = value else { continue };
            match key.as_str() {
                "verify" => {
                    // Anything that is no boolean is left as it is, to be complained about.
                    let insecure = parse_boolean(&value).map_or(value, |verify| (!verify).to_string());
                    settings.set("insecure", &insecure);
                }
                "endpoint_type" if settings.get("interface").is_some() => {}
                "endpoint_type" => {
                    settings.set("interface", &value);
                }
                "cacert" | "cert" | "key" => {
                    settings.set(&key, &expand_home(&value, environment));
                }
                "tenant_id" | "tenant_name" => {
                    let name = key.replace("tenant_", "project_");
                    if settings.get(&name).is_none() {
                        settings.set(&name, &value);
                    }
                }
                _ => {
                    settings.set(&key, &value);
                }
            }
        }
        if settings.get("region_name").is_none() {
            match self.regions.as_slice() {
                [] => {}
                [only] => {
                    settings.set("region_name", only);
                }
                [first, ..] => {
                    settings.set("region_name", first);
                    settings.warnings.push(format!(
                        "several regions and no region_name; the first one, {first}, is taken"
                    ));
                }
            }
        }
    }
}

fn expand_home(path: &str, environment: &Environment) -> String {
    match (path.strip_prefix("~/"), environment.get("HOME")) {
        (Some(rest), Some(home)) => format!("{home}/{rest}"),
        _ => path.to_owned(),
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Region {
    Name(String),
    Detailed { name: String },
}

impl<'de> Deserialize<'de> for Cloud {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CloudVisitor;

        impl<'de> Visitor<'de> for CloudVisitor {
            type Value = Cloud;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the settings of a cloud")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Cloud, A::Error> {
                let mut cloud = Cloud::default();
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "auth" => cloud.auth = map.next_value::<Option<_>>()?.unwrap_or_default(),
                        "profile" | "cloud" => cloud.profile = map.next_value()?,
                        "regions" => {
                            cloud.regions = map
                                .next_value::<Vec<Region>>()?
                                .into_iter()
                                .map(|(Region::Name(name) | Region::Detailed { name })| name)
                                .collect();
                        }
                        "verify" | "endpoint_type" | "tenant_id" | "tenant_name" => {
                            cloud.top.insert(key, map.next_value()?);
                        }
                        known if NAMES.contains(&known) => {
                            cloud.top.insert(key, map.next_value()?);
                        }
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(cloud)
            }
        }

        deserializer.deserialize_map(CloudVisitor)
    }
}
