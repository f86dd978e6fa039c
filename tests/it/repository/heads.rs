//! Each file says in its first line what it is for.

use super::sources::library;

#[test]
fn every_file_says_first_what_it_is() {
    let is_test = |path: &str| path.ends_with("tests.rs");
    let silent: Vec<_> = library()
        .into_iter()
        .filter(|file| !is_test(&file.path) && !file.text.starts_with("//! "))
        .map(|file| file.path)
        .collect();
    assert_eq!(silent, Vec::<String>::new(), "begin with //! and what the file is for");
}
