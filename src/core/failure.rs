//! Why something failed, in the cloud's words and sorted by what follows from it.

use std::fmt;

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The project's quota is used up.
    Quota,
    /// No host has room for the node.
    NoHost,
    /// The server runs and its set-up failed.
    Deployment,
    /// It took too long.
    TimedOut,
    /// The driver's record of the node is gone.
    RecordMissing,
    /// Another update took its place; what was interrupted goes on in that.
    Interrupted,
    /// Anything else.
    #[default]
    Other,
}

/// A reason as the cloud gives it, sorted by the driver, which knows the words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Reason {
    /// What kind of failure it is, if it is one.
    pub kind: FailureKind,
    /// The cloud's own words.
    pub text: String,
    /// The same without what differs from node to node: ids and places.
    pub general: String,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
