//! When the service's certificates expire. They are read at the start, so that what counts is what was read then.

use std::{fs, path::Path, time::Duration};

use rustls::pki_types::{CertificateDer, pem::PemObject};
use x509_cert::{Certificate, der::Decode};

use super::tls::SecurityOptions;

/// The option that names a file of certificates, and when the first of them expires, since 1970. A file in which no
/// certificate can be read is left out; that TLS does not work with it is told elsewhere.
#[must_use]
pub fn expiries(options: &SecurityOptions) -> Vec<(&'static str, Duration)> {
    [("tls-cert", &options.certificate), ("tls-client-ca", &options.client_ca)]
        .into_iter()
        .filter_map(|(option, file)| Some((option, first_expiry(file.as_deref()?)?)))
        .collect()
}

fn first_expiry(file: &Path) -> Option<Duration> {
    let pem = fs::read(file).ok()?;
    CertificateDer::pem_slice_iter(&pem)
        .filter_map(Result::ok)
        .filter_map(|der| Certificate::from_der(&der).ok())
        .map(|certificate| certificate.tbs_certificate().validity().not_after.to_unix_duration())
        .min()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    /// Midnight of the first of January of this year, since 1970.
    fn new_year(year: i32) -> Duration {
        let seconds = date_time_ymd(year, 1, 1).unix_timestamp();
        Duration::from_secs(seconds.try_into().unwrap())
    }

    fn expiring(year: i32) -> String {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_after = date_time_ymd(year, 1, 1);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
    }

    #[test]
    fn the_first_certificate_of_a_file_that_expires_counts() {
        let folder = tempfile::tempdir().unwrap();
        let chain = folder.path().join("chain.crt");
        fs::write(&chain, expiring(2040) + &expiring(2031) + &expiring(2035)).unwrap();
        let ca = folder.path().join("ca.crt");
        fs::write(&ca, expiring(2050)).unwrap();
        let options =
            SecurityOptions { certificate: Some(chain), client_ca: Some(ca), ..SecurityOptions::default() };
        assert_eq!(expiries(&options), [("tls-cert", new_year(2031)), ("tls-client-ca", new_year(2050))]);
    }

    #[test]
    fn without_a_certificate_nothing_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tls.crt");
        fs::write(&file, "-----BEGIN CERTIFICATE-----\nbm90IG9uZQ==\n-----END CERTIFICATE-----\n").unwrap();
        let options = SecurityOptions {
            certificate: Some(file),
            client_ca: Some(folder.path().join("absent.crt")),
            ..SecurityOptions::default()
        };
        assert_eq!(expiries(&options), []);
        assert_eq!(expiries(&SecurityOptions::default()), []);
    }
}
