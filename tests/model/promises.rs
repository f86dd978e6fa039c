//! What callers were told, and whether it is kept (docs/behaviour.md, What holds).

use std::hash::{Hash, Hasher};

use cluster_autoscaler_provider_magnum::core::{
    cloud::Reading,
    instance::InstanceId,
    member::ServerPresence,
    node_group::Bounds,
    resize::{InFlightResize, Removal, Resize},
};

use crate::{
    cloud::{Cloud, Slot},
    numbers::Set,
    reading::machine,
};

/// Whose resize it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Author {
    /// The process that runs.
    Own,
    /// One that was killed.
    Before,
    /// A person.
    Operator,
}

/// What nobody can prevent; docs/behaviour.md, What it cannot prevent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Exception {
    /// Somebody else's own resize took a node.
    OperatorsOwn,
    /// Somebody else's resize and one of the service met.
    OperatorsRace,
    /// A resize from before a restart, which nothing showed, was carried out.
    StoppedConductor,
    /// All services answered as before a change, for too long or hiding one that is not the service's own.
    OldAnswers,
}

impl Exception {
    pub(crate) const ALL: [Self; 4] =
        [Self::OperatorsOwn, Self::OperatorsRace, Self::StoppedConductor, Self::OldAnswers];

    /// The sentence that admits it.
    pub(crate) const fn sentence(self) -> &'static str {
        match self {
            Self::OperatorsOwn => "Do not resize by hand a group that is being scaled.",
            Self::OperatorsRace => {
                "If somebody else resizes the same group between the service's reading and its request (some tenths of a \
                 second), the later one wins."
            }
            Self::StoppedConductor => {
                "The same holds for a resize that waits for a stopped conductor while this service is restarted: nothing \
                 shows it, and it is carried out, with its own count, when the conductor is back."
            }
            Self::OldAnswers => {
                "If it hides somebody else's resize, or one from before a restart, or lasts longer, the next resize is \
                 calculated from too few or too many nodes."
            }
        }
    }

    /// What comes of a resize by `author` that is carried out between the reading and the carrying out of one by another.
    pub(crate) const fn between(author: Author, other: Author) -> Option<Self> {
        match (author, other) {
            (Author::Own, Author::Own)
            | (Author::Before, Author::Before)
            | (Author::Operator, Author::Operator) => None,
            (Author::Operator, _) | (_, Author::Operator) => Some(Self::OperatorsRace),
            (Author::Before, Author::Own) | (Author::Own, Author::Before) => Some(Self::StoppedConductor),
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Wish {
    Increase,
    Decrease,
    /// These servers and, by their index, members without one.
    Delete {
        servers: Set,
        members: Set,
    },
    /// A server that nobody has.
    Stranger,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Fate {
    Waiting,
    Acknowledged,
    Refused,
    /// The caller hung up or the process was killed: anything may come of it.
    Unheard,
}

/// One request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) wish: Wish,
    pub(crate) fate: Fate,
    /// Whether the process that acknowledged it was killed since: what it had not sent is forgotten.
    pub(crate) is_old: bool,
}

/// What was refused is as if it had never been asked.
impl Hash for Call {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self { wish, fate, is_old } = self;
        fate.hash(hasher);
        if *fate != Fate::Refused {
            (wish, is_old).hash(hasher);
        }
    }
}

/// All that was asked and told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Promises {
    pub(crate) calls: Vec<Call>,
    /// Servers of which was told that they will not be removed, since their removal was last acknowledged.
    pub(crate) dropped: Set,
    /// Whether the count cannot be told from the calls any more: somebody else had a hand in it.
    pub(crate) is_disturbed: bool,
    /// Why what the machine knows may be overtaken.
    pub(crate) basis: Option<Exception>,
    /// Why what all services hide together can be known to nobody.
    pub(crate) hidden: Option<Exception>,
}

impl Promises {
    /// The servers, and the members without one, that a call named which was not refused.
    pub(crate) fn named(&self) -> (Set, Set) {
        let mut named = (Set::default(), Set::default());
        for call in self.calls.iter().filter(|call| call.fate != Fate::Refused) {
            if let Wish::Delete { servers, members } = call.wish {
                named = (named.0.union(servers), named.1.union(members));
            }
        }
        named
    }

    /// Whether nodes may be called off that never came.
    fn may_cancel(&self) -> bool {
        let mut calls = self.calls.iter();
        calls.any(|call| call.wish == Wish::Decrease && call.fate != Fate::Refused)
    }

    /// I1, for a member that Heat takes.
    pub(crate) fn judge_removal(&self, slot: &Slot, cloud: &Cloud) -> Result<Option<Exception>, String> {
        let (servers, members) = self.named();
        let update = &cloud.update;
        let is_gone = slot.server.is_some_and(|server| !cloud.told.nova.contains(server));
        let by_index = update.remove.contains(slot.index)
            && (members.contains(slot.index) || ((update.cancels || is_gone) && self.may_cancel()));
        if by_index || slot.server.is_some_and(|server| servers.contains(server)) {
            return Ok(None);
        }
        match (update.author, update.excuse) {
            (_, Some(excuse)) => Ok(Some(excuse)),
            (Author::Operator, None) => Ok(Some(Exception::OperatorsOwn)),
            // What never had a server and goes with the count was no node yet.
            (_, None) => Err(match slot.server {
                Some(server) => format!("I1: server {server} goes, and nobody named it"),
                None => format!("I1: member {} goes, and nobody named it", slot.index),
            }),
        }
    }

