//! The allow-list of hosts.

use std::net::IpAddr;

use url::{Host, Url};

use crate::model::Obstacle;

/// The hosts that requests may go to. A host that no pattern matches is refused.
///
/// Patterns are `host`, `*.domain` (whole labels below it, not the domain itself) or an address, each
/// optionally with `:port`. Without a port, only the default port of the scheme is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HostPolicy {
    patterns: Vec<Pattern>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    /// The configured text.
    text: String,
    host: HostPattern,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum HostPattern {
    /// Exactly this host, which may have a private address.
    Exact(Host<String>),
    /// Every host with this suffix, which begins with a dot.
    Below(String),
}

/// An invalid host pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{pattern:?} is not a host pattern: {reason}\n\
     hint: use a form such as *.myqcloud.com, media.example.com, 127.0.0.1:9000 or [::1]:9000 [RA022]"
)]
pub struct InvalidPattern {
    pattern: String,
    reason: &'static str,
}

/// The configuration line that would allow a host in addition to the present ones, ready to paste.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowing(Vec<String>);

impl std::fmt::Display for Allowing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "allow_hosts = {:?}", self.0)
    }
}

/// Why a request was refused. Never contains a query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Neither http nor https.
    #[error("the URL has the scheme {0:?}; only http and https are fetched")]
    Scheme(String),
    /// The URL contains a user name or password.
    #[error("the URL contains a user name or password")]
    Credentials,
    /// No pattern matches the host.
    #[error(
        "the host {host} is not allowed\n\
         hint: if you trust it, set {allowing} in [media], or add it in [images] for images [RA501]"
    )]
    Host {
        host: String,
        /// The line that would allow it.
        allowing: Allowing,
    },
    /// The host is allowed, but not on this port.
    #[error(
        "port {port} of {host} is not allowed\n\
         hint: if you trust it, set {allowing} in [media], or add it in [images] for images [RA501]"
    )]
    Port {
        host: String,
        port: u16,
        /// The line that would allow it.
        allowing: Allowing,
    },
    /// The name resolves only to private, local or reserved addresses.
    #[error(
        "{host} resolves to {address}, which is not a public address\n\
         hint: if this is intended, as inside Tencent Cloud, name the host literally besides the wildcard: \
         set {allowing} in [media], or add it in [images] for images [RA502]"
    )]
    Address {
        host: String,
        /// The first of its addresses.
        address: IpAddr,
        /// The line that would allow it.
        allowing: Allowing,
    },
}

impl Refusal {
    /// The setting that would have to change; `None` if no setting would help.
    pub fn obstacle(&self) -> Option<Obstacle> {
        match self {
            Self::Scheme(_) | Self::Credentials => None,
            Self::Host { host, .. } => Some(Obstacle::Host(host.clone())),
            Self::Port { host, port, .. } => {
                Some(Obstacle::Port { host: host.clone(), port: *port })
            }
            Self::Address { host, .. } => Some(Obstacle::Address(host.clone())),
        }
    }
}

impl HostPolicy {
    /// Parses a list of patterns.
    ///
    /// # Errors
    /// At the first invalid pattern.
    pub fn parse(patterns: &[String]) -> Result<Self, InvalidPattern> {
        let patterns =
            patterns.iter().map(|text| Pattern::parse(text)).collect::<Result<_, _>>()?;
        Ok(Self { patterns })
    }

