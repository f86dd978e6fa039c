//! The simulator stands alone: it judges by itself, never with the code that it is there to try.

use std::{
    fs,
    path::{Path, PathBuf},
};

use regex_lite::Regex;

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// What a source text takes from this crate besides the simulator, a name for each.
fn foreign_imports(text: &str) -> Vec<String> {
    let code: String =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let path = Regex::new(r"\b(?:crate|cluster_autoscaler_provider_magnum)\s*::\s*(\{|\w+)").unwrap();
    path.captures_iter(&code)
        .map(|found| found[1].to_owned())
        .filter(|module| module != "simulator")
        .collect()
}

#[test]
fn the_simulator_imports_nothing_else_of_this_crate() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/simulator");
    let mut files = Vec::new();
    sources(&folder, &mut files);
    assert!(files.len() > 20, "{files:?}");
    for file in files {
        let foreign = foreign_imports(&fs::read_to_string(&file).unwrap());
        assert!(
            foreign.is_empty(),
            "{} imports {foreign:?}; src/simulator depends on nothing else",
            file.display()
        );
    }
}

#[test]
fn foreign_imports_are_seen_in_each_form() {
    assert_eq!(foreign_imports("use crate::core::status::Status;"), ["core"]);
    assert_eq!(foreign_imports("use crate::{\n    simulator::world::World,\n};"), ["{"]);
    assert_eq!(foreign_imports("fn f() { crate ::openstack::g() }"), ["openstack"]);
    assert_eq!(
        foreign_imports("use crate::simulator::world::World;\n/// As [`crate::core`] has it."),
        [""; 0]
    );
}
