//! The simulated cloud against recorded answers of a real one and against what was observed of it.

mod behaviour;
mod client;
mod events;
mod faults;
mod independence;
mod machines;
mod profiles;
mod transcripts;
