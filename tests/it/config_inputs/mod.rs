//! Configurations as people really have them: what each becomes, and what is told of it.

mod clouds_yaml;
mod environment;

use cluster_autoscaler_provider_magnum::{
    config::{
        self, CloudChoice, ConfigError, Credentials, Loaded,
        cloud::{ApplicationCredential, Domain, Interface, Scope},
    },
    core::cloud::Service,
};
use tempfile::TempDir;

use crate::config_fixture::{
    SECRET, cloud_conf, cloud_conf_with, clouds_yaml, default_domain, environment, id, named, password,
    trust, warnings, write,
};

const USER: &str = "user-id=u\ntenant-id=p\n";

/// Loads a cloud of a clouds.yaml with variables beside it.
fn beside(clouds: &str, os_cloud: Option<&str>, variables: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    let directory = TempDir::new().unwrap();
    let file = write(&directory, "clouds.yaml", clouds);
    let variables =
        [&[("OS_CLIENT_CONFIG_FILE", file.as_str()), ("HOME", "/nonexistent")], variables].concat();
    config::load(
        &CloudChoice { cloud_config: None, os_cloud: os_cloud.map(str::to_owned) },
        &environment(&variables),
    )
}

/// One cloud, `a`, that can log in, with more keys.
fn entry(more: &str) -> Loaded {
    let text = format!(
        "clouds:\n  a:\n    auth: {{auth_url: 'https://a', user_id: u, password: hunter2, project_id: p}}\n{more}"
    );
    clouds_yaml(&text, "", "", Some("a")).unwrap_or_else(|error| panic!("{more}: {error}"))
}

#[test]
fn a_value_that_may_be_meant_otherwise_is_told_by_line_and_key() {
    let file = |line: &str| cloud_conf(&format!("{USER}{line}")).unwrap();
    for (line, expected, words) in [
        ("password=hunter2#def", "hunter2", "ends at the ; or #"),
        ("password=hunter2;def", "hunter2", "ends at the ; or #"),
        ("password = hunter2;", "hunter2", "ends at the ; or #"),
        ("password=\"hunter2\"#x", "hunter2", "ends at the ; or #"),
        ("password='hunter2'", "'hunter2'", "quotes around the value are taken for a part"),
        ("password=“hunter2”", "“hunter2”", "quotes around the value are taken for a part"),
        ("password=`hunter2`", "`hunter2`", "quotes around the value are taken for a part"),
        ("password=hun\"ter\"2", "hunter2", "double quotes within the value are taken off"),
        ("password=\"hun\"\"ter2\"", "hunter2", "double quotes within the value are taken off"),
        ("password=hunter2\\\nregion=x", "hunter2region=x", "makes the next line a part"),
        ("password=\"hun\\ter2\"", "hun\ter2", "taken for a line end or a tab"),
    ] {
        let loaded = file(line);
        assert_eq!(password(&loaded.config).1, expected, "{line}");
        let warnings = warnings(&loaded);
        assert_eq!(warnings.len(), 1, "{line}: {warnings:?}");
        assert!(
            warnings[0].contains("cloud.conf, line 5: password: ") && warnings[0].contains(words),
            "{warnings:?}"
        );
        assert!(!warnings[0].contains("hunter"), "{warnings:?}");
    }
    for line in [
        "password=hunter2 # comment",
        "password=hunter2\t; comment",
        "password=\"hunter2\"",
        "password=\"hun'ter#2;\"",
        "password=it's",
        "password=\"'hunter2'\"",
        "password=\"\\\"hunter2\\\"\"",
        "password=a\\\"b",
        "password=hunter2\nregion= # none",
    ] {
        assert_eq!(warnings(&file(line)), Vec::<String>::new(), "{line}");
    }
    let error = cloud_conf(&format!("{USER}password=#hunter2")).unwrap_err().to_string();
    assert!(error.contains("password") && error.contains("line 5: password: the value ends at"), "{error}");
}

