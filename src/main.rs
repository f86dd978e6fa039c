//! The binary; everything is in the library.

use std::process::ExitCode;

use cluster_autoscaler_provider_magnum::cli;

fn main() -> ExitCode {
    cli::run()
}
