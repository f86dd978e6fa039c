//! A trace in plain sentences.

use cluster_autoscaler_provider_magnum::core::{lifecycle::Work, pending::Ticket, request::RequestError};

use crate::{
    action::Action,
    cloud::{Cast, Slot, Stage, Witness},
    promises::{Author, Wish},
    situation::Situation,
};

/// What happens, before it does.
pub(crate) fn of(action: Action, situation: &Situation) -> String {
    let cloud = &situation.cloud;
    match action {
        Action::Ask(wish) => format!("Caller {} asks {}.", situation.promises.calls.len() + 1, of_wish(wish)),
        Action::CallerOutOfTime => "The time of the caller is up.".to_owned(),
        Action::CallerGone => "The caller hangs up.".to_owned(),
        Action::Read => format!("The service reads the group: {}.", of_reading(situation)),
        Action::ReadFails => "The service cannot read the group.".to_owned(),
        Action::Accept => format!("The service sends a resize {}; Magnum answers 202.", of_resize(situation)),
        Action::Refuse => format!("The service sends a resize {}; Magnum refuses it.", of_resize(situation)),
        Action::LoseRequest => format!("The service sends a resize {}, which is lost.", of_resize(situation)),
        Action::LoseAnswer => {
            format!(
                "The service sends a resize {}; Magnum hears it, and its answer is lost.",
                of_resize(situation)
            )
        }
        Action::LoseCast => {
            format!("The service sends a resize {}; Magnum answers 202 and forgets it.", of_resize(situation))
        }
        Action::Observe => format!("The service looks at the cluster: {}.", of_reading(situation)),
        Action::TimePasses if situation.machine.work() == Work::Nothing => "A long time passes.".to_owned(),
        Action::TimePasses => "A moment passes.".to_owned(),
        Action::Conduct => format!("The conductor carries out {}.", of_cast(cloud.casts.first())),
        Action::ConductDropped => {
            format!("The conductor carries out {}; Heat drops the update.", of_cast(cloud.casts.first()))
        }
        Action::ConductRefused => {
            format!("The conductor carries out {}; Heat refuses the update.", of_cast(cloud.casts.first()))
        }
        Action::Reach => "Heat begins to change the members.".to_owned(),
        Action::DeleteLeaving => format!("Heat has deleted {}.", of_first(situation, &[Stage::Leaving])),
        Action::Make => format!("Heat goes on with {}.", of_first(situation, &[Stage::Known, Stage::Made])),
        Action::MakeFails => {
            format!("Heat fails to make {}.", of_first(situation, &[Stage::Known, Stage::Made]))
        }
        Action::DeleteFails => format!("Heat fails to delete {}.", of_first(situation, &[Stage::Leaving])),
        Action::UpdateFails => "Heat's update fails, while its members go on.".to_owned(),
        Action::UpdateEnds => "Heat's update is complete.".to_owned(),
        Action::Sync => "Magnum takes over what has become of Heat's update.".to_owned(),
        Action::SyncLate => "Magnum's status sync writes what it had read before the update.".to_owned(),
        Action::Lag(Witness::Heat) => "Heat answers as it did before the update from now on.".to_owned(),
        Action::Lag(Witness::Magnum) => "Magnum answers as it did before the update from now on.".to_owned(),
        Action::Lag(Witness::Nova) => "Nova answers as it did before the update from now on.".to_owned(),
        Action::AllLag => "All services answer as they did before the update from now on.".to_owned(),
        Action::LagEnds => "All services tell the truth again.".to_owned(),
        Action::ConductorStops => "Magnum's conductor stops.".to_owned(),
        Action::ConductorReturns => "Magnum's conductor is back.".to_owned(),
        Action::Restart => "The service is killed and starts again.".to_owned(),
        Action::OperatorGrows => "A person asks for one node more.".to_owned(),
        Action::OperatorShrinks => "A person asks for one node less.".to_owned(),
        Action::ServerDeleted(server) => format!("Somebody deletes server {server} in Nova."),
    }
}

/// What goes.
pub(crate) fn of_removal(slot: &Slot) -> String {
    format!("    Heat takes {}.", of_slot(slot))
}

/// What a caller is told.
pub(crate) fn of_answer(caller: Ticket, answer: &Result<(), RequestError>) -> String {
    match answer {
        Ok(()) => format!("    Caller {} is told OK.", caller.0),
        Err(error) => format!("    Caller {} is told: {error}.", caller.0),
    }
}

fn of_wish(wish: Wish) -> String {
    match wish {
        Wish::Increase => "for one node more".to_owned(),
        Wish::Decrease => "to call off one node".to_owned(),
        Wish::Stranger => "to delete a server that nobody has".to_owned(),
        Wish::Delete { servers, members } => {
            let servers = servers.iter().map(|server| format!("server {server}"));
            let members = members.iter().map(|index| format!("member {index}, which has no server"));
            format!("to delete {}", servers.chain(members).collect::<Vec<_>>().join(" and "))
        }
    }
}

fn of_reading(situation: &Situation) -> String {
    let shown = situation.cloud.shown();
    let members: Vec<String> = shown.heat.members.iter().map(of_slot).collect();
    let servers: Vec<String> = shown.nova.iter().map(|server| server.to_string()).collect();
    format!(
        "Magnum says {} nodes and {:?}; Heat has {}; Nova lists the servers {}",
        shown.magnum.node_count,
        shown.magnum.state,
        if members.is_empty() { "no member".to_owned() } else { members.join(", ") },
        servers.join(", ")
    )
}

fn of_slot(slot: &Slot) -> String {
    let stage = match slot.stage {
        Stage::Known | Stage::Made => "being made",
        Stage::Complete => "at work",
        Stage::Failed => "failed",
        Stage::Leaving => "leaving",
        Stage::Stuck => "not to be deleted",
    };
    match slot.server {
        Some(server) => format!("member {} (server {server}, {stage})", slot.index),
        None => format!("member {} (no server, {stage})", slot.index),
    }
}

fn of_first(situation: &Situation, stages: &[Stage]) -> String {
    let members = &situation.cloud.told.heat.members;
    situation.cloud.first(stages).and_then(|place| members.get(place)).map_or_else(String::new, of_slot)
}

fn of_resize(situation: &Situation) -> String {
    let Work::Send(resize) = situation.machine.work() else { return String::new() };
    let removed: Vec<String> = resize.remove.iter().map(|removal| removal.key.to_string()).collect();
    match removed.as_slice() {
        [] => format!("to {} nodes", resize.count),
        removed => format!("to {} nodes without member {}", resize.count, removed.join(" and ")),
    }
}

fn of_cast(cast: Option<&Cast>) -> String {
    let Some(Cast { count, remove, author, .. }) = cast else { return String::new() };
    let whose = match author {
        Author::Own => "the resize",
        Author::Before => "the resize from before the restart",
        Author::Operator => "the person's resize",
    };
    let removed: Vec<String> = remove.iter().map(|index| index.to_string()).collect();
    match removed.as_slice() {
        [] => format!("{whose} to {count} nodes"),
        removed => format!("{whose} to {count} nodes without member {}", removed.join(" and ")),
    }
}
