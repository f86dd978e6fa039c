//! The service catalog within a token: where the services are.

use serde::Deserialize;
use url::Url;

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

/// All endpoints that a token's bearer may see.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Catalog {
    services: Vec<CatalogService>,
}

#[derive(Debug, Clone, Deserialize)]
struct CatalogService {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    endpoints: Vec<Endpoint>,
}

#[derive(Debug, Clone, Deserialize)]
struct Endpoint {
    interface: String,
    region: Option<String>,
    region_id: Option<String>,
    url: String,
}

impl Endpoint {
    fn is_of(&self, interface: Interface, region: Option<&str>) -> bool {
        Interface::parse(&self.interface) == Some(interface)
            && region.is_none_or(|region| {
                [&self.region, &self.region_id].iter().any(|it| it.as_deref() == Some(region))
            })
    }
}

impl Catalog {
    /// The endpoint of a service: exact type before aliases, then the first of the interface and region.
    ///
    /// # Errors
    /// [`CloudError::Unsuitable`] says what the catalog has instead.
    pub fn endpoint(
        &self,
        service: Service,
        interface: Interface,
        region: Option<&str>,
    ) -> Result<Url, CloudError> {
        let types = types_of(service);
        let usual = types.first().copied().unwrap_or_default();
        let found = types
            .iter()
            .flat_map(|wanted| self.services.iter().filter(move |service| service.kind == *wanted))
            .flat_map(|service| &service.endpoints)
            .find(|endpoint| endpoint.is_of(interface, region));
        let wanted = || {
            format!(
                "the {interface} endpoint of service type {usual} ({service}) in {}",
                region.map_or_else(|| "any region".to_owned(), |region| format!("region {region}"))
            )
        };
        let Some(endpoint) = found else {
            return Err(CloudError::Unsuitable(format!(
                "the service catalog has not {}; it has {}",
                wanted(),
                self.offers(types)
            )));
        };
        let url = Url::parse(&endpoint.url).ok().filter(|url| !url.cannot_be_a_base());
        url.ok_or_else(|| CloudError::Unsuitable(format!("{} is not a URL: {:?}", wanted(), endpoint.url)))
    }

    /// What there is of these types, or else which types there are.
    fn offers(&self, types: &[&str]) -> String {
        let mut endpoints: Vec<_> = self
            .services
            .iter()
            .filter(|service| types.contains(&service.kind.as_str()))
            .flat_map(|service| &service.endpoints)
            .map(|endpoint| {
                let region =
                    endpoint.region.as_ref().or(endpoint.region_id.as_ref()).map_or("-", String::as_str);
                format!("{} in {region}", endpoint.interface)
            })
            .collect();
        endpoints.sort();
        endpoints.dedup();
        if !endpoints.is_empty() {
            return format!("of that type: {}", endpoints.join(", "));
        }
        let mut kinds: Vec<_> = self.services.iter().map(|service| service.kind.as_str()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        match kinds.as_slice() {
            [] => "nothing at all (is the login scoped to a project?)".to_owned(),
            kinds => format!("only the types {}", kinds.join(", ")),
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
    fn what_is_missing_is_told_with_what_there_is() {
        let error = catalog().endpoint(Service::ContainerInfra, Interface::Admin, Some("R3")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the service catalog has not the admin endpoint of service type container-infra (magnum) in region R3; \
             it has of that type: internalURL in R1, public in R1, public in R2"
        );
        let error =
            catalog().endpoint(Service::Orchestration, Interface::Public, None).unwrap_err().to_string();
        assert!(error.contains("only the types compute, container-infra,"), "{error}");
        let error =
            Catalog::default().endpoint(Service::Compute, Interface::Public, None).unwrap_err().to_string();
        assert!(error.contains("scoped to a project?"), "{error}");
    }
}
