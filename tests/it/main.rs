//! Everything with a socket, against servers on loopback.

// `cfg(test)` always holds here; it tells clippy that helpers are test code too.
#[cfg(test)]
mod sandbox;
