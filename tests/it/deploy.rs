//! What `deploy/` names has to exist: metrics in docs/metrics.md, runbooks in docs/troubleshooting.md, one version.

use std::{collections::BTreeSet, fs, path::Path};

use cluster_autoscaler_provider_magnum::cli::arguments::Arguments;
use regex_lite::Regex;
use serde_json::Value;

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn rules() -> Vec<Value> {
    let file: Value = serde_saphyr::from_str(&read("deploy/prometheus/alerts.yaml")).unwrap();
    let groups = file["groups"].as_array().unwrap();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

/// The queries of all panels.
fn queries() -> Vec<String> {
    let dashboard: Value =
        serde_json::from_str(&read("deploy/grafana/cluster-autoscaler-provider-magnum.json")).unwrap();
    let targets = |panel: &Value| panel["targets"].as_array().cloned().unwrap_or_default();
    let panels = dashboard["panels"].as_array().unwrap();
    panels.iter().flat_map(targets).map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

/// Metric names of a query: what is left of its words without label matchers, label lists, ranges, functions and
/// operators.
fn metrics_in(query: &str) -> BTreeSet<String> {
    let not_metrics = Regex::new(
        r#"\{[^}]*\}|\[[^\]]*\]|"[^"]*"|\b(by|on|without|ignoring|group_left|group_right)\s*\([^)]*\)|\b(and|or|unless|bool|offset)\b"#,
    )
    .unwrap();
    let bare = not_metrics.replace_all(query, " ").into_owned();
    let word = Regex::new(r"([A-Za-z_:][A-Za-z0-9_:]*)(\s*\()?").unwrap();
    word.captures_iter(&bare)
        .filter(|found| found.get(2).is_none())
        .map(|found| found[1].to_owned())
        .collect()
}

/// Whether docs/metrics.md has it, or the histogram that it is a part of.
fn is_documented(metric: &str, reference: &str) -> bool {
    let listed = |name: &str, kind: &str| reference.contains(&format!("| `{name}` | {kind}"));
    listed(metric, "")
        || ["_bucket", "_sum", "_count"]
            .iter()
            .any(|part| metric.strip_suffix(part).is_some_and(|name| listed(name, "histogram")))
}

#[test]
fn metric_names_are_found_in_queries() {
    let query = r#"histogram_quantile(0.9, sum by (le) (rate(a_bucket{x="b_c"}[5m]))) / on (job) d_e > 2 or vector(0)"#;
    assert_eq!(metrics_in(query), BTreeSet::from(["a_bucket".to_owned(), "d_e".to_owned()]));
    assert!(!is_documented("magnum_autoscaler_no_such_metric", &read("docs/metrics.md")));
    assert!(!is_documented("magnum_autoscaler_panics_total_bucket", &read("docs/metrics.md")));
}

#[test]
fn every_metric_of_alerts_and_dashboard_is_in_the_reference() {
    let reference = read("docs/metrics.md");
    let mut queries = queries();
    queries.extend(rules().iter().map(|rule| rule["expr"].as_str().unwrap().to_owned()));
    for query in queries {
        let metrics = metrics_in(&query);
        assert!(!metrics.is_empty(), "no metric in {query}");
        for metric in metrics {
            assert!(is_documented(&metric, &reference), "{metric} is not in docs/metrics.md: {query}");
        }
    }
}

#[test]
fn every_alert_has_a_runbook_and_tests() {
    let runbooks = read("docs/troubleshooting.md");
    let tests = read("deploy/prometheus/alerts_test.yaml");
    for rule in rules() {
        let name = rule["alert"].as_str().unwrap();
        assert!(runbooks.lines().any(|line| line == format!("### {name}")), "no runbook for {name}");
        let url = rule["annotations"]["runbook_url"].as_str().unwrap();
        assert_eq!(url, format!("docs/troubleshooting.md#{}", name.to_lowercase()));
        for case in ["is raised", "is not raised"] {
            assert!(tests.contains(&format!("- name: {name} {case}")), "no test that {name} {case}");
        }
    }
}

/// The command lines of this service in a manifest.
fn command_lines(manifest: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for text in manifest.split("\n---\n") {
        let object: Value = serde_saphyr::from_str(text).unwrap();
        let Some(containers) = object["spec"]["template"]["spec"]["containers"].as_array() else { continue };
        for container in containers.iter().filter(|container| container["name"] == "provider") {
            let arguments = container["args"].as_array().unwrap();
            found.push(arguments.iter().map(|argument| argument.as_str().unwrap().to_owned()).collect());
        }
    }
    found
}

#[test]
fn the_chart_starts_the_service_with_options_that_it_has() {
    let renders = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/helm/tests");
    let mut tried = BTreeSet::new();
    for file in fs::read_dir(renders).unwrap().map(|entry| entry.unwrap().path()) {
        if file.to_str().is_none_or(|name| !name.ends_with(".golden.yaml")) {
            continue;
        }
        let lines = command_lines(&fs::read_to_string(&file).unwrap());
        assert_eq!(lines.len(), 1, "{}", file.display());
        for line in lines {
            let words = ["cluster-autoscaler-provider-magnum".to_owned()].into_iter().chain(line.clone());
            let parsed = Arguments::definition().try_get_matches_from(words);
            assert!(parsed.is_ok(), "{}: {}", file.display(), parsed.unwrap_err());
            tried.extend(line.iter().map(|word| word.split('=').next().unwrap_or_default().to_owned()));
        }
    }
    for option in ["--resize-method", "--provider-id-prefix", "--config", "--kube-events", "--tls-cert"] {
        assert!(tried.contains(option), "no render has {option}");
    }
}

#[test]
fn binary_chart_image_and_changelog_have_one_version() {
    let version = env!("CARGO_PKG_VERSION");
    let chart = read("deploy/helm/cluster-autoscaler-provider-magnum/Chart.yaml");
    for line in [format!("version: {version}"), format!("appVersion: {version}")] {
        assert!(chart.lines().any(|present| present == line), "Chart.yaml has no line {line}");
    }
    let manifest = read("deploy/manifests/base/cluster-autoscaler.yaml");
    assert!(manifest.contains(&format!("/cluster-autoscaler-provider-magnum:{version}")));
    assert!(read("deploy/cluster-autoscaler-values.yaml").contains(&format!("-magnum:{version}")));
    assert!(
        read("CHANGELOG.md").contains(&format!("## {version}")),
        "CHANGELOG.md does not tell of {version}"
    );
}
