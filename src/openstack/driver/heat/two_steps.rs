//! Removals by an update of the Heat stack, for Magnums that cannot name nodes themselves.
//!
//! Such a removal has two steps: first Heat is told who goes and how many stay, then, when they are gone, Magnum is told
//! how many there are. In the other order Heat would take the newest nodes. Magnum never hears of the first step, so a
//! second one that is missing, after a restart say, shows as a difference between Heat's number and Magnum's. What else
//! differs like that, another's update of the stack or an old answer, must not be finished: Magnum's number is only set to
//! what Heat and Nova have, all of it, and only where the difference is that of a removal.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use super::{api::StackState, names::NOBODY};
use crate::{
    core::{
        cloud::CloudError,
        machine_id::MachineId,
        member::{Member, MemberKey, ServerPresence},
        resize::Resize,
        status::{Progress, Status},
    },
    openstack::magnum::{NodeGroupRecord, moment},
};

/// The names of the two parameters in Magnum's templates. A name that a template does not have is taken without a word
/// and does nothing, so they are looked for first.
const NAMES: [(&str, &str); 2] =
    [("number_of_minions", "minions_to_remove"), ("number_of_nodes", "nodes_to_remove")];

/// How far Magnum's clock may be ahead of Heat's.
const CLOCKS: SignedDuration = SignedDuration::from_secs(5);

/// What a stack was last asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    names: (&'static str, &'static str),
    /// How many members.
    pub(super) count: u32,
    /// The members that were named last. They stay named until others are.
    pub(super) removed: Vec<String>,
}

impl Request {
    /// Reads it from a stack's parameters; none where they are not those of Magnum's templates.
    pub(super) fn of(parameters: &Map<String, Value>) -> Option<Self> {
        let has = |(count, remove): &&(&'static str, &'static str)| {
            parameters.contains_key(*count) && parameters.contains_key(*remove)
        };
        let names = *NAMES.iter().find(has)?;
        let count = number(parameters.get(names.0)?)?;
        Some(Self { names, count, removed: parameters.get(names.1).map(list).unwrap_or_default() })
    }

    /// Whether a resize was reckoned from the count that the stack was told last, or is being sent again. An update that has
    /// failed may not have come to the nodes: then there are others than it was told.
    pub(super) fn fits(&self, resize: &Resize, status: &Status) -> bool {
        let removed = u32::try_from(resize.remove.len()).unwrap_or(u32::MAX);
        let before = (resize.count.checked_add(removed)).and_then(|sum| sum.checked_sub(resize.additions));
        before == Some(self.count) || resize.count == self.count || status.failed()
    }

    /// The parameters that ask for a resize.
    pub(super) fn parameters(&self, resize: &Resize) -> Value {
        let remove: Vec<String> = resize.remove.iter().map(|removal| removal.key.to_string()).collect();
        json!({self.names.0: resize.count, self.names.1: remove.join(",")})
    }
}

/// Parameters are shown as text.
fn number(value: &Value) -> Option<u32> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        value => value.as_u64().and_then(|number| u32::try_from(number).ok()),
    }
}

/// The members in a list as Heat shows it, `3,5`; or as Python writes it, `['3', '5']`.
fn list(value: &Value) -> Vec<String> {
    let clean =
        |item: &str| item.trim().trim_start_matches('u').trim_matches(['\'', '"', '[', ']', ' ']).to_owned();
    let items: Vec<String> = match value {
        Value::Array(items) => items.iter().filter_map(Value::as_str).map(clean).collect(),
        Value::String(text) => text.trim_matches(['[', ']']).split(',').map(clean).collect(),
        _ => Vec::new(),
    };
    items.into_iter().filter(|item| !item.is_empty() && item != NOBODY).collect()
}

