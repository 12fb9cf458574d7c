//! Everything with a socket, in one binary: real clients against loopback servers.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

// `cfg(test)` always holds here; it tells clippy that helpers are test code too.
#[cfg(test)]
mod sandbox;
mod source;
mod store;
mod wechat;
