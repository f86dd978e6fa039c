//! Every source of the cloud's configuration, from its text to the configuration or the error.

use std::path::Path;

use cluster_autoscaler_provider_magnum::config::{
    self, CloudChoice, Credentials, Environment,
    cloud::{ApplicationCredential, Domain, Interface, Scope},
};
use secrecy::ExposeSecret;
use tempfile::TempDir;

use crate::config_fixture::{
    SECRET, cloud_conf, cloud_conf_with, clouds_yaml, default_domain, environment, id, named, password,
    trust, write,
};

#[test]
fn magnums_own_file_logs_in_with_the_trust() {
    let loaded =
        cloud_conf("user-id=u\npassword=\"hunter2\"\ntrust-id=t\nregion=RegionOne\nca-file=/ca.pem").unwrap();
    let config = loaded.config;
    assert_eq!(config.auth_url.as_str(), "https://keystone:5000/");
    assert_eq!(password(&config), (id("u"), SECRET.to_owned(), trust()));
    assert_eq!(config.region.as_deref(), Some("RegionOne"));
    assert_eq!(config.ca_file.as_deref(), Some(Path::new("/ca.pem")));
    assert!(!config.insecure);
    assert_eq!(loaded.warnings, []);
}

#[test]
fn who_logs_in_and_for_what() {
    let user = || named("demo", default_domain());
    let project = || Scope::Project(user());
    let by_id = || Scope::Project(id("p"));
    for (lines, expected_user, expected_scope) in [
        ("user-id=u\npassword=hunter2\ntenant-id=p", id("u"), by_id()),
        ("username=demo\nuser-domain-name=Default\npassword=hunter2\nproject-id=p", user(), by_id()),
        ("username=demo\npassword=hunter2\ntenant-name=demo\ndomain-name=Default", user(), project()),
        (
            "username=demo\npassword=hunter2\nproject-name=demo\nuser-domain-name=Default\ntenant-domain-name=Default",
            user(),
            project(),
        ),
        (
            "username=demo\npassword=hunter2\ntenant-name=demo\ndomain-name=Default\ntenant-domain-id=d",
            user(),
            Scope::Project(named("demo", Domain::Id("d".into()))),
        ),
        ("user-id=u\npassword=hunter2\ntenant-id=p\ntrust-id=t", id("u"), trust()),
        ("user-id=u\npassword=x\ntrust-id=t\ntrustee-id=e\ntrustee-password=hunter2", id("e"), trust()),
        (
            "user-id=u\npassword=x\npassword=hunter2\ntenant-id=p\napplication-credential-id=a\n\
             application-credential-secret=s",
            id("u"),
            by_id(),
        ),
    ] {
        let loaded = cloud_conf(lines).unwrap_or_else(|error| panic!("{lines}: {error}"));
        assert_eq!(password(&loaded.config), (expected_user, SECRET.to_owned(), expected_scope), "{lines}");
    }
}