/// How far a removal has come, by what is seen of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// There is none, or both steps are done.
    Rest,
    /// Heat is at the first step, or at anything else.
    HeatWorks,
    /// The first step is done, and Magnum is to be told that this many nodes are left.
    Unfinished(u32),
    /// Magnum's number is not Heat's, and no removal explains it.
    Differs,
}

/// Everything that tells.
#[derive(Debug)]
pub(super) struct Evidence<'a> {
    pub(super) stack: &'a StackState,
    pub(super) request: &'a Request,
    pub(super) magnum: &'a NodeGroupRecord,
    pub(super) members: &'a [Member],
    pub(super) servers: Option<&'a BTreeMap<MachineId, MemberKey>>,
    /// Whether the second step is Magnum's resize. A change of the cluster is the other way.
    pub(super) magnum_has_resize: bool,
    /// Whether this process asked Heat for this very count.
    pub(super) ours: bool,
}

impl Evidence<'_> {
    pub(super) fn standing(&self) -> Standing {
        let status = self.magnum.parsed_status();
        // Magnum's own update sets both numbers when it is done.
        if status.in_progress() || self.magnum.node_count == Some(self.request.count) {
            return if self.stack.status.in_progress() { Standing::HeatWorks } else { Standing::Rest };
        }
        if self.stack.status.in_progress() {
            return Standing::HeatWorks;
        }
        // Of a cluster that failed Magnum takes a resize and no other change, and it does not look whether Heat has mended it.
        let takes_count = status.progress == Progress::Complete
            || (self.magnum_has_resize && status.failed() && status.allows_resize());
        if !takes_count || !self.is_as_asked() || self.magnum_is_newer() {
            return Standing::Differs;
        }
        if self.ours || self.looks_like_a_removal() {
            Standing::Unfinished(self.request.count)
        } else {
            Standing::Differs
        }
    }

    /// Whether the group is what Heat was asked for, to Heat and to Nova: nobody too many, who would go with a lower
    /// number, and nobody missing, unless this process knows what it asked for: then a server that somebody deleted in Nova
    /// makes no difference. Where Heat made a failed member anew, the member's first server may still be there.
    fn is_as_asked(&self) -> bool {
        let counted: Vec<&Member> = self.members.iter().filter(|member| member.counted).collect();
        let Some(servers) = self.servers else { return false };
        u32::try_from(counted.len()) == Ok(self.request.count)
            && self.members.len() == counted.len()
            && servers.values().all(|key| counted.iter().any(|member| member.key == *key))
            && (self.ours || counted.iter().all(|member| member.presence == ServerPresence::Present))
    }

    /// Whether the difference is what is left of a removal that another process began: Heat was told who goes, they are
    /// gone, and they are as many as Magnum has too many.
    fn looks_like_a_removal(&self) -> bool {
        let named = &self.request.removed;
        let is = |member: &Member, name: &String| {
            member.key.to_string() == *name || member.server.is_some_and(|server| server.to_string() == *name)
        };
        let gone = named.iter().all(|name| !self.members.iter().any(|member| is(member, name)));
        let too_many = self.magnum.node_count.and_then(|count| count.checked_sub(self.request.count));
        let explained =
            too_many.is_some_and(|more| usize::try_from(more).is_ok_and(|more| more <= named.len()));
        gone && explained && !named.is_empty()
    }

    /// Whether somebody else has resized the group since, and Heat's answer is of before.
    fn magnum_is_newer(&self) -> bool {
        match (self.magnum.written_at(), moment(&self.stack.updated_time)) {
            (Some(magnum), Some(heat)) => magnum.duration_since(heat) > CLOCKS,
            _ => false,
        }
    }
}

