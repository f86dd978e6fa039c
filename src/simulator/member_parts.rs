//! What the nested stack of a member consists of, and how far each part is (Magnum 15.0.1
//! `drivers/k8s_fedora_coreos_v1/templates/kubeminion.yaml`; `heat-resources-depth-3.http`).

use uuid::Uuid;

use super::{
    profile::NodeSignal,
    stack::{Member, Stage},
    state::{Action, Phase, State},
};

/// The resource that is the server.
pub(super) const SERVER: &str = "kube-minion";
/// The resource with which the node reports.
const REPORT: &str = NodeSignal::Deployment.resource_name();
/// And that of older templates.
const WAIT: &str = NodeSignal::WaitCondition.resource_name();

const DEPLOYMENT: NodeSignal = NodeSignal::Deployment;
const WAIT_CONDITION: NodeSignal = NodeSignal::WaitCondition;

/// A resource of a member's nested stack.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) required_by: &'static [&'static str],
    /// It is begun when the member comes to this stage; all but the server and the report are made at once.
    from: Stage,
    /// Heat gives no id to a deployment that only updates use.
    pub(super) has_id: bool,
    /// Templates with which signal have it; `None` for all.
    of: Option<NodeSignal>,
}

const fn part(
    name: &'static str,
    kind: &'static str,
    required_by: &'static [&'static str],
    from: Stage,
) -> Part {
    Part { name, kind, required_by, from, has_id: true, of: None }
}

/// A part of the templates with this signal alone.
const fn part_of(signal: NodeSignal, part: Part) -> Part {
    Part { of: Some(signal), ..part }
}

/// All of them, in Heat's order; those of older templates (Magnum 8.2.1 kubeminion.yaml) at the end.
pub(super) const PARTS: [Part; 12] = [
    part("docker_volume_attach", "Magnum::Optional::Cinder::VolumeAttachment", &[], Stage::Booting),
    part_of(DEPLOYMENT, part(REPORT, "OS::Heat::SoftwareDeployment", &[], Stage::Booting)),
    part_of(DEPLOYMENT, part("node_config", "OS::Heat::SoftwareConfig", &[REPORT], Stage::Booting)),
    part(
        "docker_volume",
        "Magnum::Optional::Cinder::Volume",
        &["docker_volume_attach", "node_config"],
        Stage::Building,
    ),
    part(
        "kube_minion_floating",
        "Magnum::Optional::KubeMinion::Neutron::FloatingIP",
        &["node_config"],
        Stage::Booting,
    ),
    Part {
        has_id: false,
        of: Some(DEPLOYMENT),
        ..part("upgrade_kubernetes_deployment", "OS::Heat::SoftwareDeployment", &[], Stage::Booting)
    },
    part(
        SERVER,
        "OS::Nova::Server",
        &["kube_minion_floating", "upgrade_kubernetes_deployment", "docker_volume_attach", REPORT],
        Stage::Building,
    ),
    part(
        "kube_minion_eth0",
        "OS::Neutron::Port",
        &["kube_minion_floating", SERVER, "node_config"],
        Stage::StackMade,
    ),
    part_of(DEPLOYMENT, part("agent_config", "OS::Heat::SoftwareConfig", &[SERVER], Stage::StackMade)),
    part_of(
        DEPLOYMENT,
        part(
            "upgrade_kubernetes",
            "OS::Heat::SoftwareConfig",
            &["upgrade_kubernetes_deployment"],
            Stage::StackMade,
        ),
    ),
    part_of(WAIT_CONDITION, part(WAIT, "OS::Heat::WaitCondition", &[], Stage::Booting)),
    part_of(
        WAIT_CONDITION,
        part("minion_wait_handle", "OS::Heat::WaitConditionHandle", &[WAIT, SERVER], Stage::StackMade),
    ),
];

/// How far a member has got, failed or not.
const fn progress(stage: Stage) -> u8 {
    match stage {
        Stage::Known | Stage::StackGone => 0,
        Stage::StackMade => 1,
        Stage::Building => 2,
        Stage::Booting => 3,
        Stage::Complete | Stage::Failed => 4,
    }
}

impl Part {
    /// Whether a member's template has it.
    pub(super) fn is_of(&self, member: &Member) -> bool {
        self.of.is_none_or(|signal| signal == member.signal)
    }

