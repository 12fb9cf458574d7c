//! A store that answers from a script and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

pub use crate::net::Request;
use crate::net::{self, Server};

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

    /// The same, byte by byte.
    fn bytes(self) -> net::Reply {
        let cut = |announced, sent: &str| {
            let told = net::Reply::new(200).telling(announced).header("etag", "\"e\"");
            told.unsized_body(sent.as_bytes())
        };
        match self {
            Self::Answer(status, headers, body) => {
                let tells_length = headers.iter().any(|(name, _)| *name == "content-length");
                let told = headers
                    .iter()
                    .fold(net::Reply::new(status), |told, (name, value)| told.header(name, value));
                let told = if tells_length { told } else { told.telling(body.len()) };
                told.unsized_body(body.as_bytes())
            }
            Self::Break { announced, sent } => cut(announced, sent),
            Self::Stall { announced, sent } => cut(announced, sent).then_silent(),
            Self::Silence => net::Reply::silence(),
        }
    }
}

/// A running store.
#[derive(Clone)]
pub struct Scripted {
    server: Server,
    replies: Arc<Mutex<VecDeque<Reply>>>,
    pub endpoint: String,
}

impl Scripted {
    /// Starts a store that gives these answers, one a request, and then refuses everything.
    pub async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let replies: VecDeque<_> = replies.into_iter().collect();
        let replies = Arc::new(Mutex::new(replies));
        let script = Arc::clone(&replies);
        let server = Server::start(move |_| {
            let next = script.lock().unwrap().pop_front();
            next.unwrap_or_else(|| Reply::error(418, "ScriptIsOver")).bytes()
        });
        let server = server.await;
        let endpoint = format!("http://{}", server.addr);
        Self { server, replies, endpoint }
    }

    /// Adds answers to the end of the script.
    pub fn then(&self, replies: impl IntoIterator<Item = Reply>) {
        self.replies.lock().unwrap().extend(replies);
    }

    /// What was asked so far.
    pub fn requests(&self) -> Vec<Request> {
        self.server.requests()
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
        self.replies.lock().unwrap().is_empty()
    }
}
