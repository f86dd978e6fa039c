//! The simulated cloud against recorded answers of a real one and against what was observed of it.

// `cfg(test)` tells clippy that helpers are test code as well.
#[cfg(test)]
mod behaviour;
#[cfg(test)]
mod client;
#[cfg(test)]
mod events;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod independence;
#[cfg(test)]
mod machines;
#[cfg(test)]
mod profiles;
#[cfg(test)]
mod transcripts;