#[test]
fn a_text_in_the_wrong_place_is_never_repeated() {
    for (text, words) in [
        ("W0dsb2JhbF0KYXV0aC11cmw9aHR0cHM6Ly9r", "base64"),
        ("W0dsb2JhbF0KYXV0aC11\ncmw9aHR0cHM6Ly9rCg==\n", "base64"),
        ("[Global]\nW0dsb2JhbF0KYXV0aC11cmw9aHR0cHM6Ly9r\nauth-url=https://k\n", "password or application"),
        ("[Global]\nW0dsb2JhbF0KYXV0aC11cmw9==\nauth-url=https://k\n", "password or application"),
        ("hunter2", "before any [section]"),
        ("Correcthorse\n", "before any [section]"),
        ("[Global]\nhunter2\n", "auth-url is missing"),
        ("[Global]\nCorrecthorse\n", "auth-url is missing"),
        ("[Global]\nhunter2=x\n", "auth-url is missing"),
        ("[Global]\nCorrecthorse battery\n", "expected ="),
        ("[Global]\nhunter2_x=1\n", "this key"),
        ("[hunter2]\n", "no [Global] section"),
        ("[Global \"hunter2\"]\n", "a subsection of [global] is ignored"),
        ("[Global]\nhunter2=\"x\n", "this key"),
        ("clouds:\n  a:\n    auth: {password: hunter2}\n", "clouds.yaml"),
        ("{\"password\": \"hunter2\"}", "JSON"),
        ("export OS_PASSWORD=hunter2\n", "openrc"),
        ("apiVersion: v1\nkind: Secret\ndata: {x: hunter2}\n", "manifest"),
    ] {
        let error = cloud_conf_with(text, &environment(&[])).unwrap_err();
        for told in [error.to_string(), format!("{error:?}")] {
            let lower = told.to_lowercase();
            assert!(
                !["hunter2", "correcthorse", "w0dsb2"].iter().any(|secret| lower.contains(secret)),
                "{told}"
            );
        }
        assert!(error.to_string().contains(words), "{text}: {error}");
    }
}

#[test]
fn misspelt_keys_come_with_the_one_that_is_meant() {
    for (line, words) in [
        ("pasword=hunter2", "line 5: unknown key \"pasword\" in [Global] is ignored; did you mean password?"),
        ("Passwd=hunter2", "did you mean password?"),
        ("user=hunter2", "did you mean username?"),
        ("ca-flie=hunter2", "did you mean ca-file?"),
        ("region-name=hunter2", "did you mean region?"),
        ("projct-id=hunter2", "did you mean project-id?"),
    ] {
        let error = cloud_conf(&format!("{USER}{line}")).unwrap_err().to_string();
        assert!(error.contains("password or application-credential-id is missing"), "{error}");
        assert!(error.contains(words) && !error.contains(SECRET), "{error}");
    }
    let error = clouds_yaml(
        "clouds:\n  a:\n    auth:\n      auth_url: https://a\n      user_id: u\n      project_id: p\n      pasword: hunter2\n",
        "",
        "",
        None,
    )
    .unwrap_err()
    .to_string();
    assert!(
        error.contains(
            "clouds.yaml, line 7: unknown key \"pasword\" in auth is ignored; did you mean auth.password?"
        ),
        "{error}"
    );
    for (more, words) in [
        ("    regoin_name: x\n", "line 4: unknown key \"regoin_name\" is ignored; did you mean region_name?"),
        ("    veryfy: false\n", "did you mean verify?"),
        ("    colour: x\n", "unknown key \"colour\" is ignored"),
        ("    hunter2: x\n", "line 4: an unknown key is ignored"),
        ("    compute_interface: internal\n", "compute_interface: is not supported"),
    ] {
        let loaded = entry(more);
        let told = warnings(&loaded);
        assert!(told.len() == 1 && told[0].contains(words), "{more}: {told:?}");
        assert!(!told[0].contains(SECRET), "{told:?}");
    }
    let known = "    compute_api_version: 2.1\n    networks: []\n    volume_interface: public\n    force_ipv4: true\n";
    assert_eq!(warnings(&entry(known)), Vec::<String>::new());
    let loaded = beside(
        "clouds: {a: {auth: {auth_url: 'https://a', token: x}}}",
        None,
        &[("OS_PASWORD", SECRET), ("OS_FOO", "x"), ("OS_IMAGE_API_VERSION", "2")],
    )
    .unwrap();
    let told = warnings(&loaded);
    assert_eq!(
        told,
        ["environment: OS_PASWORD: this unknown variable is ignored; did you mean OS_PASSWORD?"]
    );
}

