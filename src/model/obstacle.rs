//! Settings that prevent a recording from being archived.

use std::fmt;
use std::str::FromStr;

/// A setting that forbids a recording. When it changes, the recording becomes due at once.
///
/// Its text form in the ledger is `host example.com`, `port example.com:8080`, `address example.com`,
/// `whole` or `covered`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Obstacle {
    /// `allow_hosts` of `[media]` does not allow the host.
    Host(String),
    /// It allows the host, but not this port.
    Port {
        /// The host.
        host: String,
        /// The port.
        port: u16,
    },
    /// The host has only private addresses, and only a wildcard names it.
    Address(String),
    /// `archive` of `[whole]` is `never`.
    WholePolicy,
    /// The segments cover a whole, and `archive` of `[whole]` is not `always`.
    Covered,
}

/// An invalid text form of an obstacle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an obstacle")]
pub struct UnknownObstacle;

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => write!(f, "host {host}"),
            Self::Port { host, port } => write!(f, "port {host}:{port}"),
            Self::Address(host) => write!(f, "address {host}"),
            Self::WholePolicy => f.write_str("whole"),
            Self::Covered => f.write_str("covered"),
        }
    }
}

impl FromStr for Obstacle {
    type Err = UnknownObstacle;

    fn from_str(text: &str) -> Result<Self, UnknownObstacle> {
        match text.split_once(' ') {
            Some(("host", host)) => Ok(Self::Host(host.to_owned())),
            Some(("address", host)) => Ok(Self::Address(host.to_owned())),
            Some(("port", place)) => {
                let (host, port) = place.rsplit_once(':').ok_or(UnknownObstacle)?;
                let port = port.parse().map_err(|_| UnknownObstacle)?;
                Ok(Self::Port { host: host.to_owned(), port })
            }
            None if text == "whole" => Ok(Self::WholePolicy),
            None if text == "covered" => Ok(Self::Covered),
            _ => Err(UnknownObstacle),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn obstacles_round_trip_through_their_text_form() {
        let port = Obstacle::Port { host: "[::1]".into(), port: 8080 };
        let host = |host: &str| host.to_owned();
        for obstacle in [
            Obstacle::Host(host("h")),
            port,
            Obstacle::Address(host("a.b")),
            Obstacle::WholePolicy,
            Obstacle::Covered,
        ] {
            assert_eq!(obstacle.to_string().parse(), Ok(obstacle));
        }
        for text in ["", "h", "port h", "port h:x"] {
            assert_eq!(text.parse::<Obstacle>(), Err(UnknownObstacle), "{text}");
        }
    }
}
