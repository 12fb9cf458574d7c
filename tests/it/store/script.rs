//! A store that answers from a script and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, Response, Uri};
use futures::StreamExt;

/// What the store does with one request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Answers with a status, headers and a body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// Answers with a length, sends less, and closes the connection.
    Break { announced: usize, sent: &'static str },
    /// Answers with a length, sends less, and then nothing more.
    Stall { announced: usize, sent: &'static str },
    /// Never answers.
    Silence,
}

impl Reply {
    /// A success with an empty body.
    pub fn ok() -> Self {
        Self::xml("")
    }

    /// A success with a body.
    pub fn xml(body: &str) -> Self {
        Self::Answer(200, Vec::new(), body.to_owned())
    }

    /// An error as S3 writes it.
    pub fn error(status: u16, code: &str) -> Self {
        let body =
            format!("<Error><Code>{code}</Code><Message>told by the script</Message></Error>");
        Self::Answer(status, vec![("x-amz-request-id", "REQ1".to_owned())], body)
    }

    /// The answer to a HEAD, or to a part's PUT.
    pub fn headers(headers: &[(&'static str, &str)]) -> Self {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self::Answer(200, headers, String::new())
    }

    /// Another header on an answer.
    pub fn with(self, name: &'static str, value: &str) -> Self {
        match self {
            Self::Answer(status, mut headers, body) => {
                headers.push((name, value.to_owned()));
                Self::Answer(status, headers, body)
            }
            other => other,
        }
    }
}

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// A running store.
#[derive(Clone)]
pub struct Scripted {
    shared: Arc<Mutex<Shared>>,
    pub endpoint: String,
}

#[derive(Default)]
struct Shared {
    replies: VecDeque<Reply>,
    requests: Vec<Request>,
}

impl Scripted {
    /// Starts a store that gives these answers, one a request, and then refuses everything.
    pub async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let replies = replies.into_iter().collect();
        let shared = Arc::new(Mutex::new(Shared { replies, requests: Vec::new() }));
        let app = Router::new()
            .fallback(answer)
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&shared));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { shared, endpoint }
    }

    /// Adds answers to the end of the script.
    pub fn then(&self, replies: impl IntoIterator<Item = Reply>) {
        self.shared.lock().unwrap().replies.extend(replies);
    }

    /// What was asked so far.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.lock().unwrap().requests.clone()
    }

    /// What was asked so far, in short: `PUT partNumber`, `POST uploads`, `HEAD`.
    pub fn log(&self) -> Vec<String> {
        let short = |request: &Request| {
            let query = request.uri.query().unwrap_or_default();
            let kinds = ["partNumber", "uploadId", "uploads", "list-type"];
            let kind = kinds.iter().find(|kind| query.contains(*kind)).copied().unwrap_or_default();
            format!("{} {kind}", request.method).trim().to_owned()
        };
        self.requests().iter().map(short).collect()
    }

    /// Whether every answer was asked for.
    pub fn is_used_up(&self) -> bool {
        self.shared.lock().unwrap().replies.is_empty()
    }
}

async fn answer(
    State(shared): State<Arc<Mutex<Shared>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let reply = {
        let mut shared = shared.lock().unwrap();
        shared.requests.push(Request { method, uri, headers, body });
        shared.replies.pop_front().unwrap_or_else(|| Reply::error(418, "ScriptIsOver"))
    };
    match reply {
        Reply::Answer(status, headers, body) => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            response.body(body.into()).unwrap()
        }
        Reply::Break { announced, sent } => {
            let first = async { Ok(Bytes::from_static(sent.as_bytes())) };
            // Being pending once makes the server send what it has before it hears of the end.
            let end = async {
                tokio::task::yield_now().await;
                Err(std::io::Error::other("the script breaks off"))
            };
            let chunks = futures::stream::once(first).chain(futures::stream::once(end));
            Response::builder()
                .header("content-length", announced)
                .header("etag", "\"e\"")
                .body(Body::from_stream(chunks))
                .unwrap()
        }
        Reply::Stall { announced, sent } => {
            let first = async { Ok::<_, std::io::Error>(Bytes::from_static(sent.as_bytes())) };
            let chunks = futures::stream::once(first).chain(futures::stream::pending());
            let response = Response::builder().header("content-length", announced);
            response.header("etag", "\"e\"").body(Body::from_stream(chunks)).unwrap()
        }
        Reply::Silence => std::future::pending().await,
    }
}
