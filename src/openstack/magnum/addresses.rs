//! Where Magnum's API is.

use url::Url;

use crate::openstack::session::extend_path;

/// The root with the version document and the `/v1` below it, of an endpoint that may name either.
pub(super) fn addresses(endpoint: Url) -> (Url, Url) {
    let mut root = endpoint.clone();
    let mut api = endpoint;
    let ends_with_v1 = api
        .path_segments()
        .and_then(|mut segments| segments.rfind(|segment| !segment.is_empty()))
        .is_some_and(|last| last == "v1");
    if ends_with_v1 {
        if let Ok(mut segments) = root.path_segments_mut() {
            segments.pop_if_empty().pop();
        }
    } else {
        extend_path(&mut api, &["v1"]);
    }
    (root, api)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_of_either_form() {
        for (endpoint, root, api) in [
            ("http://h:9511/v1", "http://h:9511/", "http://h:9511/v1"),
            ("http://h:9511/v1/", "http://h:9511/", "http://h:9511/v1/"),
            ("http://h:9511", "http://h:9511/", "http://h:9511/v1"),
            ("https://h/container-infra", "https://h/container-infra", "https://h/container-infra/v1"),
            ("https://h/container-infra/v1", "https://h/container-infra", "https://h/container-infra/v1"),
        ] {
            let (actual_root, actual_api) = addresses(endpoint.parse().unwrap());
            assert_eq!((actual_root.as_str(), actual_api.as_str()), (root, api), "{endpoint}");
        }
    }
}
