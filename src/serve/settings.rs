//! What `serve` can be told.

use std::net::SocketAddr;
use std::time::Duration;

use url::{Host, Url};

use super::{SecretFiles, Tokens};
use crate::playback::{BaseUrl, Lasting, LinkKey};

/// The settings of the server.
#[derive(Debug)]
pub struct Settings {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Who may ask; `None` for anybody on this machine.
    pub tokens: Option<Tokens>,
    /// What signs links and login cookies.
    pub link_key: LinkKey,
    /// Where both come from, to notice when they change.
    pub secret_files: Option<SecretFiles>,
    /// How films reach a player.
    pub delivery: Delivery,
    /// How long URLs last.
    pub link_ttl: Duration,
    /// Whether links of the server end.
    pub lasting: Lasting,
    /// How others reach it, if not at the address where it listens.
    pub public_url: Option<Url>,
}

/// How films reach a player.
#[derive(Debug, Clone)]
pub enum Delivery {
    /// The API gives presigned URLs of the bucket.
    Presigned,
    /// The API gives links of the server, which redirect to fresh presigned URLs.
    Redirect,
    /// The API gives links of the server, through which the bytes pass.
    Proxy,
    /// The API gives URLs below this address.
    BaseUrl(BaseUrl),
}

impl Settings {
    /// Whether only this machine can reach the server: it listens on loopback, and no public address
    /// leads to it.
    pub fn is_local(&self) -> bool {
        is_local(self.listen, self.public_url.as_ref())
    }

    /// Whether people can log in at the page only if something in front makes https of it, which no `public_url`
    /// tells of.
    pub fn needs_https(&self) -> bool {
        let is_https = self.public_url.as_ref().is_some_and(|url| url.scheme() == "https");
        let has_secure_cookies = has_secure_cookies(self.listen, self.public_url.as_ref());
        self.tokens.is_some() && has_secure_cookies && !is_https
    }
}

/// Whether login cookies are for https alone: others can reach the server, and nothing says that they do so without
/// https.
pub(super) fn has_secure_cookies(listen: SocketAddr, public_url: Option<&Url>) -> bool {
    let is_https = public_url.is_some_and(|url| url.scheme() == "https");
    is_https || !is_local(listen, None)
}

/// Whether only this machine can reach a server.
pub fn is_local(listen: SocketAddr, public_url: Option<&Url>) -> bool {
    let is_loopback = listen.ip().to_canonical().is_loopback();
    is_loopback && public_url.and_then(Url::host).is_none_or(|host| is_loopback_name(&host))
}

/// Whether a host can only be this machine.
pub(super) fn is_loopback_name<S: AsRef<str>>(host: &Host<S>) -> bool {
    match host {
        Host::Domain(name) => name.as_ref().eq_ignore_ascii_case("localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.to_canonical().is_loopback(),
    }
}
