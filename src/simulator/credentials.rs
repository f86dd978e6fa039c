//! Who may log in. All of it is fixed and public: nothing here guards anything.

/// The users of the simulated Keystone with the ways they can log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credentials {
    /// Id of the user who owns the cluster.
    pub user_id: &'static str,
    /// The user's name.
    pub user_name: &'static str,
    /// The user's password.
    pub password: &'static str,
    /// Id of the domain of the user and the project.
    pub domain_id: &'static str,
    /// Name of that domain.
    pub domain_name: &'static str,
    /// Id of the project.
    pub project_id: &'static str,
    /// The project's name.
    pub project_name: &'static str,
    /// Id of an application credential of the user, restricted.
    pub application_credential_id: &'static str,
    /// The application credential's name.
    pub application_credential_name: &'static str,
    /// The application credential's secret.
    pub application_credential_secret: &'static str,
    /// Id of the trust that Magnum made for the cluster; the user is its trustor.
    pub trust_id: &'static str,
    /// Id of the trustee, who can log in only with the trust.
    pub trustee_user_id: &'static str,
    /// The trustee's password.
    pub trustee_password: &'static str,
    /// The only region.
    pub region: &'static str,
}

/// The one set of credentials there is.
pub(super) const CREDENTIALS: Credentials = Credentials {
    user_id: "78c538f026514b749727a2f36e4d1b7a",
    user_name: "demo",
    password: "demo-password",
    domain_id: "default",
    domain_name: "Default",
    project_id: "10545de74d124962bcb35ee5db44ebcf",
    project_name: "demo",
    application_credential_id: "64a48485e773414fa3ce853063c6f3cf",
    application_credential_name: "autoscaler",
    application_credential_secret: "demo-application-credential-secret",
    trust_id: "06cbcdf3664b4c238c667754ad6b2da2",
    trustee_user_id: "4544653904f449ea9f0e479edf2ddd8c",
    trustee_password: "demo-trustee-password",
    region: "RegionOne",
};
