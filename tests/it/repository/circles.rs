//! Files that use one another in a circle can only be read together.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    paths::{Module, module_of},
    sources::library,
};

/// Which file uses which. Unit tests and names that are only handed on do not count.
fn arrows(modules: &[Module]) -> BTreeMap<&str, BTreeSet<&str>> {
    let by_path: BTreeMap<&[String], &Module> =
        modules.iter().map(|module| (module.path.as_slice(), module)).collect();
    let mut found: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for module in modules {
        for used in module.uses.iter().filter(|used| !used.in_tests && !used.is_re_export) {
            if let Some(file) = file_of(&used.path, &by_path).filter(|file| *file != module.file) {
                found.entry(&module.file).or_default().insert(file);
            }
        }
    }
    found
}

/// The file that has what this path names, however many others hand it on.
fn file_of<'a>(path: &[String], modules: &BTreeMap<&[String], &'a Module>) -> Option<&'a str> {
    let mut path = path.to_vec();
    // No name is handed on that often.
    for _ in 0..10 {
        let length = (1..=path.len()).rev().find(|length| modules.contains_key(&path[..*length]))?;
        let module = modules[&path[..length]];
        match path.get(length).and_then(|name| module.re_exports.get(name)) {
            Some(full) => path = [full, &path[length + 1..]].concat(),
            None => return Some(&module.file),
        }
    }
    None
}

/// Everything that can be reached from this file, itself only in a circle.
fn reached<'a>(from: &'a str, arrows: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut next = vec![from];
    while let Some(file) = next.pop() {
        for to in arrows.get(file).into_iter().flatten() {
            if found.insert(*to) {
                next.push(to);
            }
        }
    }
    found
}

fn circles(modules: &[Module]) -> BTreeSet<Vec<&str>> {
    let arrows = arrows(modules);
    let reached: BTreeMap<_, _> = arrows.keys().map(|file| (*file, reached(file, &arrows))).collect();
    let mutual = |one: &str, other: &str| {
        let reaches = |from: &str, to: &str| reached.get(from).is_some_and(|reached| reached.contains(to));
        reaches(one, other) && reaches(other, one)
    };
    reached
        .keys()
        .map(|file| reached.keys().copied().filter(|other| mutual(file, other)).collect::<Vec<_>>())
        .filter(|circle| circle.len() > 1)
        .collect()
}

#[test]
fn files_use_one_another_in_no_circle() {
    let modules: Vec<_> = library().iter().map(Module::read).collect();
    let found = circles(&modules);
    assert!(found.is_empty(), "move what both sides need to a file of its own:\n{found:#?}");
}

#[test]
fn a_circle_is_found() {
    let modules = [
        module_of("src/config/mod.rs", "mod file; mod error; pub use error::Problem; use self::file::read;"),
        module_of("src/config/error.rs", "pub struct Problem;"),
        module_of("src/config/file.rs", "use super::Problem; use super::key::Key;"),
        module_of("src/config/key.rs", "fn f() { super::place::of(); } mod tests { use super::super::*; }"),
        module_of("src/config/place.rs", "use crate::config::file::Line;"),
    ];
    let expected = vec!["src/config/file.rs", "src/config/key.rs", "src/config/place.rs"];
    assert_eq!(circles(&modules), BTreeSet::from([expected]));
}
