//! What cluster-autoscaler does next.

use std::fmt;

/// One thing that it does, or does not do, for a reason that lies in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It asks for nodes.
    ScaleUp { group: String, by: i32 },
    /// It deletes instances by these names; `why` is `unregistered`, `failed` or `idle`.
    Delete { group: String, why: &'static str, names: Vec<String>, accepted: bool },
    /// It lowers the target of what it takes for nodes that never came.
    Lower { group: String, by: i32, accepted: bool },
    /// It asks nothing more of the group for some minutes.
    BackOff { group: String, why: String },
    /// No group can be scaled up for these pods.
    NoScaleUp(String),
    /// Nodes of the group cannot be scaled down.
    NoScaleDown(String),
    /// The loop ends before its end, for all groups.
    LoopEnds(String),
    /// The process ends.
    Crash(&'static str),
}

impl Step {
    /// Whether it counts each time that it happens; of anything else it matters that it does.
    pub fn counts(&self) -> bool {
        matches!(self, Self::ScaleUp { .. } | Self::Delete { accepted: true, .. })
    }
}

/// The group's name; its id is another in each run.
fn name(group: &str) -> &str {
    group.rsplit_once('-').map_or(group, |(name, _)| name)
}

fn refused(accepted: bool) -> &'static str {
    if accepted { "" } else { " refused" }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ScaleUp { group, by } => write!(f, "{} +{by}", name(group)),
            Self::Delete { group, why, names, accepted } => {
                write!(f, "deletes {} {why} of {}{}", names.len(), name(group), refused(*accepted))
            }
            Self::Lower { group, by, accepted } => {
                write!(f, "lowers {} by {by}{}", name(group), refused(*accepted))
            }
            Self::BackOff { group, why } => write!(f, "backs off {} ({why})", name(group)),
            Self::NoScaleUp(why) => write!(f, "no scale-up ({why})"),
            Self::NoScaleDown(why) => write!(f, "no scale-down ({why})"),
            Self::LoopEnds(why) => write!(f, "loop ends ({why})"),
            Self::Crash(why) => write!(f, "crashes ({why})"),
        }
    }
}
