//! A clouds.yaml of any text, with a secure.yaml and a clouds-public.yaml behind the lines `%secure` and `%public`.
#![no_main]

use std::path::PathBuf;

use cluster_autoscaler_provider_magnum::config::{
    Environment,
    clouds_yaml::{Choice, Files, parse},
    settings::Settings,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (text, public) = text.split_once("%public\n").unwrap_or((text, ""));
    let (clouds, secure) = text.split_once("%secure\n").unwrap_or((text, ""));
    let file = |name: &str, text: &str| Some((PathBuf::from(name), text.to_owned()));
    let files = Files {
        clouds: file("clouds.yaml", clouds),
        secure: file("secure.yaml", secure),
        public: file("clouds-public.yaml", public),
    };
    for cloud in [None, Some("a")] {
        let settings = parse(&files, Choice { cloud, region: None }, &Environment::new());
        match settings.and_then(Settings::resolve) {
            Ok((config, _, warnings)) => {
                let _ = config.credentials.label();
                assert!(warnings.iter().all(|warning| !warning.to_string().is_empty()));
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
});
