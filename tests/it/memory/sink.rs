//! A store that keeps what is small and forgets the bytes of what is large, so that it takes segments of
//! any size without the memory or the disk for them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};

use crate::net::Routes;

/// The largest body that is kept, in bytes.
const SMALL: usize = 256 << 10;

#[derive(Default)]
struct Shared {
    /// By path.
    objects: BTreeMap<String, Object>,
    /// The bytes of each upload, by path.
    uploads: BTreeMap<String, u64>,
}

#[derive(Clone)]
struct Object {
    bytes: u64,
    /// Empty for what is large.
    body: Bytes,
}

/// A running sink; it ends when dropped.
pub struct Sink {
    shared: Arc<Mutex<Shared>>,
    pub addr: std::net::SocketAddr,
    _routes: Routes,
}

impl Sink {
    pub async fn start() -> Self {
        let shared = Arc::new(Mutex::new(Shared::default()));
        let router = Router::new()
            .fallback(answer)
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&shared));
        let routes = Routes::serve(router).await;
        Self { shared, addr: routes.addr, _routes: routes }
    }

    /// How many objects it has whose keys end so, and their bytes in all.
    pub fn stored(&self, ending: &str) -> (usize, u64) {
        let shared = self.shared.lock().unwrap();
        let found = shared.objects.iter().filter(|(path, _)| path.ends_with(ending));
        found.fold((0, 0), |(count, bytes), (_, object)| (count + 1, bytes + object.bytes))
    }
}

async fn answer(
    State(shared): State<Arc<Mutex<Shared>>>,
    method: Method,
    uri: Uri,
    body: Bytes,
) -> Response<Body> {
    let shared = shared.lock().unwrap();
    let (path, query) = (uri.path().to_owned(), uri.query().unwrap_or_default());
    match method.as_str() {
        "POST" if query.contains("uploads") => begin(&path),
        "POST" => complete(shared, path),
        "PUT" if query.contains("partNumber") => part(shared, path, body.len() as u64),
        "PUT" => put(shared, path, body),
        "GET" | "HEAD" if path.trim_end_matches('/') == "/replays" => {
            xml("ListBucketResult", "<IsTruncated>false</IsTruncated>")
        }
        "GET" | "HEAD" => read(&shared, &path, method == Method::HEAD),
        _ => reply(StatusCode::NO_CONTENT, HeaderMap::new(), Bytes::new()),
    }
}

fn begin(path: &str) -> Response<Body> {
    let key = path.trim_start_matches("/replays/");
    xml(
        "InitiateMultipartUploadResult",
        &format!("<Bucket>replays</Bucket><Key>{key}</Key><UploadId>u</UploadId>"),
    )
}

fn part(mut shared: MutexGuard<'_, Shared>, path: String, bytes: u64) -> Response<Body> {
    *shared.uploads.entry(path).or_default() += bytes;
    reply(StatusCode::OK, etag(), Bytes::new())
}

fn complete(mut shared: MutexGuard<'_, Shared>, path: String) -> Response<Body> {
    let bytes = shared.uploads.remove(&path).unwrap_or_default();
    shared.objects.insert(path, Object { bytes, body: Bytes::new() });
    xml("CompleteMultipartUploadResult", "<ETag>&quot;e&quot;</ETag>")
}

fn put(mut shared: MutexGuard<'_, Shared>, path: String, body: Bytes) -> Response<Body> {
    let bytes = body.len() as u64;
    let body = if body.len() <= SMALL { body } else { Bytes::new() };
    shared.objects.insert(path, Object { bytes, body });
    reply(StatusCode::OK, etag(), Bytes::new())
}

fn read(shared: &Shared, path: &str, is_head: bool) -> Response<Body> {
    let Some(object) = shared.objects.get(path) else {
        let body = "<Error><Code>NoSuchKey</Code><Message>none</Message></Error>";
        let body = if is_head { "" } else { body };
        return reply(StatusCode::NOT_FOUND, HeaderMap::new(), Bytes::from_static(body.as_bytes()));
    };
    let mut headers = etag();
    headers.insert("content-length", object.bytes.into());
    let body = if is_head { Bytes::new() } else { object.body.clone() };
    reply(StatusCode::OK, headers, body)
}

fn etag() -> HeaderMap {
    [(axum::http::header::ETAG, "\"e\"".parse().unwrap())].into_iter().collect()
}

fn xml(root: &str, inside: &str) -> Response<Body> {
    let text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><{root}>{inside}</{root}>");
    reply(StatusCode::OK, HeaderMap::new(), Bytes::from(text))
}

fn reply(status: StatusCode, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let mut reply = Response::new(Body::from(body));
    (*reply.status_mut(), *reply.headers_mut()) = (status, headers);
    reply
}
