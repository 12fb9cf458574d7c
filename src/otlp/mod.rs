//! Traces and metrics over OTLP, to a collector that the standard variables of OpenTelemetry name.
//!
//! A run never waits for it: what is to be sent passes through bounded queues to threads of the SDK, which drop what
//! does not fit. Only at the end does the program wait, for a few seconds at most.

mod sending;

use std::thread;

use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{
    ExporterBuildError, MetricExporter, Protocol, SpanExporter, WithExportConfig as _,
    WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{Instrument, SdkMeterProvider, Stream};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::sync::oneshot;
use tracing::Level;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::{Layer, Registry};

use crate::config::Otlp;
use crate::metrics::{Board, Family, PREFIX};
use crate::spans;
use sending::Sender;

/// What the program calls itself unless `OTEL_SERVICE_NAME` says otherwise.
const NAME: &str = env!("CARGO_PKG_NAME");

/// More values than any series has: it has a few for each account.
const MOST_VALUES: usize = 1_000_000;

/// Why nothing is sent.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No client could be made.
    #[error("TLS cannot be set up: {0}")]
    Client(#[source] reqwest::Error),
    /// No runtime could be made.
    #[error("no runtime can be set up: {0}")]
    Runtime(#[source] std::io::Error),
    /// The SDK refuses a variable. Which it is it says together with the value, which may be a secret.
    #[error("the SDK refuses a variable: check those whose names begin with OTEL_EXPORTER_OTLP")]
    Variable,
}

impl From<ExporterBuildError> for Error {
    fn from(_: ExporterBuildError) -> Self {
        Self::Variable
    }
}

/// What is sent.
#[derive(Debug)]
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
    metrics: Option<SdkMeterProvider>,
    board: Board,
}

impl Telemetry {
    /// Starts sending: spans as they end, and what the board has of `families`, every minute or as
    /// `OTEL_METRIC_EXPORT_INTERVAL` says.
    ///
    /// # Errors
    /// When a variable is wrong, or TLS cannot be set up.
    pub fn begin(wanted: Otlp, families: &[Family]) -> Result<Self, Error> {
        let board = Board::default();
        let traces = wanted.traces.then(|| traces(wanted)).transpose()?;
        let metrics = wanted.metrics.then(|| metrics(wanted, &board, families)).transpose()?;
        Ok(Self { traces, metrics, board })
    }

    /// What turns spans of this level and above into traces.
    pub fn layer(&self, level: Level) -> Option<Box<dyn Layer<Registry> + Send + Sync>> {
        let tracer = self.traces.as_ref()?.tracer(NAME);
        let layer = tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false);
        // Nothing that is logged gets into a trace.
        let is_ours = filter_fn(move |metadata| {
            metadata.is_span() && metadata.target() == spans::TARGET && *metadata.level() <= level
        });
        Some(layer.with_filter(is_ours.with_max_level_hint(level)).boxed())
    }

    /// Where to put the metrics, if they are sent.
    pub fn board(&self) -> Option<Board> {
        self.metrics.is_some().then(|| self.board.clone())
    }

    /// Sends what is left. Where this is dropped, sending it ends with the process.
    pub async fn end(self) {
        let Self { traces, metrics, .. } = self;
        // Either may wait for the collector, whatever it is told.
        let traces = apart(move || traces.map(|traces| traces.shutdown()));
        let metrics = apart(move || metrics.map(|metrics| metrics.shutdown()));
        for sent in [traces, metrics] {
            let _ = sent.await;
        }
    }
}

/// Does something in a thread of its own.
fn apart<T>(work: impl FnOnce() -> T + Send + 'static) -> oneshot::Receiver<()> {
    let (done, over) = oneshot::channel();
    // Without a thread nothing is sent, and nobody waits.
    let _ = thread::Builder::new().name("otlp".to_owned()).spawn(move || {
        work();
        let _ = done.send(());
    });
    over
}

/// Who sends.
fn resource() -> Resource {
    let resource = Resource::builder();
    // Where no variable names the service, the SDK calls it unknown.
    let is_unknown = |value: &opentelemetry::Value| value.as_str().starts_with("unknown_service");
    let name = resource.build().get(&"service.name".into());
    let resource = Resource::builder();
    let resource = match name.filter(|name| !is_unknown(name)) {
        Some(_) => resource,
        None => resource.with_service_name(NAME),
    };
    resource.with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))).build()
}

fn traces(wanted: Otlp) -> Result<SdkTracerProvider, Error> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_http_client(Sender::new("traces", wanted.timeout)?)
        .build()?;
    let provider = SdkTracerProvider::builder().with_resource(resource());
    Ok(provider.with_batch_exporter(exporter).build())
}

fn metrics(wanted: Otlp, board: &Board, families: &[Family]) -> Result<SdkMeterProvider, Error> {
    let exporter = MetricExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_http_client(Sender::new("metrics", wanted.timeout)?)
        .build()?;
    let every_account =
        |_: &Instrument| Stream::builder().with_cardinality_limit(MOST_VALUES).build().ok();
    let provider = SdkMeterProvider::builder().with_resource(resource()).with_view(every_account);
    let provider = provider.with_periodic_exporter(exporter).build();
    let meter = provider.meter(NAME);
    for family in families {
        let (board, name) = (board.clone(), family.name);
        // Without a unit: the names have it, as in the file, so that the same rules and dashboards apply.
        let gauge = meter.f64_observable_gauge(format!("{PREFIX}_{name}"));
        let gauge = gauge.with_description(family.help).with_callback(move |observer| {
            for (labels, value) in board.values(name) {
                let labels = labels.into_iter().map(|(name, value)| KeyValue::new(name, value));
                observer.observe(value, &labels.collect::<Vec<_>>());
            }
        });
        // The provider keeps it.
        let _ = gauge.build();
    }
    Ok(provider)
}
