//! Which proxy a request goes through, by the variables that everybody uses.
//!
//! They are read as Go reads them (`golang.org/x/net/http/httpproxy`), since cluster-autoscaler in the same pod sees the
//! same ones; `ALL_PROXY` counts besides, as with curl.

use std::{fmt, net::IpAddr, str::FromStr as _};

use ipnet::IpNet;
use url::{Host, Url};

/// A proxy, with the variable that names it. Its text has no user and no password.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Where it is, with user and password if it wants them.
    pub(super) url: Url,
    variable: &'static str,
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.url.scheme(), self.url.host_str().unwrap_or_default())?;
        if let Some(port) = self.url.port_or_known_default() {
            write!(f, ":{port}")?;
        }
        write!(f, " ({})", self.variable)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The proxies and what is reached without them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    exceptions: Vec<Exception>,
    /// What was passed over; names variables, never their values.
    pub warnings: Vec<String>,
}

/// One entry of `NO_PROXY`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Exception {
    Everything,
    Network(IpNet),
    Address {
        ip: IpAddr,
        port: Option<u16>,
    },
    /// `suffix` without a dot in front.
    Domain {
        suffix: String,
        itself: bool,
        port: Option<u16>,
    },
}

impl Proxies {
    /// Reads the variables of this process.
    #[must_use]
    pub fn of_process() -> Self {
        Self::read(|name| std::env::var(name).ok())
    }

    /// Reads the variables: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, also in lower case. An empty one
    /// counts as not set.
    #[must_use]
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: [&'static str; 2]| {
            names.into_iter().find_map(|name| {
                let value = variable(name)?.trim().to_owned();
                (!value.is_empty()).then_some((name, value))
            })
        };
        let mut warnings = Vec::new();
        let mut proxy = |names| {
            let (variable, value) = first(names)?;
            let proxy = parse_proxy(&value).map(|url| Proxy { url, variable });
            proxy.map_err(|reason| warnings.push(format!("{variable} is not used: {reason}"))).ok()
        };
        let all = proxy(["ALL_PROXY", "all_proxy"]);
        let http = proxy(["HTTP_PROXY", "http_proxy"]).or_else(|| all.clone());
        let https = proxy(["HTTPS_PROXY", "https_proxy"]).or(all);
        let exceptions = first(["NO_PROXY", "no_proxy"])
            .map(|(_, list)| list.split(',').filter_map(parse_exception).collect())
            .unwrap_or_default();
        Self { http, https, exceptions, warnings }
    }

    /// The proxy for a URL; none where it is reached directly.
    #[must_use]
    pub fn of(&self, url: &Url) -> Option<&Proxy> {
        let proxy = match url.scheme() {
            "http" => self.http.as_ref(),
            "https" => self.https.as_ref(),
            _ => None,
        }?;
        let direct = match url.host()? {
            Host::Ipv4(ip) => self.excepts_address(ip.into(), url),
            Host::Ipv6(ip) => self.excepts_address(ip.into(), url),
            Host::Domain(name) => {
                name == "localhost" || self.excepts(|exception| exception.covers_name(name, url))
            }
        };
        (!direct).then_some(proxy)
    }

    fn excepts_address(&self, ip: IpAddr, url: &Url) -> bool {
        let ip = ip.to_canonical();
        ip.is_loopback() || self.excepts(|exception| exception.covers_address(ip, url))
    }

    fn excepts(&self, covers: impl Fn(&Exception) -> bool) -> bool {
        self.exceptions.iter().any(covers)
    }
}

impl Exception {
    fn covers_address(&self, address: IpAddr, url: &Url) -> bool {
        match self {
            Self::Everything => true,
            Self::Network(network) => network.contains(&address),
            Self::Address { ip, port } => *ip == address && is_port(*port, url),
            Self::Domain { .. } => false,
        }
    }

    fn covers_name(&self, name: &str, url: &Url) -> bool {
        match self {
            Self::Everything => true,
            Self::Domain { suffix, itself, port } => {
                let covered = match name.strip_suffix(suffix.as_str()) {
                    Some("") => *itself,
                    Some(rest) => rest.ends_with('.'),
                    None => false,
                };
                covered && is_port(*port, url)
            }
            Self::Network(_) | Self::Address { .. } => false,
        }
    }
}

