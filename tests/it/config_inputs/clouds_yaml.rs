//! Entries of clouds.yaml and secure.yaml.

use super::*;

#[test]
fn clouds_yaml_in_another_format_is_told_by_kind() {
    for (text, words) in [
        ("Y2xvdWRzOgogIGE6CiAgICBhdXRoOiB7fQ==", "base64"),
        ("[Global]\nauth-url=https://k\npassword=hunter2\n", "cloud.conf"),
        ("export OS_PASSWORD=hunter2\n", "openrc"),
        ("hunter2", "no key clouds"),
        ("- hunter2\n", "no key clouds"),
        ("clouds: hunter2\n", "line 1: clouds must have the name"),
        ("clouds:\n- hunter2\n", "clouds must have the name"),
        ("clouds:\n  a: hunter2\n", "line 2: a cloud must have keys"),
        ("auth: {password: hunter2}\n", "no cloud in it"),
        ("clouds:\n\ta: hunter2\n", "line 2"),
    ] {
        let error = clouds_yaml(text, "", "", None).unwrap_err();
        assert!(error.to_string().contains(words), "{text}: {error}");
        assert!(!format!("{error} {error:?}").contains(SECRET), "{error}");
    }
}

#[test]
fn keys_with_hyphens_are_those_with_underscores() {
    let text = "clouds:\n  a-b:\n    region-name: r\n    endpoint-type: internal\n    auth: {auth-url: 'https://a', user-id: u, \
                password: hunter2, project-id: p}\n    regions: [{name: r, values: {cacert: /r.pem}}]\n";
    let secure = "clouds:\n  a-b: {identity-api-version: v3}\n";
    let config = clouds_yaml(text, secure, "", Some("a-b")).unwrap().config;
    assert_eq!(password(&config), (id("u"), SECRET.to_owned(), Scope::Project(id("p"))));
    assert_eq!((config.region.as_deref(), config.interface), (Some("r"), Interface::Internal));
    assert_eq!(config.ca_file.as_deref(), Some("/r.pem".as_ref()));
}

#[test]
fn identity_api_versions() {
    for version in ["3", "v3", "V3", "3.0", "v3.14", "'3'"] {
        entry(&format!("    identity_api_version: {version}\n"));
    }
    for version in ["2", "v2.0", "2.0"] {
        let text = format!(
            "clouds: {{a: {{identity_api_version: {version}, auth: {{auth_url: 'https://a', token: x}}}}}}"
        );
        let error = clouds_yaml(&text, "", "", None).unwrap_err().to_string();
        assert!(error.contains("only Keystone v3"), "{error}");
    }
}

#[test]
fn unknown_vendors_are_told_with_what_to_write() {
    for (profile, words) in [
        ("catalyst", "profile \"catalyst\" is not in any clouds-public.yaml"),
        ("https://user:hunter2@vexxhost.com/hunter2", "the profile at vexxhost.com is not fetched"),
    ] {
        for key in ["profile", "cloud"] {
            let text = format!(
                "clouds:\n  a:\n    {key}: {profile}\n    auth: {{user_id: u, password: hunter2, project_id: p}}\n"
            );
            let error = clouds_yaml(&text, "", "", None).unwrap_err().to_string();
            assert!(error.contains("auth.auth_url is missing") && error.contains(words), "{error}");
            assert!(error.contains("write the vendor's auth_url under auth"), "{error}");
            assert!(!error.contains(SECRET), "{error}");
        }
    }
}

#[test]
fn endpoint_type_goes_before_interface_and_insecure_before_verify() {
    for (more, expected) in [
        ("    interface: public\n    endpoint_type: internal\n", Interface::Internal),
        ("    endpoint_type: internalURL\n    interface: admin\n", Interface::Internal),
        ("    interface: admin\n", Interface::Admin),
        ("    interface: [internal, public]\n", Interface::Internal),
    ] {
        assert_eq!(entry(more).config.interface, expected, "{more}");
    }
    for (more, insecure, told) in [
        ("    insecure: true\n    verify: true\n", true, 1),
        ("    verify: true\n    insecure: true\n", true, 1),
        ("    insecure: false\n    verify: false\n", true, 1),
        ("    insecure: true\n", true, 0),
        ("    insecure: true\n    verify: false\n", true, 0),
        ("    verify: no\n", true, 0),
        ("    verify: yes\n", false, 0),
        ("    insecure: true\n    cacert: /ca.pem\n", true, 1),
    ] {
        let loaded = entry(more);
        assert_eq!(loaded.config.insecure, insecure, "{more}");
        assert_eq!(loaded.warnings.len(), told, "{more}: {:?}", loaded.warnings);
    }
}

