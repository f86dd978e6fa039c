//! The service catalog within a token: where the services are.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;
use url::Url;

use super::diagnosis::Wanted;
use crate::{
    config::cloud::Interface,
    core::cloud::{CloudError, Service},
};

/// The service types under which a service may be found, the usual one first
/// (openstack service-types-authority; gophercloud `endpoint_search.go:33-53`).
const fn types_of(service: Service) -> &'static [&'static str] {
    match service {
        Service::Identity => &["identity"],
        Service::ContainerInfra => {
            &["container-infra", "container-infrastructure-management", "container-infrastructure"]
        }
        Service::Orchestration => &["orchestration"],
        Service::Compute => &["compute"],
    }
}

/// All endpoints that a token's bearer may see. A broken entry, of a service that is none of ours most likely, is left
/// out; the others are good nevertheless.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    services: Vec<CatalogService>,
    broken: usize,
}

#[derive(Debug, Clone)]
struct CatalogService {
    kind: String,
    endpoints: Vec<Endpoint>,
}

#[derive(Clone, Deserialize)]
struct Endpoint {
    interface: String,
    region: Option<String>,
    region_id: Option<String>,
    url: String,
}

/// Without the URL: somebody may have put a password into it.
impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {:?}", self.interface, self.region())
    }
}

impl<'de> Deserialize<'de> for Catalog {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut broken = 0;
        let mut services = Vec::new();
        for service in each(&Value::deserialize(deserializer)?) {
            let Some(kind) = service.get("type").and_then(Value::as_str) else {
                broken += 1;
                continue;
            };
            let all = each(service.get("endpoints").unwrap_or(&Value::Null));
            let endpoints: Vec<Endpoint> = all.iter().filter_map(readable).collect();
            broken += all.len() - endpoints.len();
            services.push(CatalogService { kind: kind.to_owned(), endpoints });
        }
        if broken > 0 {
            tracing::debug!(broken, "entries of the service catalog cannot be read and are left out");
        }
        Ok(Self { services, broken })
    }
}

fn each(list: &Value) -> &[Value] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn readable<T: DeserializeOwned>(value: &Value) -> Option<T> {
    T::deserialize(value).ok()
}

impl Endpoint {
    fn region(&self) -> Option<&str> {
        self.region.as_deref().or(self.region_id.as_deref())
    }

    fn is_of(&self, interface: Interface, region: Option<&str>) -> bool {
        Interface::parse(&self.interface) == Some(interface)
            && region.is_none_or(|region| {
                [&self.region, &self.region_id].iter().any(|it| it.as_deref() == Some(region))
            })
    }
}

fn regions<'a>(endpoints: &[&'a Endpoint]) -> BTreeSet<&'a str> {
    endpoints.iter().filter_map(|endpoint| endpoint.region()).collect()
}

