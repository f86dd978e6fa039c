//! The names of settings: how each source spells them, and what a name that is not known may be meant for.

/// How the source of the settings spells their names, for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStyle {
    /// `tenant-id`, in the `[Global]` section of a cloud-config file.
    CloudConf,
    /// `auth.project_id`, in clouds.yaml.
    CloudsYaml,
    /// `OS_PROJECT_ID`.
    Environment,
}

/// All names, as this module has them.
pub(super) const NAMES: &[&str] = &[
    "auth_url",
    "auth_type",
    "username",
    "user_id",
    "password",
    "project_id",
    "project_name",
    "domain_id",
    "domain_name",
    "user_domain_id",
    "user_domain_name",
    "project_domain_id",
    "project_domain_name",
    "default_domain",
    "default_domain_id",
    "default_domain_name",
    "trust_id",
    "trustee_id",
    "trustee_password",
    "application_credential_id",
    "application_credential_name",
    "application_credential_secret",
    "token",
    "system_scope",
    "region_name",
    "interface",
    "cacert",
    "cert",
    "key",
    "insecure",
    "identity_api_version",
    "identity_endpoint_override",
    "container_infra_endpoint_override",
    "orchestration_endpoint_override",
    "compute_endpoint_override",
];

/// Names of settings that clouds.yaml has outside of its `auth` section.
const BESIDE_AUTH: &[&str] =
    &["auth_type", "region_name", "interface", "cacert", "cert", "key", "insecure", "identity_api_version"];

/// Whether clouds.yaml has the setting outside of its `auth` section.
pub(super) fn is_beside_auth(name: &str) -> bool {
    BESIDE_AUTH.contains(&name) || name.ends_with("_endpoint_override")
}

/// The name of a setting whose key says the same in other words: the aliases of Magnum's service type
/// (openstack service-types-authority), `SERVICE_endpoint` (openstacksdk `cloud_region.py`, `get_endpoint`), the older
/// names of project and token.
pub(super) fn canonical(name: &str) -> &str {
    match name {
        "tenant_id" => "project_id",
        "tenant_name" => "project_name",
        "auth_token" => "token",
        "auth_plugin" => "auth_type",
        "endpoint_type" => "interface",
        "identity_endpoint" => "identity_endpoint_override",
        "orchestration_endpoint" => "orchestration_endpoint_override",
        "compute_endpoint" => "compute_endpoint_override",
        "container_infra_endpoint"
        | "container_infrastructure_endpoint"
        | "container_infrastructure_endpoint_override"
        | "container_infrastructure_management_endpoint"
        | "container_infrastructure_management_endpoint_override" => "container_infra_endpoint_override",
        _ => name,
    }
}

impl KeyStyle {
    /// The name of a setting as the source spells it.
    #[must_use]
    pub fn of(self, name: &str) -> String {
        match self {
            Self::CloudConf => match name {
                "region_name" => "region".to_owned(),
                "interface" => "os-endpoint-type".to_owned(),
                "cacert" => "ca-file".to_owned(),
                "cert" => "cert-file".to_owned(),
                "key" => "key-file".to_owned(),
                "insecure" => "tls-insecure".to_owned(),
                _ => name.replace("project_", "tenant_").replace('_', "-"),
            },
            Self::CloudsYaml => match name {
                "insecure" => "verify".to_owned(),
                _ if is_beside_auth(name) => name.to_owned(),
                _ => format!("auth.{name}"),
            },
            Self::Environment => format!("OS_{}", name.to_ascii_uppercase()),
        }
    }
}

/// Whether a text is written as keys are, so that messages may repeat it. Digits and mixed case make it look like a
/// password or like base64 in the wrong place.
pub(super) fn is_plausible(key: &str) -> bool {
    const LONGEST: usize = 64;
    let is_word = |word: &str| {
        let rest = word.get(1..).unwrap_or_default();
        let is_lower = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase());
        is_lower(word)
            || word.bytes().all(|b| b.is_ascii_uppercase())
            || (word.starts_with(|c: char| c.is_ascii_uppercase()) && is_lower(rest))
    };
    !key.is_empty() && key.len() <= LONGEST && key.split(['-', '_', '.']).all(is_word)
}

/// The known key that a misspelt or misnamed one is nearest to, in the spelling of `known`.
pub(super) fn nearest(key: &str, known: impl IntoIterator<Item = String>) -> Option<String> {
    const LONGEST: usize = 64;
    if key.len() > LONGEST {
        return None;
    }
    let plain = |text: &str| text.to_lowercase().replace(['-', '_', '.', ' '], "");
    let wanted = plain(match plain(key).as_str() {
        "user" | "login" => "username",
        "pass" | "passwd" | "pwd" | "userpassword" => "password",
        "url" | "keystone" | "keystoneurl" | "identityurl" | "endpoint" => "authurl",
        "ca" | "cabundle" | "cafile" | "cacertfile" => "cacert",
        "project" => "projectname",
        "tenant" => "tenantname",
        "region" => "regionname",
        "skipverify" | "insecureskipverify" => "insecure",
        _ => key,
    });
    // One slip in a short key, up to three in a long one.
    let allowed = ((wanted.len() + 1) / 4).clamp(1, 3);
    known
        .into_iter()
        // `region` stands for the longer name in one source and is it in another.
        .map(|name| (if name == "region" { "regionname".to_owned() } else { name.clone() }, name))
        .map(|(compared, name)| {
            (strsim::osa_distance(&wanted, &plain(compared.rsplit('.').next().unwrap_or(&compared))), name)
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// What is told of a key that is not known.
pub(super) fn unknown(what: &str, suggestion: Option<String>) -> String {
    match suggestion {
        Some(name) => format!("{what} is ignored; did you mean {name}?"),
        None => format!("{what} is ignored"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_written_as_keys_are_is_repeated() {
        for key in ["colour", "Auth-Url", "AUTH_URL", "auth.pasword", "use-octavia"] {
            assert!(is_plausible(key), "{key}");
        }
        let long = "a".repeat(65);
        for key in ["", "hunter2", "aGVsbG8", "Zm9vYmFyCg", "pass word", "ünï", "correctHorse", &long] {
            assert!(!is_plausible(key), "{key}");
        }
    }

    #[test]
    fn misspelt_keys_are_near_to_the_known_ones() {
        let names = || NAMES.iter().map(|name| KeyStyle::CloudsYaml.of(name));
        for (key, expected) in [
            ("pasword", Some("auth.password")),
            ("passwd", Some("auth.password")),
            ("user", Some("auth.username")),
            ("usr_name", Some("auth.username")),
            ("authurl", Some("auth.auth_url")),
            ("region", Some("region_name")),
            ("regionname", Some("region_name")),
            ("applicaton_credential_id", Some("auth.application_credential_id")),
            ("ca_cert", Some("cacert")),
            ("project", Some("auth.project_name")),
            ("colour", None),
            ("veryfy", Some("verify")),
            ("networks", None),
        ] {
            assert_eq!(nearest(key, names()).as_deref(), expected, "{key}");
        }
    }
}
