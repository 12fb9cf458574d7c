//! A WeChat that says what a test has written for it, and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::Mutex;

use url::Url;

use crate::net::{self, Reply, Request};

/// What to answer.
#[derive(Debug, Clone)]
pub struct Answer(Reply);

/// A 200 with `body`.
pub fn ok(body: impl Into<Vec<u8>>) -> Answer {
    status(200, body)
}

/// An answer with this status and body.
pub fn status(status: u16, body: impl Into<Vec<u8>>) -> Answer {
    Answer(Reply::full(status, body.into()))
}

/// WeChat's way to report an error.
pub fn refusal(code: i64, message: &str) -> Answer {
    ok(format!(r#"{{"errcode":{code},"errmsg":"{message} rid: 64a3c0de-1b2c3d4e-5f60718a"}}"#))
}

impl Answer {
    pub fn header(self, name: &'static str, value: impl Into<String>) -> Self {
        Self(self.0.header(name, &value.into()))
    }
}

/// A loopback server with two scripts, one for the live calls and one for the token calls. The last
/// answer of a script is repeated.
#[derive(Clone)]
pub struct Server {
    pub url: Url,
    server: net::Server,
}

impl Server {
    pub async fn start(
        live: impl IntoIterator<Item = Answer>,
        tokens: impl IntoIterator<Item = Answer>,
    ) -> Self {
        let live: VecDeque<_> = live.into_iter().collect();
        let tokens: VecDeque<_> = tokens.into_iter().collect();
        let scripts = Mutex::new((live, tokens));
        let script = move |request: &Request| {
            let (live, tokens) = &mut *scripts.lock().unwrap();
            let answers = if request.uri.path().contains("token") { tokens } else { live };
            let next =
                if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
            next.expect("the script has an answer").0
        };
        let server = net::Server::start(script).await;
        Self { url: http(server.addr), server }
    }

    /// The requests whose path begins with `path`, in the order they came.
    pub fn seen(&self, path: &str) -> Vec<Request> {
        let mut seen = self.server.requests();
        seen.retain(|request| request.uri.path().starts_with(path));
        seen
    }
}

/// A server that answers every request with these bytes and hangs up.
pub async fn raw(reply: &'static [u8]) -> Url {
    http(net::Server::start(move |_| Reply::raw(reply)).await.addr)
}

/// A server that accepts connections and never answers, as long as the listener lives.
pub fn silent() -> (std::net::TcpListener, Url) {
    let (listener, addr) = net::silent();
    (listener, http(addr))
}

fn http(addr: std::net::SocketAddr) -> Url {
    format!("http://{addr}").parse().unwrap()
}
