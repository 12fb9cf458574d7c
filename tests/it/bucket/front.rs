//! What stands before the embedded store: it remembers each request, and can refuse some.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};

/// A request the store got, in the order of its arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    /// The key, without the bucket.
    pub key: String,
    pub query: String,
    pub status: u16,
}

impl Request {
    /// Whether it was to change an object.
    pub fn is_write(&self) -> bool {
        self.method != "GET" && self.method != "HEAD"
    }
}

/// Which replies are lost.
type Loss = Box<dyn Fn(&Method, &str) -> bool + Send>;

type Refusal = Box<dyn Fn(&Method, &str) -> Option<StatusCode> + Send>;

#[derive(Default)]
struct Shared {
    requests: Mutex<Vec<Request>>,
    refusal: Mutex<Option<Refusal>>,
    loss: Mutex<Option<Loss>>,
}

/// A door to the store at `upstream`. It closes when dropped.
pub struct Front {
    shared: Arc<Shared>,
    pub addr: std::net::SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Front {
    pub async fn start(upstream: std::net::SocketAddr) -> Self {
        let shared = Arc::new(Shared::default());
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let state = (Arc::clone(&shared), client, upstream);
        let router =
            Router::new().fallback(forward).layer(DefaultBodyLimit::disable()).with_state(state);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { shared, addr, task }
    }

    /// The requests since the last look.
    pub fn take(&self) -> Vec<Request> {
        std::mem::take(&mut self.shared.requests.lock().unwrap())
    }

    /// Answers with a status instead of asking the store, where `refusal` says so.
    pub fn refuse(&self, refusal: impl Fn(&Method, &str) -> Option<StatusCode> + Send + 'static) {
        *self.shared.refusal.lock().unwrap() = Some(Box::new(refusal));
    }

    /// Lets the store do what it is asked, and answers with a 503 instead of its reply, where `loss`
    /// says so.
    pub fn lose(&self, loss: impl Fn(&Method, &str) -> bool + Send + 'static) {
        *self.shared.loss.lock().unwrap() = Some(Box::new(loss));
    }

    /// Refuses and loses nothing any more.
    pub fn heal(&self) {
        *self.shared.refusal.lock().unwrap() = None;
        *self.shared.loss.lock().unwrap() = None;
    }
}

async fn forward(
    State((shared, client, upstream)): State<(Arc<Shared>, reqwest::Client, std::net::SocketAddr)>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let path = uri.path().to_owned();
    let refusal = shared.refusal.lock().unwrap().as_ref().and_then(|refuse| refuse(&method, &path));
    let (status, answer) = match refusal {
        Some(status) => (status, Response::builder().status(status).body(Body::empty()).unwrap()),
        None => {
            let url = format!("http://{upstream}{}", uri.path_and_query().unwrap());
            let request = client.request(method.clone(), url).headers(headers).body(body);
            let reply = request.send().await.unwrap();
            let mut answer = Response::new(Body::empty());
            (*answer.status_mut(), *answer.headers_mut()) =
                (reply.status(), reply.headers().clone());
            let status = reply.status();
            // What was chunked there is of known length here.
            let bytes = reply.bytes().await.unwrap();
            answer.headers_mut().remove("transfer-encoding");
            *answer.body_mut() = Body::from(bytes);
            (status, answer)
        }
    };
    let is_lost = shared.loss.lock().unwrap().as_ref().is_some_and(|lose| lose(&method, &path));
    let answer = match is_lost {
        true => Response::builder().status(503).body(Body::empty()).unwrap(),
        false => answer,
    };
    let key = path.trim_start_matches('/').split_once('/').map_or("", |(_, key)| key).to_owned();
    let query = uri.query().unwrap_or_default().to_owned();
    let (method, status) = (method.to_string(), status.as_u16());
    shared.requests.lock().unwrap().push(Request { method, key, query, status });
    answer
}