#[test]
fn line_ends_at_the_end_are_cut_off_and_blanks_are_not() {
    let variables = |password| {
        environment(&[
            ("OS_AUTH_URL", "https://k\n"),
            ("OS_USER_ID", "u"),
            ("OS_PASSWORD", password),
            ("OS_PROJECT_ID", "p\r\n"),
        ])
    };
    for (written, expected) in [
        ("hunter2\n", "hunter2"),
        ("hunter2\r\n\n", "hunter2"),
        ("hunter2 \n", "hunter2 "),
        (" \thunter2 ", " \thunter2 "),
    ] {
        let loaded = config::load(&CloudChoice::default(), &variables(written)).unwrap();
        assert_eq!(password(&loaded.config).1, expected, "{written:?}");
        let told = warnings(&loaded);
        let about_password = told.iter().filter(|text| text.contains("OS_PASSWORD: the line end")).count();
        assert_eq!(about_password, usize::from(written.ends_with('\n')), "{told:?}");
        assert!(told.iter().any(|text| text.contains("OS_AUTH_URL: the line end")), "{told:?}");
    }
    let loaded = entry("    region_name: |\n      RegionOne\n");
    assert_eq!(loaded.config.region.as_deref(), Some("RegionOne"));
    assert!(warnings(&loaded)[0].contains("region_name: the line end"), "{:?}", loaded.warnings);
    let loaded = cloud_conf(&format!("{USER}password=\"hunter2\\n\"")).unwrap();
    assert_eq!(password(&loaded.config).1, SECRET);
    let loaded = beside(
        "clouds: {a: {auth: {auth_url: 'https://a', token: x}}, b: {}}",
        None,
        &[("OS_CLOUD", "a\n"), ("OS_INSECURE", "\n")],
    )
    .unwrap();
    assert!(warnings(&loaded)[0].contains("OS_CLOUD: the line end"), "{:?}", loaded.warnings);
    assert!(!loaded.config.insecure);
    let by_option = beside("clouds: {a: {auth: {auth_url: 'https://a', token: x}}, b: {}}", Some("a\n"), &[]);
    assert!(by_option.is_ok(), "{by_option:?}");
}

#[test]
fn blank_certificate_files_are_left_out() {
    let directory = TempDir::new().unwrap();
    let blank = write(&directory, "ca.pem", " \n");
    let full = write(&directory, "full.pem", "-----BEGIN");
    for (file, expected) in [(blank.as_str(), None), ("/dev/null", None), (&full, Some(full.as_str()))] {
        let loaded =
            cloud_conf(&format!("{USER}password=hunter2\nca-file={file}\ncert-file={file}\nkey-file={file}"))
                .unwrap();
        assert_eq!(loaded.config.ca_file.as_deref(), expected.map(AsRef::as_ref), "{file}");
        assert_eq!(loaded.config.client_certificate.is_some(), expected.is_some(), "{file}");
        let told = warnings(&loaded);
        assert_eq!(told.len(), if expected.is_some() { 0 } else { 2 }, "{told:?}");
        if expected.is_none() {
            assert!(told[0].contains("line 6: ca-file: the file is empty"), "{told:?}");
        }
    }
}

#[test]
fn services_are_where_the_configuration_says() {
    let more = "    container-infra-endpoint-override: https://m:9511/v1\n    orchestration_endpoint_override: https://h/v1/%(project_id)s\n    \
                compute_endpoint: https://n/v2.1/$(tenant_id)s\n    identity_endpoint_override: https://i/v3\n    \
                volume_endpoint_override: https://v\n";
    let loaded = entry(more);
    let overrides = &loaded.config.endpoint_overrides;
    let url = |service| overrides.url(service, "P").unwrap().to_string();
    assert_eq!(url(Service::ContainerInfra), "https://m:9511/v1");
    assert_eq!(url(Service::Orchestration), "https://h/v1/P");
    assert_eq!(url(Service::Compute), "https://n/v2.1/P");
    assert_eq!(url(Service::Identity), "https://i/v3");
    assert_eq!(loaded.config.auth_url.as_str(), "https://a/");
    assert_eq!(warnings(&loaded), Vec::<String>::new());
    let heat = entry("    orchestration_endpoint_override: https://h:8004/v1/\n").config.endpoint_overrides;
    assert_eq!(heat.url(Service::Orchestration, "P").unwrap().as_str(), "https://h:8004/v1/P");
    for key in ["container_infra", "container_infrastructure", "container_infrastructure_management"] {
        let loaded = entry(&format!("    {key}_endpoint_override: https://m\n"));
        assert!(loaded.config.endpoint_overrides.container_infra.is_some(), "{key}");
    }
    let only = "clouds: {a: {identity_endpoint_override: 'https://i/v3', auth: {user_id: u, password: x, project_id: p}}}";
    assert_eq!(clouds_yaml(only, "", "", None).unwrap().config.auth_url.as_str(), "https://i/");
    for (url, words) in [
        ("https://u:hunter2@n", "must not hold a user"),
        ("nova", "is not a URL"),
        ("https://n/%(user_id)s", "placeholder"),
    ] {
        let text = format!(
            "clouds: {{a: {{compute_endpoint_override: '{url}', auth: {{auth_url: 'https://a', token: x}}}}}}"
        );
        let error = clouds_yaml(&text, "", "", None).unwrap_err().to_string();
        assert!(error.contains("compute_endpoint_override") && error.contains(words), "{error}");
        assert!(!error.contains(SECRET), "{error}");
    }
}

