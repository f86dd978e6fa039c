//! One cloud's entry of a clouds.yaml: how entries are merged, and which settings they make
//! (openstacksdk `config/loader.py`, `magic_fixes` and what comes before).

use std::collections::BTreeMap;

use super::{
    ConfigProblem, Environment,
    environment::variable,
    names::{NAMES, canonical, is_beside_auth, is_plausible},
    settings::{Settings, parse_boolean},
    unknown_keys::warn_of_unknown,
    warning::Place,
    yaml::{Node, Value},
};

/// Keys that are read elsewhere than where settings are.
const STRUCTURE: &[&str] = &["auth", "profile", "cloud", "regions"];

/// An entry whose keys have underscores throughout.
#[derive(Default)]
pub(super) struct Entry(BTreeMap<String, Node>);

/// A text with its place.
pub(super) struct Text {
    pub(super) text: String,
    pub(super) place: Place,
}

impl Entry {
    /// Reads an entry. A key that is there twice counts as the last one says, with a warning.
    pub(super) fn of(node: Node, settings: &mut Settings) -> Result<Self, ConfigProblem> {
        let place = node.place.clone();
        match node.value {
            Value::Null => Ok(Self::default()),
            Value::Map(entries) => Ok(Self(normal(entries, settings))),
            Value::Text(_) | Value::List(_) => Err(ConfigProblem::Setting {
                origin: place.to_string(),
                reason: "a cloud must have keys like auth and region_name below its name".to_owned(),
            }),
        }
    }

    /// Deep merge: what this says goes before what `base` says.
    pub(super) fn with_defaults(mut self, base: Self) -> Self {
        merge(&mut self.0, base.0);
        self
    }

    /// The vendor's profile; `cloud` is its older name.
    pub(super) fn profile(&self) -> Result<Option<Text>, ConfigProblem> {
        match self.0.get("profile").or_else(|| self.0.get("cloud")) {
            Some(node) => text_of("profile", node),
            None => Ok(None),
        }
    }

    /// Makes settings of the entry. `region` is what another source says that goes before this one.
    pub(super) fn fill(
        mut self,
        settings: &mut Settings,
        region: Option<&str>,
        environment: &Environment,
    ) -> Result<(), ConfigProblem> {
        if let Some(values) = self.choose_region(settings, region, environment)? {
            let base = std::mem::replace(&mut self, Self::of(values, settings)?);
            self = self.with_defaults(base);
        }
        let auth = match self.0.remove("auth") {
            None | Some(Node { value: Value::Null, .. }) => BTreeMap::new(),
            Some(Node { value: Value::Map(entries), .. }) => entries.into_iter().collect(),
            Some(node) => return Err(not_of_kind("auth", &node.place, "have keys like auth_url below it")),
        };
        for (key, node) in in_order(auth) {
            take(settings, &key, &node, true, environment)?;
        }
        for (key, node) in in_order(self.0) {
            if !STRUCTURE.contains(&key.as_str()) {
                take(settings, &key, &node, false, environment)?;
            }
        }
        Ok(())
    }

    /// Settles which region is meant; what the entry says of that region alone goes before the rest of it.
    fn choose_region(
        &mut self,
        settings: &mut Settings,
        asked: Option<&str>,
        environment: &Environment,
    ) -> Result<Option<Node>, ConfigProblem> {
        let (mut regions, named) = self.take_regions()?;
        let from_environment = variable(environment, "OS_REGION_NAME");
        let wanted = asked.or(named.as_ref().map(|region| region.name.as_str())).or(from_environment);
        let is_wanted = wanted.is_some();
        let position = regions.iter().position(|region| Some(region.name.as_str()) == wanted);
        let chosen = match (position, named) {
            (Some(at), _) => regions.swap_remove(at),
            (None, Some(named)) => {
                if !regions.is_empty() {
                    settings.warn(&named.place, Some("region_name"), "is none of the cloud's regions");
                }
                named
            }
            (None, None) if regions.is_empty() || asked.is_some() => return Ok(None),
            (None, None) if is_wanted => {
                let names: Vec<_> = regions.into_iter().map(|region| region.name).collect();
                return Err(ConfigProblem::Setting {
                    origin: settings.origin.clone(),
                    reason: format!(
                        "OS_REGION_NAME is none of the cloud's regions; there is: {}",
                        names.join(", ")
                    ),
                });
            }
            (None, None) => {
                let first = regions.swap_remove(0);
                let text = format!(
                    "several regions and no region_name; the first one, {}, is taken (OS_REGION_NAME chooses another)",
                    first.name
                );
                settings.warn(&first.place, Some("regions"), text);
                first
            }
        };
        settings.set("region_name", &chosen.name, "region_name", &chosen.place);
        Ok(chosen.values)
    }

