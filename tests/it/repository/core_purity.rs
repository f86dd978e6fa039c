//! `src/core` decides and does nothing else: no clock, no file, no network, no thread, and nothing of the modules around
//! it. So it can be tried with every moment and every answer.

use super::{
    paths::{Module, module_of},
    sources::files,
};

/// What the core may use of other crates. Everything below is allowed with it.
const ALLOWED: &[&str] = &[
    "std::borrow",
    "std::cell",
    "std::cmp",
    "std::collections",
    "std::convert",
    "std::error",
    "std::fmt",
    "std::hash",
    "std::iter",
    "std::mem",
    "std::num",
    "std::ops",
    "std::slice",
    "std::str",
    "std::string",
    "std::sync::Arc",
    // A value that is computed when it is first asked for, the same whoever asks.
    "std::sync::OnceLock",
    "std::time::Duration",
    // A moment that comes in as an argument; no path may end with `now`.
    "std::time::Instant",
    "std::vec",
    "async_trait::async_trait",
    // A moment by the cloud's clock, out of an answer; no path may end with `now`.
    "jiff::SignedDuration",
    "jiff::Timestamp",
    "thiserror::Error",
    "uuid::Error",
    "uuid::Uuid",
    "uuid::uuid",
    "wildmatch::WildMatch",
];
/// What the core's own tests may use besides: chance, and a moment to begin with.
const ALLOWED_IN_TESTS: &[&str] = &["proptest", "prop", "std::time::Instant::now"];
/// What is forbidden although something around it is allowed. The core's random ids would not be the same twice.
const FORBIDDEN: &[&str] = &["uuid::Uuid::new_v4", "uuid::Uuid::now_v7", "uuid::Uuid::now_v1"];
/// Methods and macros that look at a clock, at the environment, or write somewhere.
const FORBIDDEN_CALLS: &[&str] = &[
    "::now",
    "elapsed",
    "print",
    "println",
    "eprint",
    "eprintln",
    "dbg",
    "env",
    "option_env",
    "include_str",
    "include_bytes",
];
/// What paths begin with that need no import.
const PRIMITIVES: &[&str] = &[
    "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "str", "u8", "u16", "u32",
    "u64", "u128", "usize",
];

fn is_below(path: &str, place: &str) -> bool {
    path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// What is wrong in a file of the core, one line each.
fn offences(module: &Module) -> Vec<String> {
    let mut found = Vec::new();
    for used in &module.uses {
        let path = used.text();
        let first = used.path.first().map(String::as_str).unwrap_or_default();
        let is_one_of = |places: &[&str]| places.iter().any(|place| is_below(&path, place));
        // A type's own function, or a lint.
        let is_harmless =
            first.starts_with(char::is_uppercase) || [PRIMITIVES, &["clippy"]].concat().contains(&first);
        let may = match first {
            "crate" => is_below(&path, "crate::core"),
            _ => is_harmless || is_one_of(ALLOWED) && !is_one_of(FORBIDDEN),
        };
        // However the type that has a clock is called here.
        let may = may && !path.ends_with("::now");
        if !(may || used.in_tests && is_one_of(ALLOWED_IN_TESTS)) {
            found.push(format!("{}:{}: {path}", module.file, used.line));
        }
    }
    for (line, call) in &module.calls {
        if FORBIDDEN_CALLS.contains(&call.as_str()) {
            found.push(format!("{}:{line}: {call}", module.file));
        }
    }
    found
}

#[test]
fn the_core_is_pure() {
    let modules: Vec<_> = files(&["src/core"], &[".rs"]).iter().map(Module::read).collect();
    let found: Vec<_> = modules.iter().flat_map(offences).collect();
    assert!(
        found.is_empty(),
        "src/core uses what it may not (CONTRIBUTING.md; the lists are in {}):\n{}",
        file!(),
        found.join("\n")
    );
}

#[test]
fn what_is_impure_is_found() {
    for bad in [
        "use crate::engine::Recorder;",
        "use super::super::engine::Recorder;",
        "use std::fs;",
        "use std::{env, fmt};",
        "use std::sync::Mutex;",
        "use std::time::SystemTime;",
        "use tokio::time::Instant;",
        "use tonic::Status as Error;",
        "use std::time::Instant; fn f() { let _ = Instant::now(); }",
        "use std::time::{self}; fn f() { let _ = time::Instant::now(); }",
        "use std::time::Instant as Moment; fn f() -> Moment { Moment::now() }",
        "type Clock = std::time::Instant; fn f() { Clock::now(); }",
        "fn f() { <std::time::Instant>::now(); }",
        "fn f() { std::thread::sleep(d) }",
        "fn f() { reqwest::get(url); }",
        "fn f() { tracing::warn!(\"!\"); }",
        "fn f() { println!(\"{}\", 1); }",
        "fn f(i: I) -> D { i.elapsed() }",
        "mod tests { use crate::simulator::Simulator; }",
        "#[tokio::test] async fn f() {}",
        "fn f() { matches!(std::env::var(\"X\"), Ok(_)); }",
        "fn f() { uuid::Uuid::new_v4(); }",
        "use proptest::prelude::*;",
        "mod tests { use std::net::TcpStream; }",
    ] {
        let found = offences(&module_of("src/core/plan.rs", bad));
        assert!(!found.is_empty(), "not found: {bad}");
        assert!(found[0].starts_with("src/core/plan.rs:1: "), "{found:?}");
    }
    let fine = "use std::{fmt, time::Instant}; use super::cloud::Reading; mod part; use part::Part;
        //! Like tokio::spawn.
        fn f(now: Instant) -> Option<u32> { part::go(\"std::fs\"); let m = u32::MAX; Vec::new(); fmt::Error }";
    assert_eq!(offences(&module_of("src/core/plan.rs", fine)), Vec::<String>::new());
}