#[test]
fn a_trustees_password_counts_only_with_a_trust() {
    let loaded = cloud_conf(
        "application-credential-id=a\napplication-credential-secret=hunter2\ntrustee-id=e\ntrustee-password=x",
    )
    .unwrap();
    assert!(matches!(loaded.config.credentials, Credentials::ApplicationCredential { .. }));
    let told = warnings(&loaded);
    assert!(
        told.iter().any(|text| text.contains("trustee-password: has no effect without a trust")),
        "{told:?}"
    );
}

#[test]
fn planted_secrets_appear_nowhere() {
    const PLANTED: &str = "S3cr3t-Pl4nted";
    let secret_keys = ["password", "trustee-password", "application-credential-secret", "token", "auth-url"];
    let lines =
        |value: &str| secret_keys.iter().map(|key| format!("{key}={value}")).collect::<Vec<_>>().join("\n");
    let values = [
        PLANTED.to_owned(),
        format!("'{PLANTED}'"),
        format!("{PLANTED}#x"),
        format!("\"{PLANTED}"),
        format!("\"{PLANTED}\\n\""),
        format!("{PLANTED}\\x"),
        format!("https://u:{PLANTED}@k"),
    ];
    let mut told = Vec::new();
    let mut tell = |loaded: Result<Loaded, ConfigError>| match loaded {
        Ok(loaded) => told.push(format!("{loaded:?} {:?}", warnings(&loaded))),
        Err(error) => told.push(format!("{error} {error:?}")),
    };
    for value in &values {
        for more in
            ["", "user-id=u\ntenant-id=p\n", "user-id=u\ntrust-id=t\n", "application-credential-id=a\n"]
        {
            let variables = environment(&[
                ("OS_PASSWORD", value),
                ("OS_TOKEN", value),
                ("OS_AUTH_URL", value),
                ("OS_APPLICATION_CREDENTIAL_SECRET", &format!("{value}\n")),
            ]);
            tell(cloud_conf(&format!("{more}{}", lines(value))));
            tell(cloud_conf_with(&format!("[Global]\n{more}"), &variables));
            tell(cloud_conf_with(
                &format!("[Global]\nauth-url=https://k\n{more}{value}=x\n{value}\n[{value}]\n"),
                &variables,
            ));
            tell(cloud_conf_with(value, &variables));
            tell(config::load(&CloudChoice::default(), &variables));
        }
        for auth in [
            format!("{{auth_url: 'https://a', user_id: u, project_id: p, password: {value:?}}}"),
            format!("{{auth_url: {value:?}, token: {value:?}, password: [{value:?}], {value:?}: x}}"),
            format!(
                "{{auth_url: 'https://a', application_credential_id: i, application_credential_secret: {value:?}}}"
            ),
            format!("[{value:?}]"),
            format!("{value:?}"),
            format!("{{password: {value}"),
        ] {
            tell(clouds_yaml(&format!("clouds:\n  a:\n    auth: {auth}\n"), "", "", None));
            tell(clouds_yaml("clouds: {a: {}}", &format!("clouds:\n  a:\n    auth: {auth}\n"), "", None));
            tell(beside(&format!("clouds:\n  a:\n    auth: {auth}\n"), None, &[("OS_PASSWORD", value)]));
        }
    }
    assert!(told.iter().any(|text| text.starts_with("Loaded")) && told.len() > 200, "{}", told.len());
    for text in told {
        let lower = text.to_lowercase();
        assert!(!lower.contains("s3cr3t") && !lower.contains("pl4nted"), "{text}");
    }
}
