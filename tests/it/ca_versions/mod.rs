//! What each version of cluster-autoscaler does next, given the service's answers.
//!
//! `cargo test --test it ca_versions:: -- --nocapture` prints the table. It is our knowledge of cluster-autoscaler, with its
//! sources; what a real one does was seen apart from it.

mod autoscaler;
mod client;
mod cluster;
mod readings;
mod registry;
mod scaling;
mod scene;
mod situations;
mod step;
mod version;
mod wire;

use self::{situations::SITUATIONS, version::VERSIONS};

#[tokio::test(start_paused = true)]
async fn every_version_does_what_it_should() {
    let mut table = Vec::new();
    let mut wrong = Vec::new();
    for situation in SITUATIONS {
        let mut cells: Vec<String> = Vec::new();
        for version in &VERSIONS {
            let (told, expected) = ((situation.play)(version).await, (situation.expected)(version));
            if told != expected {
                wrong.push(format!(
                    "{} in {}: {told}\n    and should: {expected}",
                    version.name, situation.name
                ));
            }
            cells.push(if told == expected { told } else { format!("✗ {told}") });
        }
        table.push(line(situation.name, &cells));
    }
    let heading = line("", &VERSIONS.each_ref().map(|version| version.name.to_owned()));
    println!("{heading}\n{}|", "|---".repeat(VERSIONS.len() + 1));
    println!("{}", table.join("\n"));
    assert!(wrong.is_empty(), "{} cells are wrong (✗):\n{}", wrong.len(), wrong.join("\n"));
}

/// A line of the table; a cell like the one before it is `=`.
fn line(name: &str, cells: &[String]) -> String {
    let mut line = format!("| {name} |");
    let mut previous = "";
    for cell in cells {
        line += &format!(" {} |", if cell == previous { "=" } else { cell.as_str() });
        previous = cell;
    }
    line
}
