//! What the environment's variables become beside a file.

use super::*;

#[test]
fn the_environment_fills_what_a_file_leaves_out() {
    let base = "clouds: {a: {auth: {auth_url: 'https://a', username: demo, project_name: demo}}}";
    let variables = [
        ("OS_CLOUD", "a"),
        ("OS_PASSWORD", SECRET),
        ("OS_REGION_NAME", "r"),
        ("OS_INTERFACE", "internal"),
        ("OS_CACERT", "/ca.pem"),
        ("OS_DEFAULT_DOMAIN_NAME", "Default"),
        ("OS_COMPUTE_ENDPOINT_OVERRIDE", "https://nova/v2.1"),
    ];
    let loaded = beside(base, None, &variables).unwrap();
    let demo = || named("demo", default_domain());
    assert_eq!(password(&loaded.config), (demo(), SECRET.to_owned(), Scope::Project(demo())));
    assert_eq!(loaded.config.region.as_deref(), Some("r"));
    assert_eq!(loaded.config.interface, Interface::Internal);
    assert_eq!(loaded.config.ca_file.as_deref(), Some("/ca.pem".as_ref()));
    assert!(loaded.config.endpoint_overrides.compute.is_some());
    assert_eq!(warnings(&loaded), Vec::<String>::new());

    let loaded =
        cloud_conf_with("[Global]\nauth-url=https://k\nuser-id=u\ntrust-id=t\n", &environment(&variables))
            .unwrap();
    assert_eq!(password(&loaded.config), (id("u"), SECRET.to_owned(), trust()));
    assert_eq!(loaded.config.region.as_deref(), Some("r"));
    let secret = [("OS_APPLICATION_CREDENTIAL_SECRET", SECRET), ("OS_APPLICATION_CREDENTIAL_ID", "other")];
    let text = "[Global]\nauth-url=https://k\napplication-credential-id=a\n";
    let loaded = cloud_conf_with(text, &environment(&secret)).unwrap();
    assert!(matches!(
        &loaded.config.credentials,
        Credentials::ApplicationCredential { credential: ApplicationCredential::Id(id), .. } if id == "a"
    ));
    let told = warnings(&loaded);
    let secret_alone = "[Global]\nauth-url=https://k\napplication-credential-secret=hunter2\n";
    let id_beside = environment(&[("OS_APPLICATION_CREDENTIAL_ID", "a"), ("OS_PASSWORD", "x")]);
    let beside = cloud_conf_with(secret_alone, &id_beside).unwrap().config.credentials;
    assert!(matches!(beside, Credentials::ApplicationCredential { .. }));
    assert!(told.len() == 1 && told[0].contains("OS_APPLICATION_CREDENTIAL_ID: differs from"), "{told:?}");
}

#[test]
fn the_file_counts_where_the_environment_says_otherwise() {
    let variables = [
        ("OS_AUTH_URL", "https://other"),
        ("OS_USERNAME", "other"),
        ("OS_PASSWORD", "other-hunter2"),
        ("OS_PROJECT_NAME", "other"),
        ("OS_PROJECT_DOMAIN_NAME", "other"),
        ("OS_USER_DOMAIN_NAME", "other"),
        ("OS_REGION_NAME", "other"),
        ("OS_IDENTITY_API_VERSION", "3"),
        ("OS_AUTH_TYPE", "password"),
        ("OS_CLOUD", "a"),
    ];
    let told_of = |loaded: &Loaded| -> Vec<String> {
        warnings(loaded).iter().map(|text| text.split(": ").nth(1).unwrap().to_owned()).collect()
    };
    let clouds = "clouds: {a: {region_name: r, auth: {auth_url: 'https://a', user_id: u, password: hunter2, project_id: p}}}";
    let loaded = beside(clouds, None, &variables).unwrap();
    assert_eq!(password(&loaded.config), (id("u"), SECRET.to_owned(), Scope::Project(id("p"))));
    assert_eq!((loaded.config.auth_url.as_str(), loaded.config.region.as_deref()), ("https://a/", Some("r")));
    let expected = ["OS_AUTH_URL", "OS_PASSWORD", "OS_REGION_NAME", "OS_PROJECT_NAME", "OS_USERNAME"];
    let mut told = told_of(&loaded);
    told.sort_unstable();
    let mut expected = expected.map(str::to_owned);
    expected.sort_unstable();
    assert_eq!(told, expected);
    assert!(!format!("{:?}", loaded.warnings).contains(SECRET));

    // Another kind of login, or a project beside the trust, would not be the file's login any more.
    let appcred =
        "[Global]\nauth-url=https://k\napplication-credential-id=a\napplication-credential-secret=hunter2\n";
    let loaded = cloud_conf_with(appcred, &environment(&variables)).unwrap();
    assert!(matches!(loaded.config.credentials, Credentials::ApplicationCredential { .. }));
    assert!(told_of(&loaded).contains(&"OS_PASSWORD".to_owned()), "{:?}", loaded.warnings);
    let by_trust = "[Global]\nauth-url=https://k\nuser-id=u\npassword=hunter2\ntrust-id=t\n";
    let loaded = cloud_conf_with(by_trust, &environment(&variables)).unwrap();
    assert_eq!(password(&loaded.config), (id("u"), SECRET.to_owned(), trust()));
    let token = [("OS_TOKEN", SECRET), ("OS_APPLICATION_CREDENTIAL_ID", "a")];
    let loaded = cloud_conf_with(by_trust, &environment(&token)).unwrap();
    assert_eq!(password(&loaded.config).2, trust());
    assert_eq!(told_of(&loaded), ["OS_APPLICATION_CREDENTIAL_ID", "OS_TOKEN"]);
    let same = [("OS_PASSWORD", SECRET), ("OS_USER_DOMAIN_ID", "default")];
    assert_eq!(warnings(&cloud_conf_with(by_trust, &environment(&same)).unwrap()), Vec::<String>::new());
}

#[test]
fn the_variables_may_have_a_cloud_name_of_their_own() {
    let clouds = "clouds: {a: {auth: {auth_url: 'https://a', token: x}}, b: {auth: {auth_url: 'https://b', token: x}}}";
    let variables = |name| [("OS_CLOUD_NAME", name), ("OS_AUTH_URL", "https://env"), ("OS_TOKEN", "x")];
    let host = |loaded: Result<Loaded, ConfigError>| loaded.unwrap().config.auth_url.to_string();
    assert_eq!(host(beside(clouds, Some("mine"), &variables("mine"))), "https://env/");
    assert_eq!(host(beside(clouds, Some("envvars"), &variables("mine"))), "https://env/");
    assert_eq!(host(beside(clouds, Some("a"), &variables("mine"))), "https://a/");
    assert_eq!(host(beside(clouds, None, &variables("mine"))), "https://env/");
    assert_eq!(host(beside(clouds, Some("a"), &[("OS_CLOUD_NAME", "a")])), "https://a/");
    let error = beside(clouds, Some("a"), &variables("a")).unwrap_err().to_string();
    assert!(error.contains("unset OS_CLOUD_NAME"), "{error}");
    let error = beside(clouds, None, &[("OS_CLOUD_NAME", "a")]).unwrap_err().to_string();
    assert!(
        error.contains("choose one of its clouds") && error.contains("OS_CLOUD_NAME only names"),
        "{error}"
    );
}
