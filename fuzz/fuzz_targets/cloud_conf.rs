//! A cloud.conf of any text: it is read or refused, and whatever is made of it can be told.
#![no_main]

use std::path::Path;

use cluster_autoscaler_provider_magnum::config::{cloud_conf, settings::Settings};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let settings = cloud_conf::parse(text, Path::new("cloud.conf")).map(|conf| conf.settings);
    match settings.and_then(Settings::resolve) {
        Ok((config, _, warnings)) => {
            let _ = config.credentials.label();
            assert!(warnings.iter().all(|warning| !warning.to_string().is_empty()));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