impl Catalog {
    /// The endpoint of a service: exact type before aliases, then the first of the interface and region.
    ///
    /// If no region is configured and the service has endpoints in several regions, Magnum's region is used, provided that
    /// Magnum has exactly one: a Nova of another region would say of each server that it does not exist.
    ///
    /// # Errors
    /// [`CloudError::Unsuitable`] says what the catalog has instead, or that a region has to be chosen.
    pub fn endpoint(
        &self,
        service: Service,
        interface: Interface,
        region: Option<&str>,
    ) -> Result<Url, CloudError> {
        let types = types_of(service);
        let kind = types.first().copied().unwrap_or_default();
        let wanted = Wanted { service, kind, interface, region };
        let mut found = self.endpoints(types, interface, region);
        if regions(&found).len() > 1 {
            let magnum = regions(&self.endpoints(types_of(Service::ContainerInfra), interface, None));
            match magnum.first() {
                Some(home) if magnum.len() == 1 => found.retain(|endpoint| endpoint.region() == Some(home)),
                _ => found.clear(),
            }
            if found.is_empty() {
                return Err(wanted.in_several_regions(&self.offers(types)));
            }
        }
        let Some(endpoint) = found.first() else { return Err(wanted.missing(&self.offers(types))) };
        let url = Url::parse(&endpoint.url).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https") && !url.cannot_be_a_base() && url.has_host()
        });
        url.ok_or_else(|| wanted.without_url())
    }

    /// The endpoints of the first of these types that has any of the interface and region.
    fn endpoints(&self, types: &[&str], interface: Interface, region: Option<&str>) -> Vec<&Endpoint> {
        let of_type = |wanted: &&str| -> Vec<&Endpoint> {
            let services = self.services.iter().filter(|service| service.kind == *wanted);
            let endpoints = services.flat_map(|service| &service.endpoints);
            endpoints.filter(|endpoint| endpoint.is_of(interface, region)).collect()
        };
        types.iter().map(of_type).find(|found| !found.is_empty()).unwrap_or_default()
    }

    /// What there is of these types, or else which types there are.
    fn offers(&self, types: &[&str]) -> String {
        let mut endpoints: Vec<_> = self
            .services
            .iter()
            .filter(|service| types.contains(&service.kind.as_str()))
            .flat_map(|service| &service.endpoints)
            .map(|endpoint| format!("{} in {}", endpoint.interface, endpoint.region().unwrap_or("-")))
            .collect();
        endpoints.sort();
        endpoints.dedup();
        let broken = match self.broken {
            0 => String::new(),
            broken => format!("; {broken} broken entries are left out"),
        };
        if !endpoints.is_empty() {
            return format!("of that type: {}{broken}", endpoints.join(", "));
        }
        let mut kinds: Vec<_> = self.services.iter().map(|service| service.kind.as_str()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        match kinds.as_slice() {
            [] => format!("nothing at all (is the login scoped to a project?){broken}"),
            kinds => format!("only the types {}{broken}", kinds.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog() -> Catalog {
        serde_json::from_str(
            r#"[
            {"type": "container-infrastructure-management", "endpoints": [
                {"interface": "public", "region": "R2", "region_id": "R2", "url": "https://alias/v1"}]},
            {"type": "container-infra", "endpoints": [
                {"interface": "public", "region": "R1", "region_id": "R1", "url": "https://m1/v1"},
                {"interface": "internalURL", "region": null, "region_id": "R1", "url": "https://m1-internal/v1"}]},
            {"type": "compute", "name": "nova", "endpoints": []},
            {"type": "image"}
        ]"#,
        )
        .unwrap()
    }

    #[test]
    fn finds_by_type_alias_interface_and_region() {
        for (interface, region, expected) in [
            (Interface::Public, Some("R1"), "https://m1/v1"),
            (Interface::Public, None, "https://m1/v1"),
            (Interface::Public, Some("R2"), "https://alias/v1"),
            (Interface::Internal, Some("R1"), "https://m1-internal/v1"),
        ] {
            let url = catalog().endpoint(Service::ContainerInfra, interface, region).unwrap();
            assert_eq!(url.as_str(), expected);
        }
    }

    #[test]
    fn without_a_region_all_services_are_those_of_magnums() {
        let catalog = |magnum: &[&str]| -> Catalog {
            let endpoints = |regions: &[&str]| -> Vec<_> {
                let endpoint = |region: &&str| serde_json::json!({"interface": "public", "region": region, "url": format!("https://{region}")});
                regions.iter().map(endpoint).collect()
            };
            serde_json::from_value(serde_json::json!([
                {"type": "compute", "endpoints": endpoints(&["r2", "r1"])},
                {"type": "orchestration", "endpoints": endpoints(&["r3"])},
                {"type": "container-infra", "endpoints": endpoints(magnum)},
            ]))
            .unwrap()
        };
        let nova = |magnum: &[&str]| catalog(magnum).endpoint(Service::Compute, Interface::Public, None);
        assert_eq!(nova(&["r1"]).unwrap().as_str(), "https://r1/");
        for magnum in [&["r1", "r2"][..], &["r4"], &[]] {
            let error = nova(magnum).unwrap_err().to_string();
            assert!(
                error.contains("OS_REGION_NAME") && error.contains("public in r1, public in r2"),
                "{error}"
            );
        }
        let heat = catalog(&["r1"]).endpoint(Service::Orchestration, Interface::Public, None).unwrap();
        assert_eq!(heat.as_str(), "https://r3/", "there is no other");
    }

    #[test]
    fn what_is_missing_is_told_with_what_there_is() {
        let error = catalog().endpoint(Service::ContainerInfra, Interface::Admin, Some("R3")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the service catalog lacks the admin endpoint of service type container-infra (magnum) in region R3; \
             it has of that type: internalURL in R1, public in R1, public in R2 (chosen by region, region_name, \
             OS_REGION_NAME and os-endpoint-type, interface, OS_INTERFACE)"
        );
        let error =
            catalog().endpoint(Service::Orchestration, Interface::Public, None).unwrap_err().to_string();
        assert!(error.contains("only the types compute, container-infra,"), "{error}");
        let error =
            Catalog::default().endpoint(Service::Compute, Interface::Public, None).unwrap_err().to_string();
        assert!(error.contains("scoped to a project?"), "{error}");
    }
}
