//! Restricts where requests may go: hosts by allow-list, addresses by their kind.
//!
//! URLs from WeChat, playlists and redirects are not trusted. Three checks keep requests out of the
//! machine's own network: [`HostPolicy::check`] judges the URL of every hop, [`GuardedResolver`] drops
//! private addresses that an allowed name resolves to, and the client made by [`client`] follows at most
//! [`MAX_REDIRECTS`] redirects and checks each.
//!
//! A proxy resolves names itself, so a configured proxy has to guard the addresses.

mod address;
mod policy;

use std::error::Error as StdError;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

pub use policy::{Allowing, HostPolicy, InvalidPattern, Refusal};

/// Maximum redirects per request.
pub const MAX_REDIRECTS: usize = 5;

/// How long a request may make no progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the connection is established, including TLS.
    pub connect: Duration,
    /// Until the next byte arrives. A transfer that makes progress has no time limit.
    pub read: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), read: Duration::from_secs(30) }
    }
}

/// Building the HTTP client failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The proxy URL is unusable. It may contain a password, so it is not shown.
    #[error("unusable proxy URL\nhint: expected http://host:port [RA025]")]
    Proxy,
    /// Setting up the HTTP client failed, for example because the system has no root certificates.
    #[error("failed to set up the HTTP client for media")]
    Client(#[source] reqwest::Error),
}

/// Too many redirects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {MAX_REDIRECTS} redirects")]
pub struct TooManyRedirects;

/// An HTTP client that only follows redirects that `policy` allows.
///
/// It does not check the first URL: call [`HostPolicy::check`] before each request. It speaks only
/// HTTP/1.1, because ranges over one HTTP/2 connection would share one throttle. It sends no `Referer`,
/// uses only the given proxy, and does not decode bodies.
///
/// # Errors
/// If the proxy URL is invalid or TLS cannot be set up.
pub fn client(
    policy: &HostPolicy,
    timeouts: Timeouts,
    proxy: Option<&SecretString>,
) -> Result<reqwest::Client, ClientError> {
    client_with_names(policy, timeouts, proxy, (Arc::new(SystemNames), Connections::Kept))
}

/// What becomes of a connection whose answer was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connections {
    /// It is kept for the next request.
    Kept,
    /// It is closed: each request makes a connection of its own.
    Fresh,
}

/// Like [`client`], with `names` as the resolver. Its addresses are checked too.
///
/// # Errors
/// See [`client`].
#[doc(hidden)]
pub fn client_with_names(
    policy: &HostPolicy,
    timeouts: Timeouts,
    proxy: Option<&SecretString>,
    (names, connections): (Arc<dyn Resolve>, Connections),
) -> Result<reqwest::Client, ClientError> {
    let mut resolver = GuardedResolver { policy: policy.clone(), proxy_host: None, names };
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("replay-archiver/", env!("CARGO_PKG_VERSION")))
        .http1_only()
        .referer(false)
        .no_proxy()
        .redirect(checked_redirects(policy.clone()))
        .connect_timeout(timeouts.connect)
        .read_timeout(timeouts.read);
    if connections == Connections::Fresh {
        builder = builder.pool_max_idle_per_host(0);
    }
    if let Some(proxy) = proxy {
        let url = Url::parse(proxy.expose_secret()).map_err(|_| ClientError::Proxy)?;
        resolver.proxy_host = url.host_str().map(str::to_owned);
        builder = builder.proxy(reqwest::Proxy::all(url).map_err(|_| ClientError::Proxy)?);
    }
    builder.dns_resolver(resolver).build().map_err(|error| ClientError::Client(error.without_url()))
}

/// Why a request to a host would fail.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    /// The policy refuses it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The name has no address.
    #[error(
        "the name {host} does not resolve: {detail}\n\
         hint: check the spelling of the name and this machine's DNS server [RA418]"
    )]
    NoSuchName {
        /// The name.
        host: String,
        /// What the system says.
        detail: String,
    },
}

