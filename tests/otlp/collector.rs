//! A collector that keeps what it gets.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::net::TcpListener;

use crate::place::{KEY, check};

/// What the collector does with a request.
#[derive(Debug, Clone, Copy)]
pub enum Mood {
    /// Takes it.
    Good,
    /// Answers with this status.
    Status(u16),
    /// Never answers.
    Silent,
}

/// A collector that listens until its test ends.
pub struct Collector {
    pub endpoint: String,
    kept: Arc<Kept>,
}

struct Kept {
    mood: Mood,
    requests: Mutex<Vec<(String, HeaderMap, Bytes)>>,
}

impl Collector {
    pub async fn start(mood: Mood) -> Self {
        let kept = Arc::new(Kept { mood, requests: Mutex::default() });
        let app = Router::new().fallback(take).layer(DefaultBodyLimit::disable());
        let app = app.with_state(Arc::clone(&kept));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { endpoint, kept }
    }

    /// The variables that have the program send here.
    pub fn variables<'a>(&'a self, headers: &'a str) -> Vec<(&'a str, &'a str)> {
        vec![
            ("OTEL_EXPORTER_OTLP_ENDPOINT", self.endpoint.as_str()),
            ("OTEL_EXPORTER_OTLP_HEADERS", headers),
        ]
    }

    /// The bodies that came to a path. None of them has a secret.
    pub fn bodies(&self, at: &str) -> Vec<Bytes> {
        let requests = self.kept.requests.lock().unwrap();
        let here = requests.iter().filter(|(path, ..)| path == at);
        let bodies: Vec<_> = here.map(|(.., body)| body.clone()).collect();
        bodies.iter().for_each(|body| check(at, body));
        bodies
    }

    /// What each request had for a key.
    pub fn keys(&self) -> Vec<String> {
        let requests = self.kept.requests.lock().unwrap();
        let key = |headers: &HeaderMap| headers["x-key"].to_str().unwrap().to_owned();
        requests.iter().map(|(_, headers, _)| key(headers)).collect()
    }

    pub fn requests(&self) -> usize {
        self.kept.requests.lock().unwrap().len()
    }

    /// Every span that arrived, and who sent them.
    pub fn spans(&self) -> (Vec<Span>, Resource) {
        let (mut spans, mut sender) = (Vec::new(), None);
        for body in self.bodies("/v1/traces") {
            for of_resource in ExportTraceServiceRequest::decode(body).unwrap().resource_spans {
                sender = of_resource.resource;
                spans.extend(of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
            }
        }
        (spans, sender.unwrap())
    }

    /// The metrics that arrived last, and who sent them.
    pub fn metrics(&self) -> (Vec<Metric>, Resource) {
        let last = self.bodies("/v1/metrics").pop().unwrap();
        let last = ExportMetricsServiceRequest::decode(last).unwrap().resource_metrics.pop();
        let last = last.unwrap();
        let metrics = last.scope_metrics.into_iter().flat_map(|scope| scope.metrics).collect();
        (metrics, last.resource.unwrap())
    }
}

/// The header that a collector of the tests wants.
pub fn headers() -> String {
    format!("x-key={KEY}")
}

async fn take(
    State(kept): State<Arc<Kept>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    kept.requests.lock().unwrap().push((uri.path().to_owned(), headers, body));
    match kept.mood {
        Mood::Good => StatusCode::OK,
        Mood::Status(status) => StatusCode::from_u16(status).unwrap(),
        Mood::Silent => std::future::pending().await,
    }
}
