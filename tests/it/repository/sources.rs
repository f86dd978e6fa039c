//! The files of this repository.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A file, by its path from the root of the repository.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below these directories, or these files, whose names end with one of `endings`, in order.
pub(crate) fn files(places: &[&str], endings: &[&str]) -> Vec<File> {
    let mut found = Vec::new();
    for place in places {
        let before = found.len();
        gather(&root().join(place), endings, &mut found);
        assert!(found.len() > before, "nothing in {place}");
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

fn gather(path: &PathBuf, endings: &[&str], found: &mut Vec<File>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            gather(&entry.unwrap().path(), endings, found);
        }
    } else if endings.iter().any(|ending| path.to_str().unwrap().ends_with(ending)) {
        let text = fs::read_to_string(path).unwrap();
        let path = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        found.push(File { path, text });
    }
}

/// The Rust files of the library.
pub(crate) fn library() -> Vec<File> {
    files(&["src"], &[".rs"])
}