    /// The regions to choose from, and the one that is chosen already. `region_name` may be a list of them, too.
    fn take_regions(&mut self) -> Result<(Vec<Region>, Option<Region>), ConfigProblem> {
        let mut take = |key| self.0.remove(key).map(regions_of).transpose().map(Option::unwrap_or_default);
        let mut regions = take("regions")?;
        let mut named = take("region_name")?;
        if named.len() > 1 {
            if regions.is_empty() {
                regions = std::mem::take(&mut named);
            }
            named.clear();
        }
        if named.is_empty() && regions.len() == 1 {
            std::mem::swap(&mut named, &mut regions);
        }
        Ok((regions, named.pop()))
    }
}

struct Region {
    name: String,
    place: Place,
    values: Option<Node>,
}

/// A list of regions: names, or maps of a name with values; one name, or several with commas between them.
fn regions_of(node: Node) -> Result<Vec<Region>, ConfigProblem> {
    let place = node.place;
    match node.value {
        Value::Null => Ok(Vec::new()),
        Value::Text(name) if !name.contains(',') => Ok(vec![Region { name, place, values: None }]),
        Value::Text(names) => Ok(names
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(|name| Region { name: name.to_owned(), place: place.clone(), values: None })
            .collect()),
        Value::List(list) => {
            let regions = list.into_iter().map(|node| match node.value {
                Value::Map(entries) => region_with_values(entries, &node.place).map(|region| vec![region]),
                _ => regions_of(node),
            });
            Ok(regions.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
        }
        Value::Map(_) => Err(not_of_kind("regions", &place, "be a list")),
    }
}

fn region_with_values(entries: Vec<(String, Node)>, place: &Place) -> Result<Region, ConfigProblem> {
    let mut entries: BTreeMap<_, _> = entries.into_iter().collect();
    let name = entries.remove("name").map(|node| text_of("name", &node)).transpose()?.flatten();
    let name = name.ok_or_else(|| not_of_kind("each of regions", place, "have a name"))?;
    Ok(Region { name: name.text, place: name.place, values: entries.remove("values") })
}

/// Keys with underscores, as openstacksdk reads them (`normalize_keys`).
fn normal(entries: Vec<(String, Node)>, settings: &mut Settings) -> BTreeMap<String, Node> {
    let mut map = BTreeMap::new();
    for (key, mut node) in entries {
        let key = key.replace('-', "_");
        node.value = normal_value(node.value, settings);
        let place = node.place.clone();
        if map.insert(key.clone(), node).is_some() {
            let name = is_plausible(&key).then_some(key.as_str());
            settings.warn(&place, name, "the key is there twice; the last one counts");
        }
    }
    map
}

fn normal_value(value: Value, settings: &mut Settings) -> Value {
    match value {
        Value::Map(entries) => Value::Map(normal(entries, settings).into_iter().collect()),
        Value::List(list) => Value::List(
            list.into_iter()
                .map(|node| Node { value: normal_value(node.value, settings), place: node.place })
                .collect(),
        ),
        Value::Null | Value::Text(_) => value,
    }
}

fn merge(over: &mut BTreeMap<String, Node>, base: BTreeMap<String, Node>) {
    for (key, theirs) in base {
        match (over.get_mut(&key).map(|node| &mut node.value), theirs.value) {
            (Some(Value::Map(mine)), Value::Map(theirs)) => {
                let mut merged: BTreeMap<_, _> = std::mem::take(mine).into_iter().collect();
                merge(&mut merged, theirs.into_iter().collect());
                *mine = merged.into_iter().collect();
            }
            (None | Some(Value::Null), value) => {
                over.insert(key, Node { place: theirs.place, value });
            }
            (Some(_), _) => {}
        }
    }
}

/// The order in which keys of the same meaning are taken; the last one counts: project before tenant, and
/// `endpoint_type` before `interface`.
fn in_order(entries: BTreeMap<String, Node>) -> Vec<(String, Node)> {
    let mut entries: Vec<_> = entries.into_iter().collect();
    entries.sort_by_key(|(key, _)| match key.as_str() {
        "endpoint_type" => 2,
        "verify" => 0,
        key if canonical(key) == key => 1,
        _ => 0,
    });
    entries
}

fn take(
    settings: &mut Settings,
    key: &str,
    node: &Node,
    in_auth: bool,
    environment: &Environment,
) -> Result<(), ConfigProblem> {
    let spelled = if in_auth { format!("auth.{key}") } else { key.to_owned() };
    let name = canonical(key);
    if key != "verify" && !NAMES.contains(&name) {
        warn_of_unknown(settings, key, &spelled, node, in_auth);
        return Ok(());
    }
    let text = match &node.value {
        // openstacksdk takes the first of the list that a service has.
        Value::List(list) if name == "interface" => {
            settings.warn(&node.place, Some(&spelled), "only the first of the list is used");
            list.first().map(|first| text_of(&spelled, first)).transpose()?.flatten()
        }
        _ => text_of(&spelled, node)?,
    };
    let Some(Text { text, place }) = text else { return Ok(()) };
    if in_auth && is_beside_auth(name) {
        settings.warn(&place, Some(&spelled), "belongs beside auth, not into it; it is used nevertheless");
    }
    match name {
        "verify" | "insecure" => take_verify(settings, name, &text, &spelled, &place),
        "cacert" | "cert" | "key" => {
            settings.set(name, &expand_home(&text, environment), &spelled, &place);
        }
        _ => {
            if settings.get(name).is_some_and(|other| other != text) {
                settings.warn_of(name, &format!("differs from {spelled} ({place}), which counts"));
            }
            settings.set(name, &text, &spelled, &place);
        }
    }
    Ok(())
}

/// `insecure: true` goes before `verify` (openstacksdk `cloud_region.py`, `get_requests_verify_args`).
fn take_verify(settings: &mut Settings, name: &str, text: &str, spelled: &str, place: &Place) {
    let value = match (name, parse_boolean(text)) {
        ("verify", Some(verify)) => (!verify).to_string(),
        // Anything that is no boolean is left as it is, to be complained about.
        _ => text.to_owned(),
    };
    if name == "insecure" && settings.get("insecure").is_some_and(|other| other != value) {
        let counts = parse_boolean(&value) != Some(false);
        let text = if counts { "goes before verify" } else { "has no effect beside verify: false" };
        settings.warn(place, Some(spelled), text);
        if !counts {
            return;
        }
    }
    settings.set("insecure", &value, spelled, place);
}

fn text_of(key: &str, node: &Node) -> Result<Option<Text>, ConfigProblem> {
    match &node.value {
        Value::Null => Ok(None),
        Value::Text(text) => Ok(Some(Text { text: text.clone(), place: node.place.clone() })),
        Value::List(_) => Err(not_of_kind(key, &node.place, "be a single value, not a list")),
        Value::Map(_) => Err(not_of_kind(key, &node.place, "be a single value, without keys below it")),
    }
}

fn not_of_kind(key: &str, place: &Place, wanted: &str) -> ConfigProblem {
    ConfigProblem::Setting { origin: place.to_string(), reason: format!("{key} must {wanted}") }
}

fn expand_home(path: &str, environment: &Environment) -> String {
    match (path.strip_prefix("~/"), variable(environment, "HOME")) {
        (Some(rest), Some(home)) => format!("{home}/{rest}"),
        _ => path.to_owned(),
    }
}
