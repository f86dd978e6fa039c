//! The openstack command line in an environment of its own below the target directory.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Lines, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::Value;

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: i64,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Outcome {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Makes a Python environment with these versions of the clients, once; `None`, and a line that says why, where that
/// cannot be done.
pub(crate) fn install(name: &str, magnumclient: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("openstack-clients").join(name);
    let python = folder.join("bin/python3");
    let done = folder.join("installed");
    if done.exists() {
        return Some(python);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    let packages = ["python-openstackclient", "python-heatclient", magnumclient];
    let pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--retries",
        "1",
        "--timeout",
        "10",
    ];
    run(Command::new(&python).args(pip).args(packages))?;
    std::fs::write(done, "").unwrap();
    Some(python)
}

fn run(command: &mut Command) -> Option<()> {
    let why = match command.output() {
        Ok(output) if output.status.success() => return Some(()),
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim_end().to_owned(),
        Err(error) => error.to_string(),
    };
    let program = command.get_program().to_string_lossy();
    println!("skipped: the openstack command line cannot be had here: {program}: {why}");
    None
}

/// The command line, ready for one command after another.
#[derive(Debug)]
pub(crate) struct Client {
    process: Child,
    commands: ChildStdin,
    outcomes: Lines<BufReader<ChildStdout>>,
}

impl Client {
    pub(crate) fn start(python: &Path, environment: &BTreeMap<String, String>) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/openstack_clients/run.py");
        let mut process = Command::new(python)
            .arg(script)
            .env_clear()
            .envs(environment)
            .env("HOME", env!("CARGO_TARGET_TMPDIR"))
            // `coe cluster config` asks for it.
            .env("SHELL", "/bin/sh")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = process.stdin.take().unwrap();
        let outcomes = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, commands, outcomes }
    }

    /// Runs one command, words separated by single spaces.
    pub(crate) fn run(&mut self, line: &str) -> Outcome {
        let words: Vec<&str> = line.split(' ').collect();
        writeln!(self.commands, "{}", serde_json::to_string(&words).unwrap()).unwrap();
        let outcome = self.outcomes.next().expect("the command line ended").unwrap();
        let outcome: Value = serde_json::from_str(&outcome).unwrap();
        let text = |field: &str| outcome[field].as_str().unwrap().to_owned();
        Outcome { code: outcome["code"].as_i64().unwrap(), out: text("out"), err: text("err") }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
