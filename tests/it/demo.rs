//! The command `demo` from outside: its story, and its exit code when the story is not as it should be.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, Command, Output, Stdio},
};

use serde_json::{Value, json};

/// Long enough for any machine, so that no test depends on speed.
const PATIENCE: [&str; 2] = ["--time-limit", "10m"];

/// With nothing of the surrounding environment, save a proxy that nobody answers at.
fn demo(options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cluster-autoscaler-provider-magnum"));
    command.env_clear().env("HTTP_PROXY", "http://127.0.0.1:9").env("http_proxy", "http://127.0.0.1:9");
    command.arg("demo").args(options).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn assert_fails(output: &Output, message: &str) {
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{}{error}", text(&output.stdout));
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(error.starts_with("error: ") && error.contains(message), "{error}");
}

/// What follows the word up to the next space or quote.
fn after<'a>(text: &'a str, word: &str) -> &'a str {
    let rest = &text[text.find(word).unwrap() + word.len()..];
    rest.split([' ', '"', ',', '\n']).next().unwrap()
}

#[test]
fn the_story_ends_well_and_shows_what_happened() {
    let output = demo(&[&PATIENCE[..], &["--node-boot-time", "300ms"]].concat()).output().unwrap();
    let story = text(&output.stdout);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()), "{story}");
    assert!(!story.contains('\x1b'), "control codes are for terminals");

    let line = |beginning: &str| {
        let line = story.lines().find(|line| line.trim_start().starts_with(beginning));
        line.unwrap_or_else(|| panic!("{beginning} in {story}"))
    };
    assert!(line("gRPC       NodeGroupIncreaseSize").contains(r#""delta":2"#));
    let deletion = line("gRPC       NodeGroupDeleteNodes");
    let named = after(deletion, "openstack:///");
    assert!(deletion.ends_with("→ OK"), "{deletion}");
    let changes: Vec<&str> = story.lines().filter(|line| line.starts_with("  OpenStack  POST ")).collect();
    let counts: Vec<&str> =
        changes.iter().map(|change| &change[change.find("node_count").unwrap()..][..13]).collect();
    assert_eq!(
        counts,
        [r#"node_count":3"#, r#"node_count":2"#, r#"node_count":3"#, r#"node_count":2"#],
        "{story}"
    );
    assert!(changes[1].contains(r#""nodes_to_remove":["0"]"#), "{story}");

    let listed: Vec<&str> = story.lines().filter(|line| line.contains(" ACTIVE → ")).collect();
    let gone: Vec<&&str> = listed.iter().filter(|line| line.ends_with("gone")).collect();
    assert!(listed.len() == 4 && gone.len() == 1, "{story}");
    assert!(gone[0].contains(named) && gone[0].contains("-node-0 "), "{story}");
    line("errorCode QuotaExceeded, instanceErrorClass 1");
    line("Everything was as it should be");
}

#[test]
fn the_end_of_the_time_is_a_failure_that_says_what_was_missing() {
    let output = demo(&["--time-limit", "1s", "--node-boot-time", "1h"]).output().unwrap();
    assert_fails(&output, "waited for ");
    assert!(text(&output.stderr).contains("the time is up (1s)"), "{}", text(&output.stderr));
}

/// Deletes the first node that the story names, behind the service's back.
async fn delete_a_server(base_url: &str, server: &str) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let domain = json!({"name": "Default"});
    let user = json!({"name": "demo", "password": "demo-password", "domain": domain});
    let scope = json!({"project": {"name": "demo", "domain": domain}});
    let identity = json!({"methods": ["password"], "password": {"user": user}});
    let login: Value = json!({"auth": {"identity": identity, "scope": scope}});
    let tokens = format!("{base_url}/identity/v3/auth/tokens");
    let answer = client.post(tokens).json(&login).send().await.unwrap().error_for_status().unwrap();
    let token = answer.headers()["x-subject-token"].clone();
    let url = format!("{base_url}/compute/v2.1/servers/{server}");
    client.delete(url).header("x-auth-token", token).send().await.unwrap().error_for_status().unwrap();
}

/// The output up to and with the line that holds the word.
fn read_until(lines: &mut impl Iterator<Item = std::io::Result<String>>, word: &str) -> String {
    let mut read = String::new();
    while !read.contains(word) {
        // The end of the output before the word comes is an end of the test as well.
        read += &lines.next().unwrap().unwrap();
        read.push('\n');
    }
    read
}

fn finish(mut child: Child, lines: impl Iterator<Item = std::io::Result<String>>) -> Output {
    let stdout = lines.map(|line| line.unwrap() + "\n").collect::<String>().into_bytes();
    let mut stderr = Vec::new();
    child.stderr.take().unwrap().read_to_end(&mut stderr).unwrap();
    Output { status: child.wait().unwrap(), stdout, stderr }
}

#[test]
fn a_node_that_goes_without_being_named_is_a_failure() {
    // Nodes that boot for long, so that the deletion comes before the story goes on.
    let mut child = demo(&[&PATIENCE[..], &["--node-boot-time", "1h"]].concat()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let read = read_until(&mut lines, "NodeGroupForNode");
    let base_url = after(&read, "OpenStack is at ").to_owned();
    let server = after(&read, "openstack:///").to_owned();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    runtime.block_on(delete_a_server(&base_url, &server));
    let output = finish(child, lines);
    assert_fails(&output, "ServerGone");
    assert!(text(&output.stderr).contains(&server), "{}", text(&output.stderr));
}

#[test]
fn a_signal_stops_it() {
    let mut child = demo(&[&PATIENCE[..], &["--node-boot-time", "1h"]].concat()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    read_until(&mut lines, "NodeGroupIncreaseSize");
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_fails(&finish(child, lines), "stopped by SIGINT");
}