#[test]
fn an_application_credential_has_no_scope() {
    for (lines, expected) in [
        ("application-credential-id=a", ApplicationCredential::Id("a".into())),
        (
            "application-credential-name=n\nusername=demo\ndomain-name=Default\ntenant-id=p",
            ApplicationCredential::Name { name: "n".into(), user: named("demo", default_domain()) },
        ),
    ] {
        let loaded = cloud_conf(&format!("{lines}\napplication-credential-secret=hunter2")).unwrap();
        match &loaded.config.credentials {
            Credentials::ApplicationCredential { credential, secret } => {
                assert_eq!(credential, &expected);
                assert_eq!(secret.expose_secret(), SECRET);
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(loaded.warnings.len(), usize::from(lines.contains("tenant-id")), "{:?}", loaded.warnings);
    }
}

#[test]
fn endpoints_and_tls() {
    let lines = "user-id=u\npassword=hunter2\ntenant-id=p\nos-endpoint-type=internalURL\ntls-insecure\n\
                 cert-file=/c.pem\nkey-file=/k.pem";
    let config = cloud_conf(lines).unwrap().config;
    assert_eq!(config.interface, Interface::Internal);
    assert!(config.insecure);
    let certificate = config.client_certificate.unwrap();
    assert_eq!(certificate.cert_file, Path::new("/c.pem"));
    assert_eq!(certificate.key_file, Path::new("/k.pem"));
    for (url, expected) in [
        ("https://keystone/identity/v3/", "https://keystone/identity"),
        ("http://keystone:5000", "http://keystone:5000/"),
        ("http://keystone:5000/v2.0", "http://keystone:5000/"),
    ] {
        let text = format!("[Global]\nauth-url={url}\nuser-id=u\npassword=hunter2\ntenant-id=p\n");
        assert_eq!(cloud_conf_with(&text, &Environment::new()).unwrap().config.auth_url.as_str(), expected);
    }
}

#[test]
fn unknown_keys_and_sections_are_warnings() {
    let lines = "user-id=u\npassword=hunter2\ntenant-id=p\nsecret-name=x\ncolour=hunter2\n[LoadBalancer]\n\
                 use-octavia=true\n[Kitchen]\nsink=1";
    let loaded = cloud_conf(lines).unwrap();
    assert_eq!(loaded.warnings.len(), 2, "{:?}", loaded.warnings);
    let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert!(warnings[0].contains("cloud.conf, line 7: unknown key \"colour\""), "{warnings:?}");
    assert!(warnings[1].contains("line 10: unknown section [kitchen]"), "{warnings:?}");
}

#[test]
fn what_is_missing_is_named_in_the_files_own_words() {
    let whole = "auth-url=https://k\nuser-id=u\npassword=hunter2\ntenant-id=p\n";
    for (text, words) in [
        (String::new(), "there is no [Global] section"),
        ("[LoadBalancer]\n".into(), "there is no [Global] section"),
        ("[Global]\n".into(), "auth-url is missing"),
        ("[Global]\nauth-url=\n".into(), "auth-url is missing"),
        ("[Global]\nauth-url\n".into(), "line 2: auth-url has no value"),
        ("[Global]\nauth-url=keystone\n".into(), "auth-url is not a URL"),
        ("[Global]\nauth-url=ftp://keystone\n".into(), "http:// or https://"),
        ("[Global]\nauth-url=https://demo:hunter2@k\n".into(), "must not hold a user or password"),
        ("[Global]\nauth-url=https://k\n".into(), "password or application-credential-id is missing"),
        ("[Global]\nauth-url=https://k\npassword=hunter2\n".into(), "user-id or username is missing"),
        (
            "[Global]\nauth-url=https://k\npassword=hunter2\nusername=u\n".into(),
            "user-domain-name or user-domain-id is missing",
        ),
        (
            "[Global]\nauth-url=https://k\npassword=hunter2\nuser-id=u\n".into(),
            "tenant-id or tenant-name or trust-id is missing",
        ),
        (
            "[Global]\nauth-url=https://k\npassword=hunter2\nuser-id=u\ntenant-name=p\n".into(),
            "tenant-domain-name or tenant-domain-id is missing",
        ),
        (
            "[Global]\nauth-url=https://k\napplication-credential-id=a\n".into(),
            "application-credential-secret is missing",
        ),
        (format!("[Global]\n{whole}os-endpoint-type=secret\n"), "os-endpoint-type is \"secret\""),
        (format!("[Global]\n{whole}tls-insecure=perhaps\n"), "tls-insecure is \"perhaps\""),
        (format!("[Global]\n{whole}key-file=k\n"), "cert-file is missing"),
        ("[Global]\nauth-url=https://k\nuser-id=u\npassword=\"hunter2\n".into(), "line 4: the quote"),
    ] {
        let error = cloud_conf_with(&text, &Environment::new()).unwrap_err().to_string();
        assert!(error.contains(words), "{text:?}: {error}");
        assert!(error.contains("cloud.conf"), "{text:?}: {error}");
        assert!(!error.contains(SECRET), "{text:?}: {error}");
    }
    let absent = CloudChoice { cloud_config: Some("/nonexistent/cloud.conf".into()), os_cloud: None };
    let error = config::load(&absent, &Environment::new()).unwrap_err().to_string();
    assert!(error.contains("/nonexistent/cloud.conf"), "{error}");
}

#[test]
fn a_cloud_conf_may_refer_to_a_clouds_yaml() {
    let directory = TempDir::new().unwrap();
    let clouds = write(
        &directory,
        "clouds.yaml",
        "clouds:\n  a:\n    auth: {auth_url: https://a, user_id: u, password: hunter2, project_id: p}\n    \
         region_name: r\n  b: {}\n",
    );
    for (text, variables) in [
        (format!("[Global]\nuse-clouds=true\nclouds-file={clouds}\ncloud=a\nregion=mine\n"), vec![]),
        (
            "[Global]\nuse-clouds\nregion=mine\n".to_owned(),
            vec![("OS_CLIENT_CONFIG_FILE", clouds.as_str()), ("OS_CLOUD", "a")],
        ),
    ] {
        let config = cloud_conf_with(&text, &environment(&variables)).unwrap().config;
        assert_eq!(config.auth_url.as_str(), "https://a/");
        assert_eq!(config.region.as_deref(), Some("mine"));
        assert_eq!(password(&config).1, SECRET);
    }
}

const PROFILED: &str = "\
clouds:
  demo:
    profile: acme
    auth:
      username: demo
      project_name: demo
      tenant_name: old
      domain_name: Default
    region_name: RegionTwo
    interface: internal
    cacert: ~/ca.pem
    verify: false
    identity_api_version: 3
    networks: [{name: private, routes_externally: true}]
";

#[test]
fn clouds_yaml_is_merged_with_secure_and_public_clouds() {
    let secure = "clouds:\n  demo:\n    auth:\n      password: hunter2\n";
    let public =
        "public-clouds:\n  acme:\n    auth: {auth_url: https://acme/v3}\n    region_name: RegionOne\n";
    let loaded = clouds_yaml(PROFILED, secure, public, None).unwrap();
    let config = loaded.config;
    let demo = || named("demo", default_domain());
    assert_eq!(config.auth_url.as_str(), "https://acme/");
    assert_eq!(password(&config), (demo(), SECRET.to_owned(), Scope::Project(demo())));
    assert_eq!(config.region.as_deref(), Some("RegionTwo"));
    assert_eq!(config.interface, Interface::Internal);
    assert_eq!(config.ca_file.as_deref(), Some(Path::new("/home/me/ca.pem")));
    assert!(config.insecure);
    assert!(loaded.origin.ends_with("clouds.yaml, cloud \"demo\""), "{}", loaded.origin);
}

#[test]
fn scalars_of_clouds_yaml_stay_as_written() {
    for written in ["0123456", "1e5", "12345678901234567890123", "true", "'01'", "\"a#b\"", "0x1F", "~x"] {
        let clouds = format!(
            "clouds: {{a: {{auth: {{auth_url: 'https://a', user_id: u, project_id: 7, password: {written}}}}}}}"
        );
        let config = clouds_yaml(&clouds, "", "", None).unwrap().config;
        assert_eq!(password(&config).1, written.trim_matches(['\'', '"']));
        assert_eq!(password(&config).2, Scope::Project(id("7")));
    }
}

#[test]
fn the_kinds_of_login_of_clouds_yaml() {
    let load = |entry: &str| clouds_yaml(&format!("clouds: {{a: {entry}}}"), "", "", Some("a")).unwrap();
    let loaded = load(
        "{auth_type: v3applicationcredential, auth: {auth_url: 'https://a', password: x, \
         application_credential_id: i, application_credential_secret: hunter2}}",
    );
    assert!(matches!(loaded.config.credentials, Credentials::ApplicationCredential { .. }));
    let loaded = load("{auth: {auth_url: 'https://a', user_id: u, password: x, trust_id: t, project_id: p}}");
    assert_eq!(password(&loaded.config).2, trust());
    let loaded = load("{auth_type: token, auth: {auth_url: 'https://a', token: x, tenant_id: p}}");
    assert!(matches!(loaded.config.credentials, Credentials::Token { scope: Some(Scope::Project(_)), .. }));
    let loaded = load("{auth: {auth_url: 'https://a', token: x}, regions: [{name: r1, values: {}}, r2]}");
    assert_eq!(loaded.config.region.as_deref(), Some("r1"));
    assert_eq!(loaded.warnings.len(), 1);
}

#[test]
fn clouds_yaml_errors_name_file_and_choice() {
    let two = "clouds: {a: {auth: {}}, b: {}}";
    for (clouds, os_cloud, words) in [
        (two, None, "choose one of its clouds with --os-cloud or OS_CLOUD: a, b"),
        (two, Some("c"), "there is no cloud \"c\" in it; there is: a, b"),
        (two, Some("b"), "cloud \"b\": auth.auth_url is missing"),
        ("", None, "no cloud in it"),
        ("clouds:\n  a:\n    auth:\n      password: \"hunter2\n", None, "line"),
        ("clouds:\n  a:\n    auth: [hunter2]\n", None, "line 3"),
        (
            "clouds: {a: {auth_type: v3oidcpassword, auth: {auth_url: 'https://a', password: hunter2}}}",
            None,
            "auth_type \"v3oidcpassword\" is not supported",
        ),
        (
            "clouds: {a: {identity_api_version: 2, auth: {auth_url: 'https://a'}}}",
            None,
            "api_version is \"2\"",
        ),
        (
            "clouds: {a: {auth: {auth_url: 'https://a', password: hunter2, user_id: u, system_scope: all}}}",
            None,
            "auth.system_scope",
        ),
    ] {
        let error = clouds_yaml(clouds, "", "", os_cloud).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("clouds.yaml"), "{clouds:?}: {error}");
        assert!(!error.contains(SECRET), "{clouds:?}: {error}");
    }
}

#[test]
fn the_environment_describes_a_cloud() {
    let base = [
        ("OS_AUTH_URL", "https://k/v3"),
        ("OS_REGION_NAME", "r"),
        ("OS_INTERFACE", "admin"),
        ("OS_CLOUD", ""),
    ];
    let with = |more: &[(&str, &str)]| {
        config::load(&CloudChoice::default(), &environment(&[&base[..], more].concat()))
            .map(|loaded| loaded.config)
    };
    let config = with(&[
        ("OS_USERNAME", "demo"),
        ("OS_PASSWORD", SECRET),
        ("OS_TENANT_NAME", "old"),
        ("OS_PROJECT_NAME", "demo"),
        ("OS_USER_DOMAIN_NAME", "Default"),
        ("OS_PROJECT_DOMAIN_ID", ""),
        ("OS_DEFAULT_DOMAIN", "d"),
        ("OS_INSECURE", "1"),
    ])
    .unwrap();
    let project = Scope::Project(named("demo", Domain::Id("d".to_owned())));
    assert_eq!(password(&config), (named("demo", default_domain()), SECRET.to_owned(), project));
    assert_eq!(
        (config.region.as_deref(), config.interface, config.insecure),
        (Some("r"), Interface::Admin, true)
    );
    let config =
        with(&[("OS_APPLICATION_CREDENTIAL_ID", "a"), ("OS_APPLICATION_CREDENTIAL_SECRET", SECRET)]).unwrap();
    assert!(matches!(config.credentials, Credentials::ApplicationCredential { .. }));
    let error = with(&[("OS_USERNAME", "demo"), ("OS_PASSWORD", SECRET)]).unwrap_err().to_string();
    assert!(error.starts_with("environment: OS_USER_DOMAIN_NAME or OS_USER_DOMAIN_ID is missing"), "{error}");
}

#[test]
fn the_command_line_goes_before_the_environment_and_that_before_the_only_cloud() {
    let directory = TempDir::new().unwrap();
    let clouds =
        write(&directory, "clouds.yaml", "clouds: {only: {auth: {auth_url: 'https://yaml', token: x}}}");
    let file = write(&directory, "cloud.conf", "[Global]\nauth-url=https://conf\ntoken=x\n");
    let host = |choice: CloudChoice, variables: &[(&str, &str)]| {
        let variables = [&[("OS_CLIENT_CONFIG_FILE", clouds.as_str())], variables].concat();
        config::load(&choice, &environment(&variables))
            .unwrap()
            .config
            .auth_url
            .host_str()
            .unwrap()
            .to_owned()
    };
    let env = [("OS_AUTH_URL", "https://env"), ("OS_TOKEN", "x")];
    let by_name = CloudChoice { cloud_config: None, os_cloud: Some("only".to_owned()) };
    let by_file = CloudChoice { cloud_config: Some(file.into()), os_cloud: Some("only".to_owned()) };
    assert_eq!(host(by_file, &env), "conf");
    assert_eq!(host(by_name, &env), "yaml");
    assert_eq!(host(CloudChoice::default(), &[&env[..], &[("OS_CLOUD", "only")]].concat()), "yaml");
    assert_eq!(host(CloudChoice::default(), &env), "env");
    assert_eq!(host(CloudChoice::default(), &[]), "yaml");
    let error = config::load(&CloudChoice::default(), &environment(&[("HOME", "/nonexistent")])).unwrap_err();
    assert!(error.to_string().contains("/nonexistent/.config/openstack"), "{error}");
}

#[test]
fn no_debug_text_shows_a_secret() {
    for lines in [
        "user-id=u\npassword=hunter2\ntenant-id=p",
        "application-credential-id=a\napplication-credential-secret=hunter2",
        "token=hunter2",
        "user-id=u\npassword=x\ntrust-id=t\ntrustee-password=hunter2",
    ] {
        let loaded = cloud_conf(lines).unwrap();
        let label = loaded.config.credentials.label();
        for text in [format!("{loaded:?}"), format!("{loaded:#?}"), label] {
            assert!(!text.contains(SECRET), "{text}");
        }
    }
}