#[test]
fn an_odd_entry_spoils_no_other_cloud() {
    for odd in [
        "interface: [internal, public]",
        "auth: [x]",
        "auth: {password: {a: b}}",
        "regions: {a: b}",
        "verify: [1]",
        "x: 1\n    x: 2",
        "region_name: .inf",
        "profile: [x]",
    ] {
        let text = format!(
            "clouds:\n  odd:\n    {odd}\n  null:\n  text: hunter2\n  list: [hunter2]\n  a: {{auth: {{auth_url: 'https://a', token: x}}}}\n"
        );
        let loaded = clouds_yaml(&text, "", "", Some("a"));
        assert!(loaded.is_ok(), "{odd}: {loaded:?}");
    }
    let text = "clouds:\n  a:\n    auth:\n      password: [hunter2]\n";
    let error = clouds_yaml(text, "", "", None).unwrap_err().to_string();
    assert!(
        error.contains("clouds.yaml, line 4: auth.password must be a single value, not a list"),
        "{error}"
    );
    let loaded = entry("    region_name: r1\n    region_name: r2\n");
    assert_eq!(loaded.config.region.as_deref(), Some("r2"));
    assert!(warnings(&loaded)[0].contains("region_name: the key is there twice"), "{:?}", loaded.warnings);
}

#[test]
fn a_cloud_may_be_only_in_secure_yaml() {
    let whole = "clouds: {s: {auth: {auth_url: 'https://s', user_id: u, password: hunter2, project_id: p}}}";
    for clouds in ["clouds: {a: {}}", "", "clouds:\n"] {
        let config = clouds_yaml(clouds, whole, "", Some("s")).unwrap().config;
        assert_eq!(config.auth_url.as_str(), "https://s/");
    }
    let directory = TempDir::new().unwrap();
    let secure = write(&directory, "secure.yaml", whole);
    let variables =
        environment(&[("OS_CLIENT_SECURE_FILE", &secure), ("HOME", "/nonexistent"), ("OS_CLOUD", "s")]);
    assert_eq!(
        config::load(&CloudChoice::default(), &variables).unwrap().config.auth_url.as_str(),
        "https://s/"
    );
}

#[test]
fn a_regions_own_values_go_before_the_clouds() {
    let clouds = |region: &str| {
        format!(
            "clouds:\n  a:\n{region}    auth: {{auth_url: 'https://a', user_id: u, password: hunter2, project_id: p}}\n    regions:\n    - \
             name: r1\n      values: {{auth: {{auth_url: 'https://r1'}}, interface: internal}}\n    - name: r2\n      values: {{auth: \
             {{project_id: p2}}}}\n    - r3\n"
        )
    };
    for (region, variables, expected) in [
        ("", &[][..], ("r1", "https://r1/", "p", 1)),
        ("    region_name: r2\n", &[], ("r2", "https://a/", "p2", 0)),
        ("", &[("OS_REGION_NAME", "r2")], ("r2", "https://a/", "p2", 0)),
        ("", &[("OS_REGION_NAME", "r3")], ("r3", "https://a/", "p", 0)),
        ("    region_name: r9\n", &[], ("r9", "https://a/", "p", 1)),
        ("    region_name: r2\n", &[("OS_REGION_NAME", "r1")], ("r2", "https://a/", "p2", 1)),
    ] {
        let loaded = beside(&clouds(region), Some("a"), variables).unwrap();
        let Scope::Project(project) = password(&loaded.config).2 else { panic!("no project") };
        let read = (
            loaded.config.region.as_deref().unwrap(),
            loaded.config.auth_url.as_str(),
            project.label(),
            loaded.warnings.len(),
        );
        assert_eq!(read, expected, "{region:?} {variables:?}: {:?}", loaded.warnings);
    }
    let error = beside(&clouds(""), Some("a"), &[("OS_REGION_NAME", "r9")]).unwrap_err().to_string();
    assert!(error.contains("OS_REGION_NAME is none of the cloud's regions; there is: r1, r2, r3"), "{error}");
    for (written, expected) in [("[r1, r2]", "r1"), ("r1,r2", "r1"), ("[r1]", "r1")] {
        assert_eq!(entry(&format!("    region_name: {written}\n")).config.region.as_deref(), Some(expected));
    }
    let only_in_region =
        "clouds: {a: {auth: {token: x}, regions: [{name: r1, values: {auth: {auth_url: 'https://r1'}}}]}}";
    assert_eq!(clouds_yaml(only_in_region, "", "", None).unwrap().config.auth_url.as_str(), "https://r1/");
}

#[test]
fn default_domains() {
    for (key, domain) in [
        ("default_domain_id", Domain::Id("d".to_owned())),
        ("default_domain_name", Domain::Name("d".to_owned())),
        ("default_domain", Domain::Id("d".to_owned())),
    ] {
        let text = format!(
            "clouds: {{a: {{auth: {{auth_url: 'https://a', username: u, password: hunter2, project_name: p, {key}: d}}}}}}"
        );
        let config = clouds_yaml(&text, "", "", None).unwrap().config;
        assert_eq!(password(&config).0, named("u", domain.clone()));
        let variable = format!("OS_{}", key.to_uppercase());
        let variables = environment(&[
            ("OS_AUTH_URL", "https://a"),
            ("OS_USERNAME", "u"),
            ("OS_PASSWORD", SECRET),
            ("OS_PROJECT_NAME", "p"),
            (&variable, "d"),
        ]);
        let config = config::load(&CloudChoice::default(), &variables).unwrap().config;
        assert_eq!(password(&config).2, Scope::Project(named("p", domain)));
    }
}
