//! What can be done to a group, which differs between the drivers behind Magnum.

use std::sync::Arc;

/// What becomes of the members that a resize names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum NamedRemoval {
    /// They go, and no others.
    #[default]
    Exact,
    /// The driver takes whichever it likes, and the operator accepts it: only the number of nodes counts.
    Untargeted,
    /// The driver takes whichever it likes, so that none may be named. Why, and what to do instead.
    Refused(Arc<str>),
}

/// What a group's driver is and can do, found by looking at the cloud.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// What was found, for people: the driver, versions, forms. Empty where there is nothing to tell.
    pub summary: String,
    /// Who tells which members there are, for messages: Heat, or Nova alone.
    pub source: MemberSource,
    /// Why the group takes no resize at all; none where it does.
    pub no_resize: Option<Arc<str>>,
    /// What becomes of named members.
    pub removal: NamedRemoval,
}

/// Who tells which members a group has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum MemberSource {
    /// Heat; Nova's list of servers is a second witness.
    #[default]
    Heat,
    /// Nova's list of servers, which is no second witness then.
    Nova,
}

impl MemberSource {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Heat => "Heat",
            Self::Nova => "Nova",
        }
    }
}