/// Why a stack cannot be updated.
pub(super) fn foreign_template(group: &str) -> CloudError {
    let known: Vec<String> = NAMES.iter().map(|(count, remove)| format!("{count} and {remove}")).collect();
    CloudError::Unsuitable(format!(
        "the Heat stack of node group {group} has none of the parameters by which Magnum's templates are resized ({}), so no \
         node is removed; use --resize-method magnum where Magnum has a resize",
        known.join("; ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{failure::Reason, resize::Removal};

    fn server(number: u32) -> MachineId {
        MachineId::from_uuid(uuid::Uuid::from_u128(number.into()))
    }

    fn member(index: u32) -> Member {
        Member {
            key: MemberKey::Index(index),
            name: format!("s-minion-{index}"),
            server: Some(server(index)),
            presence: ServerPresence::Present,
            counted: true,
            status: Status::parse("UPDATE_COMPLETE"),
            reason: Reason::default(),
        }
    }

    struct Case {
        members: Vec<u32>,
        /// Numbers of servers; the last digit is the index in the name.
        nova: Option<Vec<u32>>,
        heat: (&'static str, u32, &'static str),
        heat_at: &'static str,
        magnum: (&'static str, u32),
        magnum_has_resize: bool,
        ours: bool,
        /// Whose server somebody deleted in Nova.
        gone: Option<u32>,
    }

    impl Case {
        /// Three of four nodes are left; number 2 was removed, and Magnum has not heard of it.
        fn new() -> Self {
            Self {
                members: vec![0, 1, 3],
                nova: Some(vec![0, 1, 3]),
                heat: ("UPDATE_COMPLETE", 3, "2"),
                heat_at: "2026-11-22T07:28:33Z",
                magnum: ("UPDATE_COMPLETE", 4),
                magnum_has_resize: true,
                ours: false,
                gone: None,
            }
        }

        fn standing(&self) -> Standing {
            let parameters =
                json!({"number_of_minions": self.heat.1.to_string(), "minions_to_remove": self.heat.2});
            let stack = StackState {
                status: Status::parse(self.heat.0),
                reason: String::new(),
                updated_time: self.heat_at.to_owned(),
                parameters: parameters.as_object().unwrap().clone(),
            };
            let magnum = serde_json::from_value(json!({
                "uuid": "531cd801-d372-468e-b865-e775c513c86f", "name": "g", "status": self.magnum.0,
                "node_count": self.magnum.1, "updated_at": "2026-11-22T07:28:00+00:00",
            }))
            .unwrap();
            let mut members: Vec<Member> = self.members.iter().copied().map(member).collect();
            for member in &mut members {
                if member.server == self.gone.map(server) {
                    member.presence = ServerPresence::Gone;
                }
            }
            let nova = |number: &u32| (server(*number), MemberKey::Index(*number % 10));
            let servers = self.nova.as_ref().map(|nova_has| nova_has.iter().map(nova).collect());
            Evidence {
                stack: &stack,
                request: &Request::of(&stack.parameters).unwrap(),
                magnum: &magnum,
                members: &members,
                servers: servers.as_ref(),
                magnum_has_resize: self.magnum_has_resize,
                ours: self.ours,
            }
            .standing()
        }
    }

    #[test]
    fn an_unfinished_removal_is_known_by_what_it_left() {
        assert_eq!(Case::new().standing(), Standing::Unfinished(3));
        assert_eq!(Case { magnum: ("UPDATE_COMPLETE", 3), ..Case::new() }.standing(), Standing::Rest);
        assert_eq!(
            Case { heat: ("UPDATE_FAILED", 3, "2"), ..Case::new() }.standing(),
            Standing::Unfinished(3)
        );
        assert_eq!(
            Case { heat: ("UPDATE_IN_PROGRESS", 3, "2"), ..Case::new() }.standing(),
            Standing::HeatWorks
        );
        // Magnum never hears that Heat has mended what failed before.
        assert_eq!(Case { magnum: ("UPDATE_FAILED", 4), ..Case::new() }.standing(), Standing::Unfinished(3));
        // A server in ERROR that Heat made anew is there until the next update of the stack.
        assert_eq!(Case { nova: Some(vec![0, 1, 3, 13]), ..Case::new() }.standing(), Standing::Unfinished(3));
        let ours = Case { heat: ("UPDATE_COMPLETE", 3, ""), ours: true, ..Case::new() };
        assert_eq!(ours.standing(), Standing::Unfinished(3));
        let deleted = Case { nova: Some(vec![0, 1]), gone: Some(3), ours: true, ..Case::new() };
        assert_eq!(deleted.standing(), Standing::Unfinished(3), "Heat has it still");
    }

    #[test]
    fn what_may_be_another_resize_is_left_alone() {
        for (what, case) in [
            ("nobody was named", Case { heat: ("UPDATE_COMPLETE", 3, ""), ..Case::new() }),
            ("more are missing than were named", Case { magnum: ("UPDATE_COMPLETE", 5), ..Case::new() }),
            ("Magnum has fewer", Case { magnum: ("UPDATE_COMPLETE", 2), ..Case::new() }),
            ("Magnum's record is newer", Case { heat_at: "2026-11-22T07:27:00", ..Case::new() }),
            (
                "Magnum's record is newer than ours",
                Case { heat_at: "2026-11-22T07:27:00", ours: true, ..Case::new() },
            ),
            (
                "Magnum takes no count",
                Case { magnum: ("UPDATE_FAILED", 4), magnum_has_resize: false, ..Case::new() },
            ),
            ("the named one is there", Case { heat: ("UPDATE_COMPLETE", 3, "1"), ..Case::new() }),
            ("Nova has one that Heat does not know", Case { nova: Some(vec![0, 1, 3, 4]), ..Case::new() }),
            ("one is missing", Case { nova: Some(vec![0, 1]), gone: Some(3), ..Case::new() }),
            ("Nova is silent", Case { nova: None, ours: true, ..Case::new() }),
            (
                "the stack is not as asked",
                Case { heat: ("UPDATE_COMPLETE", 2, "2"), ours: true, ..Case::new() },
            ),
        ] {
            assert_eq!(case.standing(), Standing::Differs, "{what}");
        }
        let of_magnum = Case { magnum: ("UPDATE_IN_PROGRESS", 4), ..Case::new() };
        assert_eq!(of_magnum.standing(), Standing::Rest);
    }

    #[test]
    fn parameters_are_found_by_their_names() {
        let of = |value: Value| Request::of(value.as_object().unwrap());
        let request = of(json!({"number_of_minions": "3", "minions_to_remove": ""})).unwrap();
        assert_eq!((request.count, request.removed.len()), (3, 0));
        for text in ["2,5", "['2', '5']", "[u'2', u'5']"] {
            let request = of(json!({"number_of_minions": 3, "minions_to_remove": text})).unwrap();
            assert_eq!(request.removed, ["2", "5"], "{text}");
        }
        assert_eq!(of(json!({"number_of_minions": "3"})), None);
        assert_eq!(of(json!({})), None);
        let remove =
            [2, 11].map(|index| Removal { key: MemberKey::Index(index), server: Some(server(index)) });
        let resize = Resize { count: 2, remove: remove.into(), additions: 0 };
        let fits = |told: u32, resize: &Resize, status: &str| {
            Request { count: told, ..request.clone() }.fits(resize, &Status::parse(status))
        };
        assert!(!fits(3, &resize, "UPDATE_COMPLETE"));
        assert!(fits(4, &resize, "UPDATE_COMPLETE"), "as planned");
        assert!(fits(2, &resize, "UPDATE_COMPLETE"), "sent again");
        assert!(fits(3, &Resize { additions: 1, ..resize.clone() }, "UPDATE_COMPLETE"));
        assert!(!fits(6, &resize, "UPDATE_COMPLETE"));
        assert!(fits(6, &resize, "UPDATE_FAILED"), "two never came");
        assert!(fits(3, &resize, "UPDATE_FAILED"), "one never went");
        assert_eq!(request.parameters(&resize), json!({"number_of_minions": 2, "minions_to_remove": "2,11"}));
    }
}
