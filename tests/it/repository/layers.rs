//! Which module may use which. `src/lib.rs` shows it to people; this is what is checked.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    paths::{Module, module_of},
    sources::library,
};

/// Each module with those that it may use, the lowest first: a module uses only modules above it in this list.
const LAYERS: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("config", &["core"]),
    ("kubernetes", &["core"]),
    ("engine", &["core"]),
    ("openstack", &["core", "config"]),
    ("grpc", &["core", "engine"]),
    ("simulator", &[]),
    ("telemetry", &["core", "engine", "openstack", "grpc"]),
    ("cli", &["core", "config", "kubernetes", "engine", "openstack", "grpc", "simulator", "telemetry"]),
];

/// The arrows between modules, each with the first place where it is drawn. Unit tests may look around.
fn arrows(modules: &[Module]) -> BTreeMap<(String, String), String> {
    let mut found = BTreeMap::new();
    for module in modules {
        // `src/main.rs` and `src/lib.rs` stand above all.
        let Some(from) = module.path.get(1) else { continue };
        for used in module.uses.iter().filter(|used| !used.in_tests && used.path[0] == "crate") {
            if let Some(to) = used.path.get(1).filter(|to| *to != from) {
                found
                    .entry((from.clone(), to.clone()))
                    .or_insert_with(|| format!("{}:{}: {}", module.file, used.line, used.text()));
            }
        }
    }
    found
}

fn offences(modules: &[Module]) -> Vec<String> {
    let allowed: BTreeSet<(&str, &str)> =
        LAYERS.iter().flat_map(|(from, to)| to.iter().map(move |to| (*from, *to))).collect();
    arrows(modules)
        .into_iter()
        .filter(|((from, to), _)| !allowed.contains(&(from.as_str(), to.as_str())))
        .map(|((from, to), place)| format!("{from} may not use {to}: {place}"))
        .collect()
}

#[test]
fn modules_use_only_what_is_below_them() {
    let modules: Vec<_> = library().iter().map(Module::read).collect();
    let found = offences(&modules);
    assert!(found.is_empty(), "against the layers of {}:\n{}", file!(), found.join("\n"));
}

#[test]
fn the_layers_have_no_circle_and_leave_nothing_out() {
    let names: Vec<_> = LAYERS.iter().map(|(name, _)| *name).collect();
    for (at, (name, uses)) in LAYERS.iter().enumerate() {
        for used in *uses {
            assert!(names[..at].contains(used), "{name} uses {used}, which does not come before it");
        }
    }
    let there: BTreeSet<_> =
        library().iter().filter_map(|file| Module::read(file).path.get(1).cloned()).collect();
    assert_eq!(there, names.iter().map(|name| (*name).to_owned()).collect());
}

#[test]
fn an_arrow_upwards_is_found() {
    for (file, text) in [
        ("src/openstack/nova.rs", "use crate::grpc::status::Code;"),
        ("src/openstack/nova.rs", "use super::super::engine;"),
        ("src/config/settings_file/mod.rs", "fn f() { crate::cli::run(); }"),
        ("src/engine/state.rs", "pub(super) use crate::{openstack::Session, core::plan};"),
        ("src/grpc/mod.rs", "use super::telemetry::metrics;"),
    ] {
        assert_eq!(offences(&[module_of(file, text)]).len(), 1, "{file}: {text}");
    }
    let fine =
        "use crate::{config::CloudConfig, core::cloud}; mod tests { use crate::simulator::Simulator; }";
    assert_eq!(offences(&[module_of("src/openstack/nova.rs", fine)]), Vec::<String>::new());
}
