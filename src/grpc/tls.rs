//! Mutual TLS from three files. cluster-autoscaler knows no other: it always shows a certificate and always
//! checks the server's (`externalgrpc_cloud_provider.go`).

use std::{
    fmt, fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use thiserror::Error;

/// What a gRPC connection speaks within TLS.
const HTTP2: &[u8] = b"h2";

/// Who may connect, and how.
#[derive(Clone)]
pub enum Security {
    /// Anybody who reaches the port.
    Plaintext,
    /// Only who has a certificate of the right authority.
    MutualTls(TlsFiles),
}

/// What is in the three files of mutual TLS.
#[derive(Clone)]
pub struct TlsFiles {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Vec<u8>,
}

impl TlsFiles {
    /// What a handshake needs to know.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub(super) fn config(&self) -> Result<Arc<ServerConfig>, String> {
        let chain = certificates("--tls-cert", &self.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|error| format!("--tls-key holds no private key in PEM: {error}"))?;
        let mut roots = RootCertStore::empty();
        // An old authority in a bundle that nobody can parse is nobody's authority.
        let (usable, _) = roots.add_parsable_certificates(certificates("--tls-client-ca", &self.client_ca)?);
        if usable == 0 {
            return Err("--tls-client-ca holds no certificate that can be used".to_owned());
        }
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(|error| format!("--tls-client-ca: {error}"))?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .map_err(|error| format!("--tls-cert and --tls-key: {error}"))?;
        config.alpn_protocols.push(HTTP2.to_vec());
        Ok(Arc::new(config))
    }
}

/// All certificates of a file, one at least.
fn certificates(option: &str, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(text).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err(format!("{option} holds no certificate in PEM")),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(format!("{option}: {error}")),
    }
}

impl fmt::Debug for TlsFiles {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsFiles").finish_non_exhaustive()
    }
}

impl fmt::Debug for Security {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plaintext => "Plaintext",
            Self::MutualTls(_) => "MutualTls",
        })
    }
}

/// The three files of mutual TLS, and the permission to do without.
#[derive(Debug, Clone, Default)]
pub struct SecurityOptions {
    /// The server's certificate chain, PEM.
    pub certificate: Option<PathBuf>,
    /// Its private key, PEM.
    pub key: Option<PathBuf>,
    /// The authority that signs the callers' certificates, PEM.
    pub client_ca: Option<PathBuf>,
    /// Whether plaintext is wanted on an address that others can reach.
    pub insecure: bool,
}

/// Why there is no way to listen that was asked for.
#[derive(Debug, Error)]
pub enum SecurityError {
    /// One or two of the three files.
    #[error(
        "--tls-cert, --tls-key and --tls-client-ca belong together: give all three, or none for plaintext \
         (missing: {0})"
    )]
    Incomplete(String),
    /// Plaintext where others can reach it.
    #[error(
        "{0} is reachable from other machines, and whoever reaches it can remove nodes: give --tls-cert, \
         --tls-key and --tls-client-ca, or --insecure if the network protects it"
    )]
    PlaintextOnNetwork(IpAddr),
    /// A file that cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
}

impl SecurityOptions {
    /// Reads the files, if they are given and complete, or checks that plaintext is safe at this address.
    ///
    /// # Errors
    /// See [`SecurityError`].
    pub fn load(&self, listen: IpAddr) -> Result<Security, SecurityError> {
        match (&self.certificate, &self.key, &self.client_ca) {
            (Some(certificate), Some(key), Some(client_ca)) => {
                let (certificate, key) = (read(certificate)?, read(key)?);
                Ok(Security::MutualTls(TlsFiles { certificate, key, client_ca: read(client_ca)? }))
            }
            (None, None, None) if self.insecure || listen.is_loopback() => Ok(Security::Plaintext),
            (None, None, None) => Err(SecurityError::PlaintextOnNetwork(listen)),
            _ => Err(SecurityError::Incomplete(self.missing())),
        }
    }

    fn missing(&self) -> String {
        let files = [
            ("--tls-cert", &self.certificate),
            ("--tls-key", &self.key),
            ("--tls-client-ca", &self.client_ca),
        ];
        let missing: Vec<&str> =
            files.into_iter().filter(|(_, file)| file.is_none()).map(|(option, _)| option).collect();
        missing.join(", ")
    }
}

fn read(path: &Path) -> Result<Vec<u8>, SecurityError> {
    fs::read(path).map_err(|source| SecurityError::Unreadable { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const EVERYWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn plaintext_needs_a_loopback_address_or_a_word() {
        let mut options = SecurityOptions::default();
        assert!(matches!(options.load(LOOPBACK), Ok(Security::Plaintext)));
        assert!(matches!(options.load(EVERYWHERE), Err(SecurityError::PlaintextOnNetwork(_))));
        options.insecure = true;
        assert!(matches!(options.load(EVERYWHERE), Ok(Security::Plaintext)));
    }

    #[test]
    fn two_files_of_three_are_refused_even_on_loopback() {
        let options = SecurityOptions {
            certificate: Some("a".into()),
            key: Some("b".into()),
            client_ca: None,
            insecure: true,
        };
        let error = options.load(LOOPBACK).unwrap_err();
        assert!(error.to_string().ends_with("(missing: --tls-client-ca)"), "{error}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let options = SecurityOptions {
            certificate: Some("/nonexistent/tls.crt".into()),
            key: Some("/nonexistent/tls.key".into()),
            client_ca: Some("/nonexistent/ca.crt".into()),
            insecure: false,
        };
        assert!(options.load(EVERYWHERE).unwrap_err().to_string().contains("/nonexistent/tls.crt"));
    }
}
