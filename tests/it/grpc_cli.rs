//! The binary from outside: what scripts see of it when it cannot start.

use std::{
    net::TcpListener,
    process::{Command, Output},
};

/// Runs `serve` on free ports, with nothing of the surrounding environment.
fn serve(options: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cluster-autoscaler-provider-magnum"))
        .env_clear()
        .args(["serve", "--admin-address", "127.0.0.1:0"])
        .args(options)
        .output()
        .unwrap()
}

fn assert_ends(output: &Output, code: i32, message: &str) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{error}");
    let line = error.lines().last().unwrap_or_default();
    assert!(line.starts_with("error: ") && line.contains(message), "{error}");
}

const CLUSTER: [&str; 2] = ["--cluster-name", "k8s"];

#[test]
fn wrong_usage_is_two() {
    let output = serve(&["--no-such-option"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(serve(&[]).status.code(), Some(2), "there is no cluster to scale");
    assert_eq!(serve(&["--cluster-name", ""]).status.code(), Some(2), "nor has it an empty name");
    let window = serve(&["--simulate", "--coalesce-window", "5s"]);
    assert!(String::from_utf8_lossy(&window.stderr).contains("longer than 2 s"));
}

#[test]
fn plaintext_on_the_network_is_two_and_says_why() {
    let output = serve(&[&CLUSTER[..], &["--address", "0.0.0.0:0"]].concat());
    assert_ends(&output, 2, "--insecure");
    assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 1);
}

#[test]
fn incomplete_or_unreadable_tls_files_are_two() {
    let cert = ["--address", "127.0.0.1:0", "--tls-cert", "/nonexistent/tls.crt"];
    assert_ends(&serve(&[&CLUSTER[..], &cert].concat()), 2, "--tls-key, --tls-client-ca");
    let all = ["--tls-key", "/nonexistent/tls.key", "--tls-client-ca", "/nonexistent/ca.crt"];
    assert_ends(&serve(&[&CLUSTER[..], &cert, &all].concat()), 2, "/nonexistent/tls.crt");
}

#[test]
fn a_settings_file_that_cannot_be_used_is_two_and_says_where() {
    let options =
        |file: &str| [&CLUSTER[..], &["--address", "127.0.0.1:0", "--config", file]].concat().join("\n");
    let serve_with = |file: &str| serve(&options(file).lines().collect::<Vec<_>>());
    assert_ends(&serve_with("/nonexistent/config.yaml"), 2, "/nonexistent/config.yaml");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "gpu-label: a\nnode-group: []\n").unwrap();
    let path = file.path().display().to_string();
    assert_ends(
        &serve_with(&path),
        2,
        &format!("{path}, line 2: unknown key \"node-group\"; did you mean \"node-groups\"?"),
    );
    let label = serve(&[&CLUSTER[..], &["--gpu-label", "a b"]].concat());
    assert_eq!(label.status.code(), Some(2));
}

#[test]
fn a_cluster_that_is_not_there_is_two() {
    let output = serve(&["--address", "127.0.0.1:0", "--simulate", "--cluster-name", "elsewhere"]);
    assert_ends(&output, 2, "elsewhere");
}

#[test]
fn a_busy_port_is_one() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = serve(&[&CLUSTER[..], &["--address", &address]].concat());
    assert_ends(&output, 1, &address);
    assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 1);
}

#[test]
fn help_names_each_environment_variable() {
    let output = serve(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    let help = String::from_utf8_lossy(&output.stdout);
    for variable in
        ["MAGNUM_AUTOSCALER_ADDRESS", "OS_CLOUD", "MAGNUM_AUTOSCALER_SIMULATE", "MAGNUM_AUTOSCALER_CONFIG"]
    {
        assert!(help.contains(variable), "{variable}");
    }
}

#[cfg(feature = "kubernetes")]
#[test]
fn kubernetes_that_cannot_be_asked_is_two_and_says_what_is_missing() {
    let lookup = ["--simulate", "--address", "127.0.0.1:0", "--kube-lookup"];
    assert_ends(&serve(&lookup), 2, "KUBERNETES_SERVICE_HOST");
    let file = ["--kubeconfig", "/nonexistent/kubeconfig"];
    assert_ends(&serve(&[&lookup[..], &file].concat()), 2, "/nonexistent/kubeconfig");
}