fn is_port(port: Option<u16>, url: &Url) -> bool {
    port.is_none() || port == url.port_or_known_default()
}

/// A proxy may be written without its scheme. The value is not repeated in errors: it may hold a password.
fn parse_proxy(text: &str) -> Result<Url, String> {
    const KNOWN: [&str; 4] = ["http", "https", "socks5", "socks5h"];
    let with_scheme = Url::parse(text).ok().filter(|url| KNOWN.contains(&url.scheme()));
    let url = with_scheme.or_else(|| {
        // Something else in front of `://` is a scheme of another kind.
        if text.contains("://") { None } else { Url::parse(&format!("http://{text}")).ok() }
    });
    match url {
        Some(mut url) if url.has_host() => {
            if url.port().is_none() && url.scheme().starts_with("socks") && url.set_port(Some(1080)).is_err()
            {
                return Err("its port cannot be read".to_owned());
            }
            Ok(url)
        }
        _ => Err("it must be HOST:PORT or a URL that begins with http://, https://, socks5:// or socks5h://"
            .to_owned()),
    }
}

/// `10.0.0.0/8`, `10.1.2.3`, `10.1.2.3:80`, `[fd00::1]:80`, `fd00::1`, `example.org`, `.example.org`, `*.example.org`, each
/// name also with a port, or `*`.
fn parse_exception(entry: &str) -> Option<Exception> {
    let entry = entry.trim().to_lowercase();
    if entry == "*" {
        return Some(Exception::Everything);
    }
    if let Ok(network) = IpNet::from_str(&entry) {
        return Some(Exception::Network(network));
    }
    let (host, port) = split_port(&entry);
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if let Ok(ip) = IpAddr::from_str(bare) {
        return Some(Exception::Address { ip: ip.to_canonical(), port: parse_port(port)? });
    }
    let name = host.strip_prefix('*').filter(|name| name.starts_with('.')).unwrap_or(host);
    let suffix = name.strip_prefix('.').unwrap_or(name);
    if suffix.is_empty() {
        return None;
    }
    let suffix = match Host::parse(suffix) {
        // As it is in a URL: in ASCII.
        Ok(Host::Domain(ascii)) => ascii,
        _ => suffix.to_owned(),
    };
    Some(Exception::Domain { suffix, itself: !name.starts_with('.'), port: parse_port(port)? })
}

/// Splits off the port; several colons without brackets are those of an IPv6 address.
fn split_port(entry: &str) -> (&str, Option<&str>) {
    match entry.rsplit_once(':') {
        Some((host, port)) if host.ends_with(']') || !host.contains(':') => (host, Some(port)),
        _ => (entry, None),
    }
}