    /// I2, for a resize by `flight` after `reading`.
    pub(crate) fn judge_resize(
        &self,
        flight: &InFlightResize,
        reading: &Reading,
        bounds: Bounds,
    ) -> Result<(), String> {
        let Resize { count, remove, additions } = &flight.resize;
        if !bounds.contain(*count) {
            return Err(format!("I2: {count} nodes are asked for, outside of {bounds}"));
        }
        if flight.losses > 0 {
            let named = reading.counted().filter(|member| flight.resize.removes(member)).count();
            let others = reading.counted().count() - named;
            return if u32::try_from(others).is_ok_and(|others| others <= *count) {
                Ok(())
            } else {
                Err(format!("I2: a lost resize to {count} is repeated over {others} other members"))
            };
        }
        let (servers, members) = self.named();
        for removal in remove {
            let Some(member) = reading.counted().find(|member| Removal::of(member) == *removal) else {
                return Err(format!("I2: member {} is removed and was not read", removal.key));
            };
            let has_server = member.server.is_some() && member.presence != ServerPresence::Gone;
            // A member that was named for want of a server may have had one since that is gone.
            let is_named = servers.iter().any(|named| Some(machine(named)) == member.server)
                || !has_server && members.iter().any(|named| member.key.to_string() == named.to_string());
            if !(is_named || member.is_serverless() && self.may_cancel()) {
                return Err(format!("I1: member {} is sent for removal, and nobody named it", removal.key));
            }
        }
        let size = i64::from(reading.size());
        let removed = i64::try_from(remove.len()).unwrap_or(i64::MAX);
        if i64::from(*count) != size - removed + i64::from(*additions) {
            return Err(format!(
                "I2: {count} nodes are asked for: {size} members, {removed} removals, {additions} additions"
            ));
        }
        Ok(())
    }

    /// Takes note that a removal that was acknowledged will not be carried out,.
    pub(crate) fn drop(&mut self, ids: &[(Option<String>, InstanceId)]) {
        for server in 0..32 {
            let named = InstanceId::Server(machine(server));
            if ids.iter().any(|(_, id)| *id == named) {
                self.dropped.insert(server);
            }
        }
    }

    /// Takes note of a reading for the machine. `hides` is why something may be missing in it that nobody can know of, and
    /// `shown` are the servers that it tells of.
    pub(crate) fn note_reading(&mut self, hides: Option<Exception>, shown: Set) {
        self.basis = hides;
        if hides.is_some() {
            self.is_disturbed = true;
            // What is not told of counts as gone.
            self.dropped = self.dropped.union(Set(!shown.0));
        }
    }

    /// The last word to a caller. Returns whether it is the first as well.
    pub(crate) fn answer(&mut self, caller: usize, is_ok: bool) -> bool {
        let Some(call) = self.calls.get_mut(caller) else { return false };
        let is_first = call.fate == Fate::Waiting;
        call.fate = if is_ok { Fate::Acknowledged } else { Fate::Refused };
        if let (true, Wish::Delete { servers, .. }) = (is_ok, call.wish) {
            self.dropped = Set(self.dropped.0 & !servers.0);
        }
        is_first
    }

    /// What must hold once nothing happens any more. `start` is how many nodes there were at first, `failed` how many the
    /// machine shows as failed.
    pub(crate) fn judge_end(&self, cloud: &Cloud, start: u8, failed: usize) -> Result<(), String> {
        let waits = |call: &Call| call.fate == Fate::Waiting;
        if self.calls.iter().any(waits) {
            return Err("I4: a caller was forgotten".to_owned());
        }
        let members = &cloud.told.heat.members;
        let is_there = |server: u8| members.iter().any(|slot| slot.counts() && slot.server == Some(server));
        let mut gone = Set::default();
        let (mut sure, mut increases) = (!self.is_disturbed, 0);
        for call in &self.calls {
            let is_sure = call.fate == Fate::Refused || (call.fate == Fate::Acknowledged && !call.is_old);
            sure &= is_sure && call.wish != Wish::Decrease;
            if call.fate != Fate::Acknowledged || call.is_old {
                continue;
            }
            match call.wish {
                Wish::Increase => increases += 1,
                Wish::Delete { servers, members } => {
                    sure &= members == Set::default();
                    gone = gone.union(servers);
                }
                Wish::Decrease => {}
                Wish::Stranger => return Err("I9: a stranger was accepted".to_owned()),
            }
        }
        if let Some(server) = gone.iter().find(|server| is_there(*server) && !self.dropped.contains(*server))
        {
            return Err(format!("I4: server {server} is still there, and its removal was acknowledged"));
        }
        let counted = members.iter().filter(|slot| slot.counts()).count();
        let left = gone.iter().filter(|server| !is_there(*server)).count();
        let expected = usize::from(start) + increases;
        // No more than asked for, and what is missing shows as failed. What was told to have failed may come all the same.
        let come = counted + left;
        if sure && !(come..=come + failed).contains(&expected) {
            return Err(format!(
                "I3, I4: {counted} nodes are there, {left} left and {failed} show as failed; {expected} there were to be in all"
            ));
        }
        Ok(())
    }
}