    /// Whether `url` may be requested, judging by the URL alone.
    ///
    /// An address is allowed only if a pattern names that address, in any notation.
    ///
    /// # Errors
    /// Why it may not.
    pub fn check(&self, url: &Url) -> Result<(), Refusal> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refusal::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::Credentials);
        }
        let named_none = || self.refuse_host(String::new(), url.port());
        let host = url.host().ok_or_else(named_none)?;
        let mut named =
            self.patterns.iter().filter(|pattern| pattern.host.matches(&host)).peekable();
        if named.peek().is_none() {
            return Err(self.refuse_host(host.to_string(), url.port()));
        }
        let port = url.port_or_known_default().unwrap_or_default();
        let allowed = named.any(|pattern| match pattern.port {
            Some(named) => named == port,
            None => url.port().is_none(),
        });
        if allowed {
            return Ok(());
        }
        let (host, allowing) = (host.to_string(), self.allowing(format!("{host}:{port}")));
        Err(Refusal::Port { host, port, allowing })
    }

    fn refuse_host(&self, host: String, port: Option<u16>) -> Refusal {
        let pattern = port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
        Refusal::Host { allowing: self.allowing(pattern), host }
    }

    /// The line that would also allow `pattern`.
    pub(super) fn allowing(&self, pattern: String) -> Allowing {
        let known = self.patterns.iter().map(|pattern| pattern.text.clone());
        Allowing(known.chain([pattern]).collect())
    }

    /// Whether this policy lifts an obstacle, as far as that is known without resolving the host.
    pub fn lifts(&self, obstacle: &Obstacle) -> bool {
        let refusal_of = |scheme: &str, place: &str| {
            let url = Url::parse(&format!("{scheme}://{place}/"));
            let unreadable = || Some(self.refuse_host(place.to_owned(), None));
            url.map_or_else(|_| unreadable(), |url| self.check(&url).err())
        };
        match obstacle {
            Obstacle::Host(host) => {
                !matches!(refusal_of("https", host), Some(Refusal::Host { .. }))
            }
            // The default port of either scheme needs no pattern of its own.
            Obstacle::Port { host, port } => {
                let place = format!("{host}:{port}");
                ["http", "https"].iter().any(|scheme| refusal_of(scheme, &place).is_none())
            }
            Obstacle::Address(host) => self.names_literally(host),
            Obstacle::WholePolicy | Obstacle::Covered => false,
        }
    }

    /// Whether a pattern without a wildcard names `host`, so that it may have a private address.
    pub fn names_literally(&self, host: &str) -> bool {
        let host = Host::Domain(without_root_dot(host));
        self.patterns.iter().any(
            |pattern| matches!(&pattern.host, HostPattern::Exact(named) if is_same(named, &host)),
        )
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let invalid = |reason| InvalidPattern { pattern: text.to_owned(), reason };
        let (host, port) = match text.rsplit_once(':') {
            // The last colon of `[::1]` is part of the address.
            Some((host, port)) if !port.ends_with(']') => {
                let port = port.parse().ok().filter(|port| *port != 0);
                (host, Some(port.ok_or_else(|| invalid("the port must be between 1 and 65535"))?))
            }
            _ => (text, None),
        };
        let host = match host.strip_prefix("*.") {
            Some(domain) => match Host::parse(domain) {
                Ok(Host::Domain(domain)) if domain.contains('.') => {
                    HostPattern::Below(format!(".{}", without_root_dot(&domain)))
                }
                Ok(Host::Domain(_)) => return Err(invalid("the wildcard is too broad")),
                _ => return Err(invalid("a wildcard must precede a domain")),
            },
            None if host.contains('*') => {
                return Err(invalid("a wildcard must be the whole first label"));
            }
            None => HostPattern::Exact(match Host::parse(host) {
                Ok(Host::Domain(domain)) => Host::Domain(without_root_dot(&domain).to_owned()),
                Ok(address) => address,
                Err(_) => return Err(invalid("the host is invalid")),
            }),
        };
        Ok(Self { text: text.to_owned(), host, port })
    }
}

impl HostPattern {
    fn matches(&self, host: &Host<&str>) -> bool {
        match (self, host) {
            (Self::Exact(named), host) => is_same(named, host),
            (Self::Below(suffix), Host::Domain(domain)) => without_root_dot(domain)
                .strip_suffix(suffix.as_str())
                .is_some_and(|labels| !labels.is_empty()),
            (Self::Below(_), _) => false,
        }
    }
}

fn is_same(named: &Host<String>, host: &Host<&str>) -> bool {
    match (named, host) {
        (Host::Domain(named), Host::Domain(host)) => {
            named.eq_ignore_ascii_case(without_root_dot(host))
        }
        (Host::Ipv4(named), Host::Ipv4(host)) => named == host,
        (Host::Ipv6(named), Host::Ipv6(host)) => named == host,
        _ => false,
    }
}

