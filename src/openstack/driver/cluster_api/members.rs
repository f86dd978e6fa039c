//! The members of a group, of which Nova's servers are all that a tenant sees.

use futures_util::future::join_all;

use crate::{
    core::{
        cloud::Reading,
        failure::Reason,
        member::{Member, MemberKey, ServerPresence},
        status::{Action, Status},
    },
    openstack::{
        failures,
        magnum::NodeGroupRecord,
        nova::{ListedServer, Nova},
    },
};

/// How many servers that are missing in Nova's list are asked for at once.
const MAX_ASKED: usize = 20;

/// The members: a server each, those that a list lacked, and as many that have not shown as Magnum counts more. Those exist
/// as machines or are still to be made; nothing names them.
pub(super) fn assemble(
    servers: Vec<ListedServer>,
    missing: Vec<Member>,
    group: &NodeGroupRecord,
    before: Option<&Reading>,
) -> Vec<Member> {
    let mut members: Vec<Member> = servers.into_iter().map(|server| member(server, before)).collect();
    members.extend(missing);
    members.sort_by_key(|member| member.key);
    let counted = members.iter().filter(|member| member.counted).count();
    let expected = usize::try_from(group.node_count.unwrap_or_default()).unwrap_or(usize::MAX);
    let pending = (1..).take(expected.saturating_sub(counted)).map(|number| Member {
        key: MemberKey::Pending(number),
        name: format!("{}, node {number} to come", group.name),
        server: None,
        presence: ServerPresence::Unknown,
        counted: true,
        // Magnum may call the group complete before they show.
        status: Status::parse("CREATE_IN_PROGRESS"),
        reason: Reason::default(),
    });
    members.extend(pending);
    members
}

fn member(server: ListedServer, before: Option<&Reading>) -> Member {
    let key = MemberKey::Server(server.id);
    let known = before.and_then(|before| before.member(key));
    let was_complete = known.is_some_and(|member| !member.was_never_complete());
    let leaving = server.is_being_deleted();
    let status = match server.status.as_str() {
        _ if leaving => "DELETE_IN_PROGRESS",
        // A node that once worked may do so still.
        "ERROR" if was_complete => "UPDATE_FAILED",
        "ERROR" => "CREATE_FAILED",
        "BUILD" if !was_complete => "CREATE_IN_PROGRESS",
        _ => "UPDATE_COMPLETE",
    };
    let reason = known.filter(|known| known.status.failed()).map(|known| known.reason.clone());
    Member {
        key,
        name: server.name,
        server: Some(server.id),
        presence: ServerPresence::Present,
        counted: !leaving,
        status: Status::parse(status),
        reason: reason.unwrap_or_default(),
    }
}

/// Asks for the reasons of failures that are new.
pub(super) async fn find_reasons(nova: &Nova, members: &mut [Member]) {
    let failed = members.iter_mut().filter(|member| {
        member.status.failed() && member.status.action == Action::Create && member.reason.text.is_empty()
    });
    join_all(failed.take(MAX_ASKED).map(async |member| {
        if let Some(server) = member.server
            && let Ok(Some(reason)) = nova.fault(server).await
        {
            member.reason = failures::reason(&reason);
        }
    }))
    .await;
}

/// Those of `before` that are missing in a list, asked for one by one: the list may lack what a part of Nova that is down
/// knows. Who is there, or may be, stays a member.
pub(super) async fn find_missing(nova: &Nova, before: &Reading, listed: &[ListedServer]) -> Vec<Member> {
    let missing = before
        .counted()
        .filter_map(|member| Some((member, member.server?)))
        .filter(|(_, server)| !listed.iter().any(|listed| listed.id == *server));
    let asked = missing.enumerate().map(async |(number, (member, server))| {
        let presence = match number {
            ..MAX_ASKED => match nova.server_exists(server).await {
                Ok(true) => ServerPresence::Present,
                Ok(false) => return None,
                Err(_) => ServerPresence::Unknown,
            },
            _ => ServerPresence::Unknown,
        };
        Some(Member { presence, ..member.clone() })
    });
    join_all(asked).await.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::machine_id::MachineId;

    fn id(number: u32) -> MachineId {
        MachineId::from_uuid(uuid::Uuid::from_u128(number.into()))
    }

    fn server(number: u32, status: &str) -> ListedServer {
        ListedServer { id: id(number), name: format!("s{number}"), status: status.into(), task: None }
    }

    fn group(status: &str, node_count: u32) -> NodeGroupRecord {
        serde_json::from_value(serde_json::json!({
            "uuid": "531cd801-d372-468e-b865-e775c513c86f", "name": "g", "status": status, "node_count": node_count,
        }))
        .unwrap()
    }

    fn told(members: &[Member]) -> Vec<(String, bool, String)> {
        let told = |member: &Member| (member.key.to_string(), member.counted, member.status.to_string());
        members.iter().map(told).collect()
    }

    #[test]
    fn a_server_is_a_member_and_what_magnum_counts_besides_is_to_come() {
        let deleting = ListedServer { task: Some("deleting".to_owned()), ..server(3, "ACTIVE") };
        let servers = vec![server(1, "ACTIVE"), server(2, "BUILD"), deleting, server(4, "ERROR")];
        let members = assemble(servers, vec![], &group("UPDATE_IN_PROGRESS", 4), None);
        let member = |number, counted, status: &str| (id(number).to_string(), counted, status.to_owned());
        assert_eq!(
            told(&members),
            [
                member(1, true, "UPDATE_COMPLETE"),
                member(2, true, "CREATE_IN_PROGRESS"),
                member(3, false, "DELETE_IN_PROGRESS"),
                member(4, true, "CREATE_FAILED"),
                ("pending-1".to_owned(), true, "CREATE_IN_PROGRESS".to_owned()),
            ]
        );
        let members = assemble(vec![server(1, "SHUTOFF")], vec![], &group("UPDATE_COMPLETE", 0), None);
        assert_eq!(told(&members), [member(1, true, "UPDATE_COMPLETE")]);
    }
}
