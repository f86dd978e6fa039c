//! The paths that a Rust file uses, like `crate::core::plan::Plan`, written out in full: imports are followed, and so
//! are `super` and `self`.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

use super::sources::File;

/// A path as it is used somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Use {
    /// Counted from 1.
    pub(crate) line: usize,
    /// In full: `crate` and the modules after it, or the name of another crate first.
    pub(crate) path: Vec<String>,
    /// Only made available under another name: `pub use`.
    pub(crate) is_re_export: bool,
    /// In a module named `tests`, or below one.
    pub(crate) in_tests: bool,
}

impl Use {
    pub(crate) fn text(&self) -> String {
        self.path.join("::")
    }
}

/// A file's module, and what it uses.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) file: String,
    /// `["crate", "core", "plan"]`.
    pub(crate) path: Vec<String>,
    pub(crate) uses: Vec<Use>,
    /// What this module hands on from elsewhere, by the name that it has here.
    pub(crate) re_exports: BTreeMap<String, Vec<String>>,
    /// The names behind a dot or before an exclamation mark, with their lines; those behind `<T>::` with the colons.
    pub(crate) calls: Vec<(usize, String)>,
}

impl Module {
    /// # Panics
    /// When the file is no Rust.
    pub(crate) fn read(file: &File) -> Self {
        let tokens: TokenStream = file.text.parse().unwrap_or_else(|error| panic!("{}: {error}", file.path));
        let mut reader = Reader { module: module_path(&file.path), ..Reader::default() };
        let path = reader.module.clone();
        reader.imports(tokens.clone());
        reader.block(tokens);
        Self {
            file: file.path.clone(),
            path,
            uses: reader.uses,
            re_exports: reader.re_exports,
            calls: reader.calls,
        }
    }
}

/// `src/core/template/mod.rs` is `crate::core::template`.
fn module_path(file: &str) -> Vec<String> {
    let inside = file.trim_start_matches("src/").trim_end_matches(".rs");
    let mut path = vec!["crate".to_owned()];
    path.extend(inside.split('/').filter(|part| !["lib", "main", "mod"].contains(part)).map(str::to_owned));
    path
}

#[derive(Default)]
struct Reader {
    module: Vec<String>,
    /// By name, what was imported.
    imported: BTreeMap<String, Vec<String>>,
    /// Modules that are declared here.
    declared: BTreeSet<String>,
    re_exports: BTreeMap<String, Vec<String>>,
    uses: Vec<Use>,
    calls: Vec<(usize, String)>,
}

fn is_punct(token: Option<&TokenTree>, character: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == character)
}

fn is_separator(tokens: &[TokenTree], at: usize) -> bool {
    is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':')
}

fn word(token: Option<&TokenTree>) -> Option<String> {
    match token {
        Some(TokenTree::Ident(ident)) => Some(ident.to_string()),
        _ => None,
    }
}

/// Whether an import begins here: `use`, and not the `use<'a>` of a type.
fn is_import(tokens: &[TokenTree], at: usize) -> bool {
    word(tokens.get(at)).is_some_and(|word| word == "use") && !is_punct(tokens.get(at + 1), '<')
}

fn braces(token: Option<&TokenTree>) -> Option<&Group> {
    match token {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => Some(group),
        _ => None,
    }
}

/// Names in a `use`: the line, the path as it is written, and the name that it has here; none for `*`.
type Import = (usize, Vec<String>, Option<String>);

/// Reads the tree of a `use` from its first token on.
fn import_tree(tokens: &[TokenTree], prefix: &[String], found: &mut Vec<Import>) {
    for item in tokens.split(|token| is_punct(Some(token), ',')) {
        let mut path = prefix.to_vec();
        let mut name = None;
        let mut line = 0;
        let mut at = 0;
        let mut nested = false;
        while let Some(token) = item.get(at) {
            line = token.span().start().line;
            match token {
                TokenTree::Ident(ident) if ident == "as" => {
                    name = word(item.get(at + 1));
                    break;
                }
                TokenTree::Ident(ident) if ident == "self" && !path.is_empty() => {}
                TokenTree::Ident(ident) => path.push(ident.to_string()),
                TokenTree::Group(group) => {
                    let inner: Vec<_> = group.stream().into_iter().collect();
                    import_tree(&inner, &path, found);
                    nested = true;
                }
                TokenTree::Punct(punct) if punct.as_char() == '*' => {
                    found.push((line, path.clone(), None));
                    nested = true;
                }
                _ => {}
            }
            at += 1;
        }
        if !nested && line > 0 {
            let name = name.or_else(|| path.last().cloned());
            found.push((line, path, name));
        }
    }
}

