//! The command `demo`: the simulator, the service, and a story of cluster-autoscaler played on them.
//!
//! - [`stage`]: the simulator and the service in front of it
//! - [`story`]: what happens, step by step, and whether it is as it should be
//! - [`autoscaler`]: the gRPC calls that cluster-autoscaler would make
//! - [`requests`]: what the service asks OpenStack to change
//! - [`servers`]: Nova's list of servers
//! - [`nodes`]: the nodes of a group and how they change
//! - [`screen`]: what is shown
//! - [`error`]: why it ended before its end

pub mod autoscaler;
pub mod error;
pub mod nodes;
pub mod requests;
pub mod screen;
pub mod servers;
pub mod stage;
pub mod story;

use self::{error::DemoError, screen::Screen, stage::Stage, story::Story};
use super::{error::StartError, signals::StopSignals, simulator_arguments::DemoArguments};

/// Plays the story to its end.
///
/// # Errors
/// When something is not as it should be, when the time is up, or when it is stopped.
pub async fn demo(arguments: &DemoArguments) -> Result<(), StartError> {
    let mut signals = StopSignals::listen()?;
    let mut stage = Stage::start(arguments.node_boot_time).await?;
    // The lines of a log would break a view that is drawn anew.
    let screen = Screen::new(arguments.log_level.is_none());
    let story = Story::new(&stage.cloud, stage.service.address, screen, arguments.time_limit)?;
    let ended = tokio::select! {
        ended = story.play() => ended,
        signal = signals.next() => Err(DemoError::Stopped(signal)),
        error = stage.service.failure() => Err(error.into()),
    };
    Ok(ended?)
}
