//! Servers and proxies on loopback, for tests of what a peer may do.
//!
//! - [`Server`] speaks HTTP byte by byte as a script says, alone or before another server.
//! - [`Routes`] is a server made of axum's routes.
//! - [`Reply`] is what it says: whole, cut, slow, without end, or nothing at all.
//! - [`Proxy`] stands before a server of any protocol: it can be shut for a while, and lose replies.
//! - [`silent`] takes connections and never answers.
//!
//! Beside these there is the sandbox, which is a WeChat and a media host, and `strict`, which is an S3.

mod http;
mod proxy;
pub mod redis;
mod reply;
mod routes;
mod server;

use std::net::{SocketAddr, TcpListener};

pub use http::Request;
pub use proxy::Proxy;
pub use reply::Reply;
pub use routes::Routes;
pub use server::Server;

/// Takes connections and never answers, as long as the listener lives.
pub fn silent() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    (listener, addr)
}