/// Removes the root dot: `host.` means `host`.
fn without_root_dot(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(patterns: &[&str]) -> HostPolicy {
        let patterns: Vec<String> = patterns.iter().map(|&text| text.to_owned()).collect();
        HostPolicy::parse(&patterns).unwrap()
    }

    fn allows(policy: &HostPolicy, url: &str) -> bool {
        policy.check(&Url::parse(url).unwrap()).is_ok()
    }

    #[test]
    fn a_pattern_lifts_the_obstacles_it_covers() {
        let plain = Obstacle::Port { host: "a.b.c".into(), port: 80 };
        assert!(policy(&["*.b.c"]).lifts(&plain) && !policy(&["*.b.c:443"]).lifts(&plain));
        let (host, address) = (Obstacle::Host("a.b.c".into()), Obstacle::Address("a.b.c".into()));
        let port = Obstacle::Port { host: "a.b.c".into(), port: 8080 };
        for (pattern, lifted) in [
            ("x.b.c", [false; 3]),
            ("*.b.c", [true, false, false]),
            ("a.b.c", [true, false, true]),
            ("a.b.c:8080", [true, true, true]),
            ("*.b.c:8080", [true, true, false]),
        ] {
            let policy = policy(&[pattern]);
            let found = [&host, &port, &address].map(|obstacle| policy.lifts(obstacle));
            assert_eq!(found, lifted, "{pattern}");
        }
    }

    #[test]
    fn a_wildcard_stands_for_whole_labels_below_a_domain() {
        let policy = policy(&["*.myqcloud.com"]);
        for url in
            ["http://a.myqcloud.com/x", "https://1.vod2.MyQcloud.com/", "http://a.myqcloud.com./"]
        {
            assert!(allows(&policy, url), "{url}");
        }
        for url in [
            "http://myqcloud.com/",
            "http://evilmyqcloud.com/",
            "http://a.myqcloud.com.evil.com/",
            "http://.myqcloud.com/",
            "http://127.0.0.1/",
        ] {
            assert!(!allows(&policy, url), "{url}");
        }
    }

    #[test]
    fn only_default_ports_are_allowed_unless_named() {
        let policy =
            policy(&["media.example.com", "127.0.0.1:9000", "[::1]:80", "h.example.com:443"]);
        for url in [
            "http://media.example.com/",
            "https://media.example.com:443/",
            "http://127.0.0.1:9000/",
            "https://127.0.0.1:9000/",
            "http://[::1]/",
            "https://h.example.com/",
        ] {
            assert!(allows(&policy, url), "{url}");
        }
        for url in [
            "http://media.example.com:8080/",
            "http://media.example.com:443/",
            "http://127.0.0.1/",
            "http://127.0.0.1:9001/",
            "https://[::1]/",
            "http://h.example.com/",
        ] {
            assert!(!allows(&policy, url), "{url}");
        }
    }

    #[test]
    fn an_address_is_recognised_in_every_notation_and_must_be_named() {
        let notations = ["127.0.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.1"];
        let (named, other) = (policy(&["127.0.0.1"]), policy(&["*.example.com", "127.0.0.2"]));
        for notation in notations {
            let url = format!("http://{notation}/");
            assert!(allows(&named, &url), "{url}");
            assert!(!allows(&other, &url), "{url}");
        }
        assert!(!allows(&named, "http://[::ffff:127.0.0.1]/"));
    }

    #[test]
    fn other_schemes_and_credentials_are_refused() {
        let policy = policy(&["h.example.com"]);
        let check = |url: &str| policy.check(&Url::parse(url).unwrap());
        assert_eq!(check("ftp://h.example.com/"), Err(Refusal::Scheme("ftp".to_owned())));
        assert_eq!(check("file:///etc/passwd"), Err(Refusal::Scheme("file".to_owned())));
        assert_eq!(check("http://u:p@h.example.com/"), Err(Refusal::Credentials));
        let refused = check("http://other.com/?s=1").unwrap_err();
        assert!(matches!(&refused, Refusal::Host { host, .. } if host == "other.com"));
        assert!(!refused.to_string().contains("s=1"), "{refused}");
    }

    #[test]
    fn the_hint_is_a_line_that_can_be_pasted_and_allows_the_host() {
        let patterns = ["*.myqcloud.com", "media.example.com"];
        for url in [
            "https://other.example.com/a",
            "https://other.example.com:8443/a",
            "http://media.example.com:8081/a",
            "http://127.0.0.1:8601/a",
            "http://[::1]:8601/a",
        ] {
            let refusal = policy(&patterns).check(&Url::parse(url).unwrap()).unwrap_err();
            let text = refusal.to_string();
            let (_, line) = text.split_once(" set ").unwrap();
            let (line, _) = line.split_once(" in [media]").unwrap();
            let table: toml::Table = line.parse().unwrap();
            let hosts = table["allow_hosts"].as_array().unwrap();
            let hosts: Vec<&str> = hosts.iter().map(|host| host.as_str().unwrap()).collect();
            assert_eq!(hosts[..2], patterns, "{text}");
            assert!(allows(&policy(&hosts), url), "{text}");
        }
    }

    #[test]
    fn an_invalid_pattern_is_refused() {
        for bad in [
            "",
            "*",
            "*.",
            "*.com",
            "a.*.com",
            "*a.com",
            "h:0",
            "h:99999",
            "h:",
            "::1",
            "*.10.0.0.1",
            "a b",
            "h/x",
        ] {
            assert!(HostPolicy::parse(&[bad.to_owned()]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn only_a_literal_name_allows_private_addresses() {
        let policy = policy(&["localhost:8080", "*.internal.example"]);
        assert!(policy.names_literally("LOCALHOST"));
        assert!(policy.names_literally("localhost."));
        assert!(!policy.names_literally("a.internal.example"));
    }
}
