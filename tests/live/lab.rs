//! The lab's knobs: a cloud whose quota, nodes and services the tests may break.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::process::Command;

/// The lab that `LIVE_LAB` names, a script that takes `env`, `quota N` and `reset`.
pub(crate) struct Lab {
    script: PathBuf,
}

impl Lab {
    pub(crate) fn at(script: PathBuf) -> Self {
        Self { script }
    }

    /// Runs the script; its output.
    async fn run(&self, arguments: &[&str]) -> String {
        let output = Command::new(&self.script)
            .args(arguments)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .unwrap_or_else(|error| panic!("{}: {error}", self.script.display()));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "lab {arguments:?}: {}\n{text}{errors}", output.status);
        text
    }

    /// What `lab env` says.
    async fn variable(&self, name: &str) -> PathBuf {
        let text = self.run(&["env"]).await;
        let variables: BTreeMap<_, _> =
            text.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('=')).collect();
        PathBuf::from(variables.get(name).unwrap_or_else(|| panic!("lab env has no {name}")))
    }

    /// The number of servers that the project may have.
    pub(crate) async fn quota(&self, servers: usize) {
        self.run(&["quota", &servers.to_string()]).await;
    }

    /// One node in each group, and no fault left.
    pub(crate) async fn reset(&self) {
        self.run(&["reset"]).await;
    }

    /// What becomes of the nodes that are made from now on: lines like `GLOB hang`.
    pub(crate) async fn node_rules(&self, rules: &[String]) {
        let file = self.variable("LAB_NODE_RULES").await;
        fs::create_dir_all(file.parent().unwrap_or(Path::new("/"))).expect("the folder of the rules");
        fs::write(&file, rules.join("\n") + "\n").expect("the file of the rules");
    }
}
