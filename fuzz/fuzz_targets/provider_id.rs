//! A provider ID of any text: what is read is the same when it is written and read again.
#![no_main]

use cluster_autoscaler_provider_magnum::core::{instance::InstanceId, provider_id::ProviderIdPrefix};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let prefix = ProviderIdPrefix::of(text);
    match text.parse::<InstanceId>() {
        Ok(InstanceId::Server(machine)) => {
            let prefix = prefix.unwrap_or_default();
            assert_eq!(prefix.provider_id(machine).parse(), Ok(InstanceId::Server(machine)));
        }
        Ok(InstanceId::Placeholder(placeholder)) => {
            assert_eq!(placeholder.to_string().parse(), Ok(InstanceId::Placeholder(placeholder)));
            assert_eq!(prefix, None);
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            assert_eq!(prefix, None);
        }
    }
});
