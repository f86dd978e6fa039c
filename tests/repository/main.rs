//! Rules of the source tree that the compiler does not check: which module may use which, what the core may use, and
//! that comments cite what is there.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a panic is the failure report"
)]

mod circles;
mod citations;
mod core_purity;
mod heads;
mod layers;
mod paths;
mod sources;
