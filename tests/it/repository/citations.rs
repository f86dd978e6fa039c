//! What comments and documents cite has to be there: files of this repository, and sections of its documents.

use std::{collections::BTreeSet, sync::LazyLock};

use regex_lite::Regex;

use super::sources::{File, files, root};

/// What is read: everything that a reader may follow.
fn readable() -> Vec<File> {
    let places = [
        "src",
        "tests",
        "benches",
        "examples",
        "docs",
        "deploy",
        "proto",
        "build.rs",
        "Cargo.toml",
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "SECURITY.md",
    ];
    let mut found = files(&places, &[".rs", ".md", ".toml", ".yaml", ".yml", ".proto"]);
    // Its own examples of what is wrong.
    found.retain(|file| !file.path.ends_with("repository/citations.rs"));
    found
}

/// The anchors of a document's headings, as GitHub makes them.
fn anchors(markdown: &str) -> BTreeSet<String> {
    let mut in_code = false;
    let mut found = BTreeSet::new();
    for line in markdown.lines() {
        in_code ^= line.starts_with("```");
        let heading = line.trim_start_matches('#');
        if in_code || heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let kept = heading.trim().to_lowercase().replace(' ', "-");
        found.insert(kept.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect());
    }
    found
}

/// A document that is cited, by its path from the root, and the section.
fn is_there(document: &str, anchor: Option<&str>) -> Result<(), String> {
    let path = root().join(document);
    if !path.exists() {
        return Err(format!("there is no {document}"));
    }
    let Some(anchor) = anchor else { return Ok(()) };
    let text = std::fs::read_to_string(path).map_err(|error| format!("{document}: {error}"))?;
    if anchors(&text).contains(anchor) { Ok(()) } else { Err(format!("{document} has no section #{anchor}")) }
}

/// The directory that a file's links start from.
fn directory(file: &str) -> &str {
    file.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// `docs/x/../y.md` is `docs/y.md`.
fn normal(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The part of a line that people read: all of a document, the comment of a source.
fn comment<'a>(file: &File, line: &'a str) -> Option<&'a str> {
    let mark = match file.path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("md") => return Some(line),
        Some("rs" | "proto") => "//",
        _ => "#",
    };
    line.find(mark).map(|at| line[at..].trim_start_matches(['/', '!', '#']))
}

/// A section of a document, from wherever.
static SECTION: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b(docs/[a-z-]+\.md)(?:#([a-z0-9_-]+))?").unwrap());
/// A link of a document.
static LINK: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\]\(([^)#: ]*)(?:#([^) ]+))?\)").unwrap());
/// A path that begins at the root.
static PATH: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?:^|[\s`(«])((?:src|tests|benches|examples|docs|deploy|fuzz|proto|\.ci)/[A-Za-z0-9_./-]*[A-Za-z0-9_])",
    )
    .unwrap()
});
/// A recorded exchange.
static EXCHANGE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\b([a-z][A-Za-z0-9_.-]*\.http)\b").unwrap());
/// Words for notes that are not in the repository.
static ELSEWHERE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"FINDINGS|\bfacts(?:,| on) |\bT:[a-z]|\.\./shared\b").unwrap());

/// What is cited in vain, one line each.
fn offences(file: &File) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        let mut check = |result: Result<(), String>| {
            found.extend(result.err().map(|what| format!("{}:{}: {what}", file.path, number + 1)));
        };
        // Most lines cite nothing, and patterns are slow.
        if !["FINDINGS", "facts", "T:", ".http", "](", "/"].iter().any(|sign| line.contains(sign)) {
            continue;
        }
        for cited in SECTION.captures_iter(line) {
            check(is_there(&cited[1], cited.get(2).map(|anchor| anchor.as_str())));
        }
        let Some(comment) = comment(file, line) else { continue };
        if file.path.ends_with(".md") {
            for cited in LINK.captures_iter(comment) {
                let target = match &cited[1] {
                    "" => file.path.clone(),
                    relative => normal(&format!("{}/{relative}", directory(&file.path))),
                };
                check(is_there(&target, cited.get(2).map(|anchor| anchor.as_str())));
            }
        }
        for cited in PATH.captures_iter(comment) {
            check(is_there(&cited[1], None));
        }
        for cited in EXCHANGE.captures_iter(comment) {
            check(is_there(&format!("tests/transcripts/{}", &cited[1]), None));
        }
        for cited in ELSEWHERE.find_iter(comment) {
            check(Err(format!("{:?} is not in the repository", cited.as_str().trim())));
        }
    }
    found
}

#[test]
fn everything_that_is_cited_is_there() {
    let found: Vec<_> = readable().iter().flat_map(offences).collect();
    assert!(found.is_empty(), "cited in vain:\n{}", found.join("\n"));
}

#[test]
fn what_is_cited_in_vain_is_found() {
    let of = |path: &str, text: &str| offences(&File { path: path.to_owned(), text: text.to_owned() });
    for (path, bad) in [
        ("src/core/plan.rs", "/// As Heat does it (docs/openstack-behaviour.md#no-such-section)."),
        ("src/core/plan.rs", "/// As Heat does it (docs/no-such-page.md)."),
        ("src/core/plan.rs", "let page = \"docs/behaviour.md#no-such-section\";"),
        ("src/core/plan.rs", "// Seen on the lab (FINDINGS, Heat)."),
        ("src/core/plan.rs", "/// Seen (T:heat-stack-404.http)."),
        ("src/core/plan.rs", "// See facts, 1.1."),
        ("src/core/plan.rs", "// See ../shared/design.md."),
        ("src/core/plan.rs", "//! Tried by tests/no_such_test.rs."),
        ("src/core/plan.rs", "// As in no-such-exchange.http."),
        ("docs/behaviour.md", "See [the templates](templates.md#no-such-section)."),
        ("docs/behaviour.md", "See [the templates](no-such-page.md)."),
        ("docs/behaviour.md", "See [above](#no-such-section)."),
        ("README.md", "See [there](docs/behaviour.md#no-such-section)."),
        ("deploy/x.yaml", "runbook_url: https://host/blob/main/docs/troubleshooting.md#no-such-section"),
    ] {
        assert!(!of(path, bad).is_empty(), "not found: {bad}");
    }
    for (path, fine) in [
        ("src/core/plan.rs", "/// As Heat does it (docs/openstack-behaviour.md#nodes_to_remove)."),
        ("src/core/plan.rs", "/// As Heat does it (`heat-stack-404.http`; Heat `engine/stack.py:12`)."),
        ("src/core/plan.rs", "let x = facts(no_comment, \"FINDINGS\");"),
        (
            "docs/behaviour.md",
            "See [a resize](#a-resize), [out](https://example.com/x) and [here](../README.md).",
        ),
    ] {
        assert_eq!(of(path, fine), Vec::<String>::new(), "{fine}");
    }
}

#[test]
fn anchors_are_those_of_github() {
    let page = "# What it does, and when\n## nodes_to_remove\n### Magnum's `status` sync\n#no heading\n```\n# code\n```\n";
    let expected = ["what-it-does-and-when", "nodes_to_remove", "magnums-status-sync"];
    assert_eq!(anchors(page), expected.map(str::to_owned).into());
}
