//! Nova's flavors, by id or by name: Magnum keeps of a flavor what the creator of a group wrote
//! (docs/openstack-behaviour.md#nova).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::session::{Call, Session};
use crate::core::{
    cloud::{CloudError, Service},
    flavor::Flavor,
};

/// The first version that shows extra specs beside the flavor (Nova 18, Rocky).
const WITH_EXTRA_SPECS: &str = "compute 2.61";
/// Flavors per page; Nova's own limit is the same unless an operator lowers it.
const PAGE: &str = "1000";

/// The flavors that were asked for by id or name; where there is none, why.
pub(super) type Found = BTreeMap<String, Result<Arc<Flavor>, String>>;

/// The calls for flavors.
#[derive(Debug)]
pub(super) struct Flavors {
    session: Arc<Session>,
}

#[derive(Deserialize)]
struct FlavorsAnswer {
    /// Each is read by itself, so that one that makes no sense spoils no other.
    flavors: Vec<Value>,
    #[serde(default)]
    flavors_links: Vec<Value>,
}

#[derive(Deserialize)]
struct FlavorAnswer {
    flavor: Value,
}

#[derive(Deserialize)]
struct ExtraSpecsAnswer {
    extra_specs: Map<String, Value>,
}

impl Flavors {
    pub(super) const fn new(session: Arc<Session>) -> Self {
        Self { session }
    }

    /// Looks these up, each by its id or else by its name.
    ///
    /// # Errors
    /// When Nova does not answer. What it refuses is in the result.
    pub(super) async fn find(&self, wanted: &BTreeSet<String>) -> Result<Found, CloudError> {
        let (listed, version) = match self.list(Some(WITH_EXTRA_SPECS)).await {
            // An older Nova shows the extra specs only one by one.
            Err(CloudError::Refused { status: 406, .. }) => (self.list(None).await, None),
            listed => (listed, Some(WITH_EXTRA_SPECS)),
        };
        let (listed, refusal) = match listed {
            Ok(listed) => (listed, None),
            Err(error @ CloudError::Refused { .. }) => (Vec::new(), Some(error)),
            Err(error) => return Err(error),
        };
        let found = join_all(wanted.iter().map(async |wanted| {
            let found = by_id_or_name(&listed, wanted).cloned();
            let found = match found {
                Some(found) => Ok(found),
                None => self.show(wanted, version).await.map_err(|error| match &refusal {
                    Some(refusal) => refusal.clone(),
                    None => error,
                }),
            };
            match found {
                Ok(flavor) if version.is_none() => self.with_extra_specs(flavor).await,
                found => found,
            }
        }))
        .await;
        wanted
            .iter()
            .zip(found)
            .map(|(wanted, found)| {
                let found = match found {
                    Ok(flavor) => Ok(Arc::new(flavor)),
                    Err(error) if error.not_found() => Err(format!(
                        "there is no flavor with the id or name {wanted:?} that this login may see"
                    )),
                    Err(error @ CloudError::Refused { .. }) => Err(error.to_string()),
                    Err(error) => return Err(error),
                };
                Ok((wanted.clone(), found))
            })
            .collect()
    }

    async fn list(&self, version: Option<&str>) -> Result<Vec<Flavor>, CloudError> {
        let first = self.get("flavors", &["flavors", "detail"], version).await?.query("limit", PAGE);
        let mut call = first.clone();
        let mut flavors: Vec<Flavor> = Vec::new();
        loop {
            let page: FlavorsAnswer = self.session.fetch(&call).await?;
            let before = flavors.len();
            flavors.extend(page.flavors.iter().filter_map(flavor));
            let more = page.flavors_links.iter().any(|link| link.get("rel") == Some(&Value::from("next")));
            match flavors.last() {
                // A page without anything of use would be asked for again and again.
                Some(last) if more && flavors.len() > before => {
                    call = first.clone().query("marker", &last.id);
                }
                _ => return Ok(flavors),
            }
        }
    }

