//! A WeChat that says what a test has written for it, and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, Uri};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use url::Url;

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: String,
}

impl Request {
    /// A value of the query, as sent.
    pub fn query(&self, key: &str) -> Option<String> {
        let query = self.uri.query().unwrap_or_default();
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.find(|(name, _)| name == key).map(|(_, value)| value.into_owned())
    }
}

/// What to answer.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

/// A 200 with `body`.
pub fn ok(body: impl Into<Vec<u8>>) -> Answer {
    status(200, body)
}

/// An answer with this status and body.
pub fn status(status: u16, body: impl Into<Vec<u8>>) -> Answer {
    Answer { status, headers: Vec::new(), body: body.into() }
}

/// WeChat's way to report an error.
pub fn refusal(code: i64, message: &str) -> Answer {
    ok(format!(r#"{{"errcode":{code},"errmsg":"{message} rid: 64a3c0de-1b2c3d4e-5f60718a"}}"#))
}

impl Answer {
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

#[derive(Default)]
struct Script {
    live: VecDeque<Answer>,
    tokens: VecDeque<Answer>,
    seen: Vec<Request>,
}

/// A loopback server with two scripts, one for the live calls and one for the token calls. The last
/// answer of a script is repeated.
#[derive(Clone)]
pub struct Server {
    pub url: Url,
    script: Arc<Mutex<Script>>,
}

impl Server {
    pub async fn start(
        live: impl IntoIterator<Item = Answer>,
        tokens: impl IntoIterator<Item = Answer>,
    ) -> Self {
        let script = Script {
            live: live.into_iter().collect(),
            tokens: tokens.into_iter().collect(),
            seen: Vec::new(),
        };
        let script = Arc::new(Mutex::new(script));
        let router = Router::new().fallback(answer).with_state(script.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, script }
    }

    /// The requests whose path begins with `path`, in the order they came.
    pub fn seen(&self, path: &str) -> Vec<Request> {
        let script = self.script.lock().unwrap();
        script.seen.iter().filter(|request| request.uri.path().starts_with(path)).cloned().collect()
    }
}

async fn answer(
    State(script): State<Arc<Mutex<Script>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let body = String::from_utf8(body.to_vec()).unwrap();
    let is_for_token = uri.path().contains("token");
    let answer = {
        let mut script = script.lock().unwrap();
        script.seen.push(Request { method, uri, headers, body });
        let answers = if is_for_token { &mut script.tokens } else { &mut script.live };
        if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() }
    };
    let answer = answer.expect("the script has an answer");
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(*name, value);
    }
    response.body(Body::from(answer.body)).unwrap()
}

/// A server that answers every request with these bytes and hangs up.
pub async fn raw(reply: &'static [u8]) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            if socket.read(&mut request).await.unwrap() > 0 {
                socket.write_all(reply).await.unwrap();
            }
        }
    });
    url
}

/// A server that accepts connections and never answers, as long as the listener lives.
pub fn silent() -> (std::net::TcpListener, Url) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    (listener, url)
}
