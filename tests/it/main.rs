//! Everything with a socket, against loopback servers.

// The attribute tells clippy that helpers, too, are tests and may panic.
#[cfg(test)]
mod store;
