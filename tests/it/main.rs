//! The integration tests: everything with a socket.

// Said once more, since clippy lets tests unwrap only where they are marked as such.
#[cfg(test)]
mod source;