    fn is_report(&self, member: &Member) -> bool {
        self.name == member.signal.resource_name()
    }

    /// Its id in its own service, once it has one.
    pub(super) fn physical_id(&self, member: &Member) -> Option<Uuid> {
        if self.name == SERVER {
            return member.server;
        }
        let made = self.has_id && self.state(member).action != Action::Init;
        made.then(|| Uuid::new_v5(&member.id, self.name.as_bytes()))
    }

    /// Its state in this member.
    pub(super) fn state(&self, member: &Member) -> State {
        if !self.is_of(member) {
            return State::untouched();
        }
        if member.shown.action == Action::Delete && self.name == SERVER && member.server.is_some() {
            return State::resource(Action::Delete, Phase::InProgress);
        }
        let failed = (member.stage == Stage::Failed).then(|| failed_part(member));
        if failed == Some(self.name) {
            return State::failed(Action::Create, reason_of_part(&member.shown.reason));
        }
        // What comes after the server was not come to where the server failed.
        let reached = if failed == Some(SERVER) { progress(Stage::Building) } else { progress(member.stage) };
        match reached.checked_sub(progress(self.from)) {
            None => State::untouched(),
            Some(0) if self.name == SERVER || self.is_report(member) => {
                State::resource(Action::Create, Phase::InProgress)
            }
            Some(_) => State::resource(Action::Create, Phase::Complete),
        }
    }
}

/// The part that a failed member failed with; of one that ran out of time, what it was at.
fn failed_part(member: &Member) -> &'static str {
    let names = |part: &str| member.shown.reason.contains(&format!("resources.{part}:"));
    let report = member.signal.resource_name();
    if names(SERVER) || (!names(report) && member.server.is_none()) { SERVER } else { report }
}

/// The reason without the path to the part: of the group it is
/// `Forbidden: resources[9].resources.kube-minion: Quota …`, of the part `Forbidden: Quota …`.
fn reason_of_part(reason: &str) -> String {
    let reason = reason.split_once("Resource CREATE failed: ").map_or(reason, |(_, cause)| cause);
    let Some((kind, rest)) = reason.split_once(": ") else { return reason.to_owned() };
    match rest.split_once(": ") {
        Some((path, text)) if path.starts_with("resources") => format!("{kind}: {text}"),
        _ => reason.to_owned(),
    }
}

impl Member {
    /// Whether its nested stack is there.
    pub(super) fn has_stack(&self) -> bool {
        !matches!(self.stage, Stage::Known | Stage::StackGone)
    }

    /// The state of its nested stack, which words its reasons otherwise than the group words the member's.
    pub(super) fn stack_state(&self) -> State {
        let State { action, phase, reason } = &self.shown;
        match phase {
            Phase::InProgress => State::started(*action),
            Phase::Complete => State::completed(*action),
            Phase::Failed => State::failed(*action, reason_of_stack(reason)),
        }
    }
}

fn reason_of_stack(reason: &str) -> String {
    match reason.split_once(".resources.") {
        Some((before, rest)) => {
            let kind = before.split_once(": ").map_or(before, |(kind, _)| kind);
            format!("Resource CREATE failed: {kind}: resources.{rest}")
        }
        None => reason.split_once("]: ").map_or(reason, |(_, rest)| rest).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{reason_of_part, reason_of_stack};

    #[test]
    fn each_place_has_its_own_words_for_a_failure() {
        let first =
            "Forbidden: resources[9].resources.kube-minion: Quota exceeded for instances: Requested 1";
        let retry =
            "resources[9]: Resource CREATE failed: Forbidden: resources.kube-minion: Quota exceeded: 1";
        assert_eq!(reason_of_part(first), "Forbidden: Quota exceeded for instances: Requested 1");
        assert_eq!(reason_of_part(retry), "Forbidden: Quota exceeded: 1");
        assert_eq!(reason_of_part("Timed out"), "Timed out");
        let of_stack = "Resource CREATE failed: Forbidden: resources.kube-minion: Quota exceeded";
        assert_eq!(reason_of_stack(first), format!("{of_stack} for instances: Requested 1"));
        assert_eq!(reason_of_stack(retry), format!("{of_stack}: 1"));
        assert_eq!(reason_of_stack("Timed out"), "Timed out");
    }
}
