//! What stands before a real server: it remembers each request, and can refuse some.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{IF_MATCH, IF_NONE_MATCH, TRANSFER_ENCODING};
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};

use crate::net::Routes;
use crate::strict::{Request, turn};

type Refusal = Box<dyn Fn(&Method, &str) -> Option<StatusCode> + Send>;

#[derive(Default)]
struct Shared {
    requests: Mutex<Vec<Request>>,
    refusal: Mutex<Option<Refusal>>,
}

/// A door to the server at `upstream`. It closes when dropped.
pub struct Door {
    shared: Arc<Shared>,
    pub addr: SocketAddr,
    _routes: Routes,
}

impl Door {
    pub async fn open(upstream: SocketAddr) -> Self {
        let shared = Arc::new(Shared::default());
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let state = (Arc::clone(&shared), client, upstream);
        let router =
            Router::new().fallback(forward).layer(DefaultBodyLimit::disable()).with_state(state);
        let routes = Routes::serve(router).await;
        Self { shared, addr: routes.addr, _routes: routes }
    }

    pub fn take(&self) -> Vec<Request> {
        std::mem::take(&mut self.shared.requests.lock().unwrap())
    }

    pub fn refuse(&self, refusal: impl Fn(&Method, &str) -> Option<StatusCode> + Send + 'static) {
        *self.shared.refusal.lock().unwrap() = Some(Box::new(refusal));
    }

    /// Refuses nothing any more.
    pub fn heal(&self) {
        *self.shared.refusal.lock().unwrap() = None;
    }
}

async fn forward(
    State((shared, client, upstream)): State<(Arc<Shared>, reqwest::Client, SocketAddr)>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let (path, bytes) = (uri.path().to_owned(), body.len());
    let came = turn();
    let is_conditional = headers.contains_key(IF_MATCH) || headers.contains_key(IF_NONE_MATCH);
    let key = path.trim_start_matches('/').split_once('/').map_or("", |(_, key)| key).to_owned();
    // As a refusal sees it, every bucket has the same name.
    let place = format!("/{}/{key}", crate::strict::BUCKET);
    let refusal =
        shared.refusal.lock().unwrap().as_ref().and_then(|refuse| refuse(&method, &place));
    let answer = match refusal {
        Some(status) => Response::builder().status(status).body(Body::empty()).unwrap(),
        None => {
            let url = format!("http://{upstream}{}", uri.path_and_query().unwrap());
            let request = client.request(method.clone(), url).headers(headers).body(body);
            match request.send().await {
                Ok(reply) => relayed(reply).await,
                Err(_) => Response::builder().status(502).body(Body::empty()).unwrap(),
            }
        }
    };
    let query = uri.query().unwrap_or_default().to_owned();
    let (method, status) = (method.to_string(), answer.status().as_u16());
    let order = (came, turn());
    let request = Request { method, key, query, status, bytes, is_conditional, order };
    shared.requests.lock().unwrap().push(request);
    answer
}

async fn relayed(reply: reqwest::Response) -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    (*answer.status_mut(), *answer.headers_mut()) = (reply.status(), reply.headers().clone());
    // What was chunked there is of known length here.
    answer.headers_mut().remove(TRANSFER_ENCODING);
    *answer.body_mut() = Body::from(reply.bytes().await.unwrap_or_default());
    answer
}