/// `None` where there is one that is no number: such an entry never fits.
fn parse_port(port: Option<&str>) -> Option<Option<u16>> {
    match port {
        None | Some("") => Some(None),
        Some(port) => port.parse().ok().map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Proxies {
        Proxies::read(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn no_proxy_is_read_as_go_reads_it() {
        // The list, what it lets pass directly, and what it does not.
        let table: &[(&str, &[&str], &[&str])] = &[
            (
                "",
                &["http://localhost", "http://127.0.0.1", "http://127.8.0.1:5000", "http://[::1]:5000"],
                &["http://h"],
            ),
            (
                "example.org",
                &["http://example.org", "https://a.b.example.org:5000"],
                &["http://notexample.org", "http://example.org.uk"],
            ),
            (".example.org", &["http://a.example.org"], &["http://example.org", "http://aexample.org"]),
            ("*.example.org", &["http://a.example.org"], &["http://example.org"]),
            ("EXAMPLE.org", &["http://example.ORG"], &[]),
            (
                "example.org:5000",
                &["http://example.org:5000", "http://a.example.org:5000"],
                &["http://example.org", "http://example.org:8004"],
            ),
            ("example.org:443", &["https://example.org"], &["http://example.org"]),
            (".example.org:80", &["http://a.example.org"], &["https://a.example.org"]),
            ("*", &["http://h", "https://10.0.0.1:5000", "http://[fd00::1]"], &[]),
            ("a, *", &["http://h"], &[]),
            (" a , b ,,", &["http://a", "http://b"], &["http://c"]),
            ("a b", &[], &["http://a", "http://b"]),
            ("10.0.0.0/8", &["http://10.1.2.3:5000"], &["http://11.0.0.1", "http://h10.0.0.1.org"]),
            (
                "10.1.2.3",
                &["http://10.1.2.3:5000", "http://[::ffff:10.1.2.3]"],
                &["http://10.1.2.30", "http://x.10.1.2.3.org"],
            ),
            ("10.1.2.3:5000", &["http://10.1.2.3:5000"], &["http://10.1.2.3:8004"]),
            ("fd00::/8", &["http://[fd00::5]:5000"], &["http://[fe80::5]"]),
            ("fd00::1", &["http://[fd00::1]:5000", "http://[FD00:0::1]"], &["http://[fd00::2]"]),
            ("[fd00::1]:5000", &["http://[fd00::1]:5000"], &["http://[fd00::1]:8004"]),
            ("[fd00::1]", &["http://[fd00::1]:5000"], &[]),
            ("bücher.example", &["http://xn--bcher-kva.example", "http://Bücher.example"], &[]),
            (".", &[], &["http://a.b"]),
            (":5000", &[], &["http://a:5000"]),
            ("10.0.0.0/33,h:x", &[], &["http://10.0.0.1", "http://h"]),
        ];
        for (list, direct, through) in table {
            let proxies = proxies(&[("ALL_PROXY", "http://p:1"), ("NO_PROXY", list)]);
            for (urls, is_direct) in [(direct, true), (through, false)] {
                for url in *urls {
                    let found = proxies.of(&url.parse().unwrap());
                    assert_eq!(found.is_none(), is_direct, "{url} with NO_PROXY={list:?}");
                }
            }
        }
    }

    #[test]
    fn each_scheme_has_its_variable_in_either_case() {
        type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, Option<&'a str>);
        let table: &[Case<'_>] = &[
            (&[("HTTPS_PROXY", "http://p:3128")], "https://h", Some("http://p:3128 (HTTPS_PROXY)")),
            (&[("HTTPS_PROXY", "http://p:3128")], "http://h", None),
            (&[("https_proxy", "p:3128")], "https://h", Some("http://p:3128 (https_proxy)")),
            (
                &[("HTTPS_PROXY", ""), ("https_proxy", "p:3128")],
                "https://h",
                Some("http://p:3128 (https_proxy)"),
            ),
            (
                &[("HTTPS_PROXY", "http://upper"), ("https_proxy", "http://lower")],
                "https://h",
                Some("http://upper:80 (HTTPS_PROXY)"),
            ),
            (&[("http_proxy", "https://p")], "http://h", Some("https://p:443 (http_proxy)")),
            (&[("all_proxy", "socks5h://u:pw@p")], "http://h", Some("socks5h://p:1080 (all_proxy)")),
            (
                &[("ALL_PROXY", "http://a:1"), ("HTTP_PROXY", "http://b:2")],
                "http://h",
                Some("http://b:2 (HTTP_PROXY)"),
            ),
            (&[("ALL_PROXY", "http://a:1"), ("no_proxy", "h")], "https://h", None),
            (&[("HTTPS_PROXY", "http://p:3128\n")], "https://h", Some("http://p:3128 (HTTPS_PROXY)")),
            (&[("HTTPS_PROXY", "10.0.0.1")], "https://h", Some("http://10.0.0.1:80 (HTTPS_PROXY)")),
        ];
        for (variables, url, expected) in table {
            let proxies = proxies(variables);
            let found = proxies.of(&url.parse().unwrap()).map(ToString::to_string);
            assert_eq!(found.as_deref(), *expected, "{variables:?} {url}");
            assert!(!format!("{proxies:?}").contains("pw"), "{proxies:?}");
        }
    }

    #[test]
    fn what_is_no_proxy_is_told_without_its_value() {
        for value in
            ["ftp://u:hunter2@p", "http://", "http://u:hunter2@", "://hunter2", "http://p:99999/hunter2"]
        {
            let proxies = proxies(&[("HTTPS_PROXY", value)]);
            assert_eq!(proxies.of(&"https://h".parse().unwrap()), None, "{value}");
            let [warning] = proxies.warnings.as_slice() else { panic!("{:?}", proxies.warnings) };
            assert!(
                warning.starts_with("HTTPS_PROXY is not used: ") && !warning.contains("hunter2"),
                "{warning}"
            );
        }
    }
}