impl Reader {
    /// Learns the names that are imported and declared here, in functions too.
    fn imports(&mut self, tokens: TokenStream) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        let is_module = |at: usize| word(tokens.get(at)).is_some_and(|word| word == "mod");
        for (at, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Ident(_) if is_module(at) => self.declared.extend(word(tokens.get(at + 1))),
                // It has names of its own; they are learnt when it is read.
                TokenTree::Group(_) if at >= 2 && is_module(at - 2) => {}
                TokenTree::Ident(_) if is_import(&tokens, at) => {
                    for (_, path, name) in self.import(&tokens, at) {
                        let path = self.absolute(path);
                        if let Some(name) = name {
                            self.imported.insert(name, path);
                        }
                    }
                }
                TokenTree::Group(group) => self.imports(group.stream()),
                _ => {}
            }
        }
    }

    /// What the `use` at this place imports.
    fn import(&self, tokens: &[TokenTree], at: usize) -> Vec<Import> {
        let rest = tokens.get(at + 1..).unwrap_or_default();
        let end = rest.iter().position(|token| is_punct(Some(token), ';')).unwrap_or_default();
        let mut found = Vec::new();
        import_tree(&rest[..end], &[], &mut found);
        found
    }

    /// In full, by what is imported and where it stands.
    fn absolute(&self, path: Vec<String>) -> Vec<String> {
        let mut module = self.module.clone();
        let mut rest = path.as_slice();
        match rest.first().map(String::as_str) {
            Some("self") => rest = &rest[1..],
            Some("super") => {
                while rest.first().is_some_and(|first| first == "super") {
                    module.pop();
                    rest = &rest[1..];
                }
            }
            Some(first) if self.declared.contains(first) => {}
            Some(first) => {
                let Some(full) = self.imported.get(first) else { return path };
                // A name for itself would never end.
                return if full == &path { path } else { [full, &rest[1..]].concat() };
            }
            None => return path,
        }
        [module.as_slice(), rest].concat()
    }

    fn block(&mut self, tokens: TokenStream) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            at = self.item(&tokens, at);
        }
    }

    /// Reads what begins here; where the next begins.
    fn item(&mut self, tokens: &[TokenTree], at: usize) -> usize {
        let line = tokens[at].span().start().line;
        match &tokens[at] {
            TokenTree::Group(group) => self.block(group.stream()),
            TokenTree::Ident(ident) if ident == "mod" => {
                if let (Some(name), Some(body)) = (word(tokens.get(at + 1)), braces(tokens.get(at + 2))) {
                    let around = (self.imported.clone(), self.declared.clone());
                    self.module.push(name);
                    self.imports(body.stream());
                    self.block(body.stream());
                    self.module.pop();
                    (self.imported, self.declared) = around;
                    return at + 3;
                }
            }
            TokenTree::Ident(_) if is_import(tokens, at) => {
                let before = at.checked_sub(1).and_then(|before| tokens.get(before));
                let is_re_export = word(before).is_some_and(|before| before == "pub")
                    || matches!(before, Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis);
                for (line, path, name) in self.import(tokens, at) {
                    let path = self.absolute(path);
                    if let Some(name) = name.filter(|_| is_re_export) {
                        self.re_exports.insert(name, path.clone());
                    }
                    self.add(line, path, is_re_export);
                }
                let rest = &tokens[at..];
                return at + rest.iter().position(|token| is_punct(Some(token), ';')).unwrap_or(1);
            }
            TokenTree::Ident(ident) => {
                if is_punct(tokens.get(at + 1), '!') || (at > 0 && is_punct(tokens.get(at - 1), '.')) {
                    self.calls.push((line, ident.to_string()));
                } else if at >= 2 && is_separator(tokens, at - 2) {
                    self.calls.push((line, format!("::{ident}")));
                }
                return self.written_path(tokens, at);
            }
            _ => {}
        }
        at + 1
    }

    /// A path in an expression, a type, an attribute or a pattern.
    fn written_path(&mut self, tokens: &[TokenTree], start: usize) -> usize {
        let line = tokens[start].span().start().line;
        let mut path = vec![];
        let mut at = start;
        while let Some(part) = word(tokens.get(at)) {
            path.push(part);
            if !is_separator(tokens, at + 1) {
                at += 1;
                break;
            }
            at += 3;
        }
        if is_punct(tokens.get(at), '!') {
            self.calls.extend(path.last().map(|name| (line, name.clone())));
        }
        if path.len() > 1 {
            let path = self.absolute(path);
            self.add(line, path, false);
        }
        at.max(start + 1)
    }

    fn add(&mut self, line: usize, path: Vec<String>, is_re_export: bool) {
        let in_tests = self.module.iter().any(|module| module == "tests" || module.ends_with("_tests"));
        self.uses.push(Use { line, path, is_re_export, in_tests });
    }
}

/// What this text uses, as a file at this place.
#[cfg(test)]
pub(crate) fn module_of(path: &str, text: &str) -> Module {
    Module::read(&File { path: path.to_owned(), text: text.to_owned() })
}

#[test]
fn paths_are_written_out() {
    let module = module_of(
        "src/core/template/labels.rs",
        r#"
        //! Not a path: tokio::time.
        use std::{collections::BTreeMap as Map, time::{self, Duration}};
        use super::super::plan;
        pub(crate) use crate::grpc::wire::{Node as Wire};
        mod inner { use super::super::resources::Size; }
        fn g<'a>() -> impl Copy + use<'a> { crate::core::quote::quoted }
        fn f() -> Map<u8, Duration> { let _ = "a::b"; plan::go(time::Instant::now()); http::get!(x.elapsed()) }
        "#,
    );
    let uses: Vec<_> = module.uses.iter().map(Use::text).collect();
    assert_eq!(
        uses,
        [
            "std::collections::BTreeMap",
            "std::time",
            "std::time::Duration",
            "crate::core::plan",
            "crate::grpc::wire::Node",
            "crate::core::template::resources::Size",
            "crate::core::quote::quoted",
            "crate::core::plan::go",
            "std::time::Instant::now",
            "http::get",
        ]
    );
    assert_eq!(module.uses[0].line, 3);
    assert_eq!(module.re_exports["Wire"].join("::"), "crate::grpc::wire::Node");
    assert!(module.calls.contains(&(8, "elapsed".to_owned())));
    assert!(module.calls.contains(&(8, "get".to_owned())));
}
