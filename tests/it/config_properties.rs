//! Whatever a configuration or a provider ID holds: nothing panics, no secret is told, and what is read is what was
//! written.

use std::path::{Path, PathBuf};

use cluster_autoscaler_provider_magnum::{
    config::{
        CloudConfig, ConfigError, Credentials, Environment, cloud_conf, clouds_yaml, environment, gcfg,
        settings::Settings,
    },
    core::{instance::InstanceId, provider_id::ProviderIdPrefix},
};
use proptest::prelude::*;
use secrecy::ExposeSecret;

/// Digits in it: what looks like that is never taken for a key.
const PLANTED: &str = "S3cr3tPl4nted";

fn files(clouds: String, secure: Option<String>) -> clouds_yaml::Files {
    clouds_yaml::Files {
        clouds: Some((PathBuf::from("clouds.yaml"), clouds)),
        secure: secure.map(|text| (PathBuf::from("secure.yaml"), text)),
        public: None,
    }
}

fn password(config: &CloudConfig) -> String {
    match &config.credentials {
        Credentials::Password { password, .. } => password.expose_secret().to_owned(),
        other => panic!("{other:?}"),
    }
}

/// All that may be told of settings.
fn told(settings: Result<Settings, ConfigError>) -> String {
    let resolved = settings.and_then(Settings::resolve);
    match resolved {
        Ok((config, origin, warnings)) => {
            let texts: Vec<_> = warnings.iter().map(ToString::to_string).collect();
            format!("{config:?} {origin} {warnings:?} {texts:?} {}", config.credentials.label())
        }
        Err(error) => format!("{error} {error:?}"),
    }
}

/// A piece of a file: what the formats are made of, and the secret where values are.
fn piece() -> impl Strategy<Value = String> {
    let fixed = [
        "[Global]\n",
        "auth-url=https://k\n",
        "user-id=u\n",
        "tenant-id=p\n",
        "trust-id=t\n",
        "password=",
        "token = ",
        "use-clouds\n",
        "trustee-password=",
        "application-credential-secret=",
        "clouds:\n",
        "  a:\n",
        "    auth:\n",
        "      password: ",
        "      auth_url: https://a\n",
        "      token: ",
        "\n",
        "\"",
        "'",
        "\\",
        "#",
        ";",
        "=",
        ":",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "- ",
        "&x ",
        "*x",
        "<<: ",
        "|\n",
        ">\n",
        "\t",
        " ",
        "\r\n",
        "\u{feff}",
        "\0",
        "ü",
        "!!str ",
        "? ",
    ];
    prop_oneof![
        4 => proptest::sample::select(fixed.map(str::to_owned).to_vec()),
        2 => Just(PLANTED.to_owned()),
        1 => "[a-zA-Z_-]{0,8}",
        1 => "\\PC{0,4}",
    ]
}

fn text() -> impl Strategy<Value = String> {
    proptest::collection::vec(piece(), 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_text_of_a_file_or_variable_is_told(text in text()) {
        let lower = |told: String| told.to_lowercase();
        let planted = PLANTED.to_lowercase();
        let conf = cloud_conf::parse(&text, Path::new("cloud.conf")).map(|conf| conf.settings);
        prop_assert!(!lower(told(conf)).contains(&planted), "{text:?}");
        let environment = Environment::new();
        let choice = clouds_yaml::Choice { cloud: Some("a"), region: None };
        for files in [files(text.clone(), None), files("clouds: {a: {}}".to_owned(), Some(text.clone()))] {
            let settings = clouds_yaml::parse(&files, choice, &environment);
            prop_assert!(!lower(told(settings)).contains(&planted), "{text:?}");
        }
        let variables = [("OS_PASSWORD", &text), ("OS_TOKEN", &text), ("OS_AUTH_URL", &"https://k".to_owned())];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.clone())).into_iter().collect();
        prop_assert!(!lower(told(Ok(environment::read(&variables)))).contains(&planted), "{text:?}");
    }

    #[test]
    fn a_quoted_ini_value_is_read_as_written(value in "[^\\x00\r]{0,24}") {
        let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\t', "\\t");
        let entries = gcfg::parse(&format!("[Global]\npassword = \"{escaped}\" # x\n")).unwrap();
        prop_assert_eq!(entries[1].value.as_deref(), Some(value.as_str()));
    }

    #[test]
    fn a_quoted_yaml_value_is_read_as_written(value in "[^\\pC]{1,24}") {
        let quoted = serde_json::to_string(&value).unwrap();
        let text = format!("clouds: {{a: {{auth: {{auth_url: 'https://a', user_id: u, project_id: p, password: {quoted}}}}}}}");
        let settings = clouds_yaml::parse(&files(text, None), clouds_yaml::Choice::default(), &Environment::new());
        prop_assert_eq!(password(&settings.unwrap().resolve().unwrap().0), value);
    }

    #[test]
    fn a_plain_yaml_scalar_is_read_as_written(value in "[0-9+.]?[0-9a-fA-Fxo_.eE+]{0,12}[0-9a-f]") {
        let text = format!("clouds: {{a: {{auth: {{auth_url: 'https://a', user_id: u, project_id: p, password: {value}}}}}}}");
        let settings = clouds_yaml::parse(&files(text, None), clouds_yaml::Choice::default(), &Environment::new());
        prop_assert_eq!(password(&settings.unwrap().resolve().unwrap().0), value);
    }

    #[test]
    fn a_provider_id_that_is_read_is_the_same_when_written(
        scheme in proptest::sample::select(vec!["", "openstack:///", "openstack://R/", "fake:///", "aws:///", "openstack://a/b/"]),
        uuid in "[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}",
        rest in proptest::sample::select(vec!["", "/0", "/17", "/requested-1", "/failed-2", "/-1", "x", "/"]),
        noise in "\\PC{0,6}",
        noisy in any::<bool>(),
    ) {
        let text = format!("{scheme}{uuid}{rest}{}", if noisy { noise.as_str() } else { "" });
        match text.parse::<InstanceId>() {
            Ok(InstanceId::Server(machine)) => {
                prop_assert!(text.to_lowercase().replace('-', "").ends_with(&machine.to_string().replace('-', "")));
                if let Some(prefix) = ProviderIdPrefix::of(&text) {
                    prop_assert_eq!(prefix.provider_id(machine).parse::<InstanceId>(), Ok(InstanceId::Server(machine)));
                }
            }
            Ok(InstanceId::Placeholder(placeholder)) => {
                prop_assert_eq!(placeholder.to_string().parse::<InstanceId>(), Ok(InstanceId::Placeholder(placeholder)));
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}
