//! Who gets answers: programs on this machine, but no web page open in a browser on it.
//!
//! A page can send requests to 127.0.0.1. Under its own host name that resolves there, it could also
//! read the answers, so only loopback names are answered. Without such a name it can only send what
//! needs no permission, so requests that control the sandbox must carry a header that does.

use std::net::{IpAddr, SocketAddr};

use axum::http::header::{HOST, HeaderName, ORIGIN};
use axum::http::{HeaderMap, StatusCode};
use url::{Host, Url};

use super::reply::Reply;
use super::request::Incoming;
use super::scenario::Listener;

/// The header that `/sandbox/…` requires; a page cannot send it without a preflight request.
const ADMIN: HeaderName = HeaderName::from_static("x-sandbox-admin");

/// Why a request is refused; `None` if it is not. `local` is the address that received it, and `base`
/// the beginning of the scenario's media URLs, because the sandbox plays that host.
pub fn refusal(
    request: &Incoming,
    listener: Listener,
    local: SocketAddr,
    base: &str,
) -> Option<Reply> {
    let refuse = |text: &str| {
        Some(Reply::new(StatusCode::FORBIDDEN, "text/plain; charset=utf-8", format!("{text}\n")))
    };
    if !is_named_well(&request.headers, local.ip(), base) {
        return refuse("the sandbox answers loopback names alone, and the host it plays");
    }
    if listener == Listener::Vod {
        return None;
    }
    if request.headers.contains_key(ORIGIN) {
        return refuse("the sandbox's API answers no web page");
    }
    if is_admin(&request.path) && !request.headers.contains_key(ADMIN) {
        return refuse("send the header `X-Sandbox-Admin: 1` to drive the sandbox");
    }
    None
}

/// Whether an API path controls the sandbox.
pub fn is_admin(path: &str) -> bool {
    path.starts_with("/sandbox/")
}

/// Whether no foreign page can have the request's host as its name. Requests without a host do not come
/// from browsers.
fn is_named_well(headers: &HeaderMap, local: IpAddr, base: &str) -> bool {
    let Some(host) = headers.get(HOST) else { return true };
    let named = host.to_str().ok().and_then(|text| Url::parse(&format!("http://{text}/")).ok());
    let Some(named) = named else { return false };
    match named.host() {
        // Listening on another address is a deliberate choice; an address is nobody's name.
        Some(Host::Ipv4(address)) => address.is_loopback() || !local.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback() || !local.is_loopback(),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost") || is_played(name, base)
        }
        None => false,
    }
}

fn is_played(name: &str, base: &str) -> bool {
    Url::parse(base).is_ok_and(|base| base.host_str() == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_answered(host: &str, local: &str) -> bool {
        let headers = HeaderMap::from_iter([(HOST, host.parse().unwrap())]);
        is_named_well(&headers, local.parse().unwrap(), "http://media.example:9/x")
    }

    #[test]
    fn loopback_names_and_the_host_that_is_played_are_answered() {
        for host in [
            "127.0.0.1:8600",
            "127.1.2.3",
            "[::1]:8600",
            "localhost",
            "LOCALHOST.:80",
            "a.localhost:1",
            "media.example:8601",
        ] {
            assert!(is_answered(host, "127.0.0.1"), "{host}");
        }
        assert!(is_named_well(&HeaderMap::new(), [127, 0, 0, 1].into(), ""));
    }

    #[test]
    fn other_names_are_not_answered_wherever_they_resolve_to() {
        for host in [
            "evil.example:8600",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "notlocalhost",
            "10.0.0.7:8600",
            "user@evil.example",
            "",
        ] {
            assert!(!is_answered(host, "127.0.0.1"), "{host}");
        }
        assert!(is_answered("10.0.0.7:8600", "0.0.0.0"), "it was asked to listen there");
        assert!(!is_answered("evil.example", "0.0.0.0"));
    }
}
