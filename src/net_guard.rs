//! Where requests may go: hosts by allow-list, addresses by what they are.
//!
//! A URL that WeChat, a playlist or a redirect names is not trusted. Three things stand in the way
//! of a request into the machine's own network: [`HostPolicy::check`] judges the URL of every hop,
//! [`GuardedResolver`] drops the private addresses a permitted name may resolve to, and the client
//! made by [`client`] follows at most [`MAX_REDIRECTS`] redirects, each of them checked.
//!
//! A proxy resolves names itself: where one is configured, it has to guard the addresses.

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

/// Redirects that are followed for one request.
pub const MAX_REDIRECTS: usize = 5;

/// How long a request may make no progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the connection stands, TLS included.
    pub connect: Duration,
    /// Until the next byte arrives; there is no limit on a transfer that makes progress.
    pub read: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), read: Duration::from_secs(30) }
    }
}

/// A client that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The proxy's URL cannot be used. It may hold a password and is not shown.
    #[error("the proxy's URL cannot be used\nhint: http://host:port is expected")]
    Proxy,
    /// The HTTP client could not be set up, as when the system has no root certificates.
    #[error("the HTTP client for media could not be set up")]
    Client(#[source] reqwest::Error),
}

/// A redirect too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {MAX_REDIRECTS} redirects")]
pub struct TooManyRedirects;

/// An HTTP client that goes where `policy` lets it, and nowhere else.
///
/// The first URL is not seen by it: call [`HostPolicy::check`] before each request. It speaks
/// HTTP/1.1 only, since ranges over one HTTP/2 connection would share one throttle; it sends no
/// `Referer`, uses no proxy but the given one, and hands bodies over as they come.
///
/// # Errors
/// When the proxy's URL is invalid or TLS cannot be set up.
pub fn client(
    policy: &HostPolicy,
    timeouts: Timeouts,
    proxy: Option<&SecretString>,
) -> Result<reqwest::Client, ClientError> {
    client_with_names(policy, timeouts, proxy, Arc::new(SystemNames))
}

/// As [`client`], where `names` says which addresses a name has. What it says is screened.
///
/// # Errors
/// As [`client`].
#[doc(hidden)]
pub fn client_with_names(
    policy: &HostPolicy,
    timeouts: Timeouts,
    proxy: Option<&SecretString>,
    names: Arc<dyn Resolve>,
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
    if let Some(proxy) = proxy {
        let url = Url::parse(proxy.expose_secret()).map_err(|_| ClientError::Proxy)?;
        resolver.proxy_host = url.host_str().map(str::to_owned);
        builder = builder.proxy(reqwest::Proxy::all(url).map_err(|_| ClientError::Proxy)?);
    }
    builder.dns_resolver(resolver).build().map_err(|error| ClientError::Client(error.without_url()))
}

/// Why no request to a host would be made.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    /// It may not be.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Its name has no address.
    #[error(
        "the name {host} does not resolve: {detail}\n\
         hint: check this machine's name server, and that the name is right"
    )]
    NoSuchName {
        /// The name.
        host: String,
        /// What the system says.
        detail: String,
    },
}

/// Whether requests to `url` would be made: whether its host is allowed and, unless a proxy resolves
/// names, has an address that is. No request is made.
///
/// # Errors
/// Why they would not.
pub async fn look_up(
    policy: &HostPolicy,
    url: &Url,
    names: &(dyn Resolve + 'static),
) -> Result<(), Unreachable> {
    policy.check(url)?;
    let Some(url::Host::Domain(host)) = url.host() else { return Ok(()) };
    let no_such_name = |detail: String| Unreachable::NoSuchName { host: host.to_owned(), detail };
    let name: Name = host.parse().map_err(|_| no_such_name("it is no name".to_owned()))?;
    let found = names.resolve(name).await.map_err(|error| no_such_name(error.to_string()))?;
    screened(policy, None, host, found.collect())?;
    Ok(())
}

/// The refusal among an error's causes, where the policy or the resolver caused it.
pub fn refusal(error: &(dyn StdError + 'static)) -> Option<Refusal> {
    cause::<Refusal>(error).cloned()
}

/// The first of an error's causes, itself included, that is a `T`.
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

/// A resolver that leaves out the addresses a name may not stand for.
///
/// Only addresses of the public internet are passed on, unless the policy names the host literally.
/// Addresses written in a URL never come by here: [`HostPolicy::check`] judges those.
///
/// The client connects to what this returns and asks nobody else: there is no moment between check
/// and use in which a name could come to mean something else.
#[derive(Clone)]
pub struct GuardedResolver {
    policy: HostPolicy,
    /// The proxy was configured by name, so it may be anywhere.
    proxy_host: Option<String>,
    names: Arc<dyn Resolve>,
}

/// What the system knows of names.
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
    fn private_addresses_are_dropped_from_what_a_wildcard_permits() {
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