    /// One flavor by its id: a private one may be missing in the list.
    async fn show(&self, id: &str, version: Option<&str>) -> Result<Flavor, CloudError> {
        let call = self.get("flavor", &["flavors", id], version).await?;
        let answer: FlavorAnswer = self.session.fetch(&call).await?;
        flavor(&answer.flavor)
            .ok_or_else(|| super::session::malformed(&call, "the flavor has no id and name".to_owned()))
    }

    async fn with_extra_specs(&self, flavor: Flavor) -> Result<Flavor, CloudError> {
        let call = self.get("extra_specs", &["flavors", &flavor.id, "os-extra_specs"], None).await?;
        match self.session.fetch::<ExtraSpecsAnswer>(&call).await {
            Ok(answer) => Ok(Flavor { extra_specs: texts(&answer.extra_specs), ..flavor }),
            // Whoever may not see them still sees the size.
            Err(CloudError::Refused { .. }) => Ok(flavor),
            Err(error) => Err(error),
        }
    }

    async fn get(
        &self,
        kind: &'static str,
        path: &[&str],
        version: Option<&str>,
    ) -> Result<Call, CloudError> {
        let endpoint = self.session.endpoint(Service::Compute).await?;
        let call = Call::get(Service::Compute, kind, endpoint, path);
        Ok(match version {
            Some(version) => call.header("openstack-api-version", version.to_owned()),
            None => call,
        })
    }
}

fn by_id_or_name<'a>(flavors: &'a [Flavor], wanted: &str) -> Option<&'a Flavor> {
    let by = |key: fn(&Flavor) -> &str| flavors.iter().find(|flavor| key(flavor) == wanted);
    by(|flavor| &flavor.id).or_else(|| by(|flavor| &flavor.name))
}

/// A flavor of Nova's JSON; numbers that are none are 0, which nobody believes.
fn flavor(record: &Value) -> Option<Flavor> {
    let text = |key: &str| record.get(key).and_then(Value::as_str).map(str::to_owned);
    let number = |key: &str| match record.get(key) {
        Some(Value::String(text)) => text.trim().parse().unwrap_or(0),
        Some(number) => number.as_u64().unwrap_or(0),
        None => 0,
    };
    Some(Flavor {
        id: text("id")?,
        name: text("name")?,
        vcpus: number("vcpus"),
        ram_mib: number("ram"),
        disk_gib: number("disk"),
        extra_specs: record.get("extra_specs").and_then(Value::as_object).map(texts).unwrap_or_default(),
    })
}

fn texts(map: &Map<String, Value>) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    map.iter().map(|(key, value)| (key.clone(), text(value))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn flavors_are_read_leniently() {
        let gpu = flavor(&json!({
            "id": "3", "name": "g1.gpu", "ram": 32768, "disk": "20", "vcpus": 8, "swap": "",
            "extra_specs": {"resources:VGPU": "1", "odd": 1},
        }))
        .unwrap();
        assert_eq!((gpu.vcpus, gpu.ram_mib, gpu.disk_gib), (8, 32768, 20));
        assert_eq!(gpu.extra_specs["resources:VGPU"], "1");
        assert_eq!(gpu.extra_specs["odd"], "1");
        let odd = flavor(&json!({"id": "3", "name": "odd", "ram": -1, "vcpus": null, "extra_specs": null}));
        assert_eq!(odd.map(|odd| (odd.vcpus, odd.ram_mib, odd.disk_gib)), Some((0, 0, 0)));
        for record in [json!(null), json!({"id": 3, "name": "x"}), json!({"id": "3"}), json!([])] {
            assert_eq!(flavor(&record), None);
        }
    }

    #[test]
    fn an_id_goes_before_a_name() {
        let flavor = |id: &str, name: &str| Flavor { id: id.into(), name: name.into(), ..Flavor::default() };
        let flavors = [flavor("1", "2"), flavor("2", "m1")];
        let id = |wanted| by_id_or_name(&flavors, wanted).map(|flavor| flavor.id.as_str());
        assert_eq!((id("2"), id("m1"), id("x")), (Some("2"), Some("2"), None));
    }
}
