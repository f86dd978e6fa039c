//! What can be done to a group, which differs between the drivers behind Magnum.

use std::sync::Arc;

use super::pending::Request;

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
    /// Why the group cannot become larger now; none where it can.
    pub no_increase: Option<Arc<str>>,
    /// What becomes of named members.
    pub removal: NamedRemoval,
    /// Whether nodes are added in another way than they are removed, so that no resize does both.
    pub adds_apart: bool,
    /// Whether Magnum was told of a removal, or is to be told, and has not acted on it: it may do so at any time, however the
    /// group was resized meanwhile.
    pub awaits_magnum: bool,
}

impl Capabilities {
    /// Whether one resize can remove members and add others. Cluster API deletes a marked machine only when there is one too many
    /// (docs/openstack-behaviour.md#cluster-api-drivers): with a count that stays, the machine stays too, and its mark makes it
    /// go in the place of the next one that is named.
    #[must_use]
    pub fn exchanges_members(&self) -> bool {
        self.source == MemberSource::Heat
    }

    /// Whether one resize can carry out a request, and all that follow it.
    #[must_use]
    pub fn mixes_requests(&self) -> bool {
        self.exchanges_members() && !self.adds_apart
    }

    /// Whether the resize that begins with `first` and has `last` can carry out the next request as well. A decrease takes
    /// back what was not sent yet, so that it may go with an increase in front of it; it may take members as well, so that no
    /// increase follows it.
    #[must_use]
    pub fn go_together(&self, first: &Request, last: &Request, next: &Request) -> bool {
        let removes = |request: &Request| matches!(request, Request::Delete(_));
        let adds = |request: &Request| matches!(request, Request::Increase(_));
        let exchange = (adds(first) && removes(next)) || (!adds(last) && adds(next));
        (self.exchanges_members() || removes(first) == removes(next)) && !(self.adds_apart && exchange)
    }

    /// Why a request of this kind cannot be carried out; none where it can.
    #[must_use]
    pub fn obstacle(&self, request: &Request) -> Option<&Arc<str>> {
        let of_kind = match (request, &self.removal) {
            (Request::Increase(_), _) => self.no_increase.as_ref(),
            (Request::Delete(_), NamedRemoval::Refused(reason)) => Some(reason),
            (Request::Delete(_) | Request::Decrease(_), _) => None,
        };
        self.no_resize.as_ref().or(of_kind)
    }
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