/// Checks whether requests to `url` are possible: the host must be allowed and, unless a proxy resolves
/// names, have an allowed address. Makes no request.
///
/// # Errors
/// Why they are not.
pub async fn look_up(
    policy: &HostPolicy,
    url: &Url,
    names: &(dyn Resolve + 'static),
) -> Result<(), Unreachable> {
    policy.check(url)?;
    let Some(url::Host::Domain(host)) = url.host() else { return Ok(()) };
    let no_such_name = |detail: String| Unreachable::NoSuchName { host: host.to_owned(), detail };
    let name: Name = host.parse().map_err(|_| no_such_name("not a valid name".to_owned()))?;
    let found = names.resolve(name).await.map_err(|error| no_such_name(error.to_string()))?;
    screened(policy, None, host, found.collect())?;
    Ok(())
}

/// The refusal by the policy or the resolver among an error's causes, if any.
pub fn refusal(error: &(dyn StdError + 'static)) -> Option<Refusal> {
    cause::<Refusal>(error).cloned()
}

/// The first `T` among an error and its causes.
pub fn cause<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    std::iter::successors(Some(error), |&error| error.source())
        .find_map(|error| error.downcast_ref::<T>())
}

fn checked_redirects(policy: HostPolicy) -> redirect::Policy {
    redirect::Policy::custom(move |attempt| {
        if attempt.previous().len() > MAX_REDIRECTS {
            return attempt.error(TooManyRedirects);
        }
        match policy.check(attempt.url()) {
            Ok(()) => attempt.follow(),
            Err(refusal) => attempt.error(refusal),
        }
    })
}

/// A resolver that drops forbidden addresses.
///
/// It returns only public addresses, unless the policy names the host literally. Addresses written in a
/// URL bypass it; [`HostPolicy::check`] judges those.
///
/// The client connects to exactly the addresses that this returns, so a name cannot change its meaning
/// between check and use.
#[derive(Clone)]
pub struct GuardedResolver {
    policy: HostPolicy,
    /// The proxy is configured, so it may have any address.
    proxy_host: Option<String>,
    names: Arc<dyn Resolve>,
}

/// The system's resolver.
pub struct SystemNames;

impl Resolve for SystemNames {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(Box::new(found.collect::<Vec<_>>().into_iter()) as Addrs)
        })
    }
}

impl GuardedResolver {
    fn screened(&self, host: &str, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Refusal> {
        screened(&self.policy, self.proxy_host.as_deref(), host, found)
    }
}

fn screened(
    policy: &HostPolicy,
    proxy_host: Option<&str>,
    host: &str,
    found: Vec<SocketAddr>,
) -> Result<Vec<SocketAddr>, Refusal> {
    let anywhere = policy.names_literally(host) || proxy_host == Some(host);
    let (kept, dropped): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|address| anywhere || address::is_public(address.ip()));
    match (kept.is_empty(), dropped.first()) {
        (true, Some(address)) => {
            let (host, allowing) = (host.to_owned(), policy.allowing(host.to_owned()));
            Err(Refusal::Address { host, address: address.ip(), allowing })
        }
        _ => Ok(kept),
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found = resolver.names.resolve(name).await?.collect();
            let kept = resolver.screened(&host, found)?;
            Ok(Box::new(kept.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolver(patterns: &[&str]) -> GuardedResolver {
        let patterns: Vec<String> = patterns.iter().map(|&text| text.to_owned()).collect();
        let policy = HostPolicy::parse(&patterns).unwrap();
        GuardedResolver { policy, proxy_host: None, names: Arc::new(SystemNames) }
    }

    fn addresses(list: &[&str]) -> Vec<SocketAddr> {
        list.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect()
    }

    #[test]
    fn private_addresses_of_a_wildcard_host_are_dropped() {
        let resolver = resolver(&["*.example.com"]);
        let mixed = addresses(&["10.0.0.1", "8.8.8.8", "::1"]);
        assert_eq!(resolver.screened("a.example.com", mixed).unwrap(), addresses(&["8.8.8.8"]));
        let refusal = resolver.screened("a.example.com", addresses(&["10.0.0.1"])).unwrap_err();
        assert!(refusal.to_string().contains("a.example.com resolves to 10.0.0.1"), "{refusal}");
    }

    #[test]
    fn a_host_named_literally_may_be_private() {
        let resolver = resolver(&["media.internal:8080"]);
        let private = addresses(&["10.0.0.1"]);
        assert_eq!(resolver.screened("media.internal", private.clone()).unwrap(), private);
        assert!(resolver.screened("other.internal", private).is_err());
    }

    #[tokio::test]
    async fn a_name_that_resolves_to_loopback_is_refused() {
        let name = "localhost".parse().unwrap();
        let error = resolver(&["*.example.com"]).resolve(name).await.err().unwrap();
        assert!(matches!(refusal(&*error), Some(Refusal::Address { .. })), "{error}");
        let name = "localhost".parse().unwrap();
        assert!(resolver(&["localhost:9000"]).resolve(name).await.is_ok());
    }

    #[test]
    fn a_bad_proxy_is_refused_without_showing_it() {
        let policy = HostPolicy::parse(&[]).unwrap();
        let proxy = SecretString::from("http://user:s3cret@:x");
        let error = client(&policy, Timeouts::default(), Some(&proxy)).unwrap_err();
        assert!(matches!(error, ClientError::Proxy));
        assert!(!format!("{error} {error:?}").contains("s3cret"));
    }
}
