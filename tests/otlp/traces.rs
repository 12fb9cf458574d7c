//! What a run looks like as a trace.

use std::collections::{BTreeMap, HashMap};

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use crate::collector::{Collector, Mood, headers};
use crate::place::{GONE, KEY, Place, ROOMS};

/// An attribute as text.
pub fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    Some(match found.value.clone()?.value? {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => panic!("{key} is {other:?}"),
    })
}

fn of(span: &Span, key: &str) -> Option<String> {
    attribute(&span.attributes, key)
}

/// The spans of one trace.
struct Trace(Vec<Span>);

impl Trace {
    /// They are one trace, and each but one is within another that it is part of.
    fn read(collector: &Collector) -> Self {
        let (spans, sender) = collector.spans();
        assert_eq!(attribute(&sender.attributes, "service.name").unwrap(), "replay-archiver");
        let by_id: HashMap<_, _> = spans.iter().map(|span| (&span.span_id, span)).collect();
        assert_eq!(by_id.len(), spans.len(), "no span arrives twice");
        for span in &spans {
            assert_eq!(span.trace_id, spans[0].trace_id);
            assert!(span.events.is_empty() && span.links.is_empty(), "nothing logged is in it");
            if let Some(parent) = by_id.get(&span.parent_span_id) {
                let is_within = parent.start_time_unix_nano <= span.start_time_unix_nano
                    && span.end_time_unix_nano <= parent.end_time_unix_nano;
                assert!(is_within, "{} ends after {}", span.name, parent.name);
            } else {
                assert_eq!((span.name.as_str(), span.parent_span_id.len()), ("run", 0));
            }
        }
        Self(spans)
    }

    fn named(&self, name: &str) -> Vec<&Span> {
        self.0.iter().filter(|span| span.name == name).collect()
    }

    fn parent(&self, span: &Span) -> &Span {
        self.0.iter().find(|parent| parent.span_id == span.parent_span_id).unwrap()
    }

    /// How many spans have which name and which parent.
    fn shape(&self) -> BTreeMap<(&str, &str), usize> {
        let mut shape = BTreeMap::new();
        for span in self.0.iter().filter(|span| !span.parent_span_id.is_empty()) {
            *shape.entry((self.parent(span).name.as_str(), span.name.as_str())).or_default() += 1;
        }
        shape
    }
}

#[tokio::test]
async fn a_run_is_a_trace_of_accounts_rooms_and_stages_with_what_came_of_them() {
    let collector = Collector::start(Mood::Good).await;
    let place = Place::start(&format!("{ROOMS}{GONE}")).await;
    let headers = headers();
    let ran = place.run(&["run", "--json"], &collector.variables(&headers)).await;
    assert_eq!(ran.err, "", "{ran:?}");
    assert!(collector.keys().iter().all(|key| key == KEY), "the collector's own key is sent");
    let trace = Trace::read(&collector);
    let shape = trace.shape();
    for (edge, count) in [
        (("run", "account"), 1),
        (("account", "room"), 3),
        (("account", "discover"), 1),
        (("room", "check"), 3),
        (("room", "resolve"), 3),
        // Two segments, one that is gone, and the playlists of two wholes.
        (("room", "transfer"), 5),
        (("room", "seal"), 3),
    ] {
        assert_eq!(shape.get(&edge), Some(&count), "{edge:?} in {shape:?}");
    }
    assert!(!shape.keys().any(|(_, name)| ["call", "part", "stage"].contains(name)), "{shape:?}");

    let summary: serde_json::Value = serde_json::from_str(ran.out.lines().last().unwrap()).unwrap();
    let run = trace.named("run")[0];
    let said = |key: &str| of(run, key).unwrap();
    assert_eq!(said("command"), "run");
    assert_eq!(said("outcome"), summary["outcome"].as_str().unwrap());
    assert_eq!(said("bytes"), summary["bytes_moved"].to_string());
    assert_eq!(said("calls"), summary["api_calls"].to_string());
    let rooms = trace.named("room");
    let mut ids: Vec<_> = rooms.iter().map(|room| of(room, "room.id").unwrap()).collect();
    ids.sort();
    assert_eq!(ids, ["1", "11", "2"]);
    assert!(rooms.iter().all(|room| of(room, "account.appid").unwrap() == "wx1"));

    let failed = StatusCode::Error as i32;
    for transfer in trace.named("transfer") {
        let is_gone = of(trace.parent(transfer), "room.id").unwrap() == "11";
        let status = transfer.status.clone().unwrap_or_default();
        assert_eq!(status.code == failed, is_gone, "{transfer:?}");
        assert!(!is_gone || status.message.contains("404"), "{transfer:?}");
        assert!(of(transfer, "recording.source_id").is_some(), "{transfer:?}");
        assert!(of(transfer, "outcome").is_some(), "{transfer:?}");
    }
    let bytes = trace.named("transfer").into_iter().filter_map(|transfer| of(transfer, "bytes"));
    assert_eq!(bytes.filter(|bytes| bytes != "0").count(), 2, "the two segments have a size");
}

#[tokio::test]
async fn calls_and_parts_are_in_the_trace_where_the_log_has_details_and_no_span_is_in_the_log() {
    let collector = Collector::start(Mood::Good).await;
    let place = Place::start(ROOMS).await;
    let headers = headers();
    let ran = place.run(&["run", "--log", "debug"], &collector.variables(&headers)).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let trace = Trace::read(&collector);
    let shape = trace.shape();
    let count = |edge| shape.get(&edge).copied().unwrap_or(0);
    assert_eq!(count(("discover", "call")), 1, "{shape:?}");
    assert_eq!(count(("resolve", "call")), 2, "{shape:?}");
    assert!(count(("transfer", "part")) >= 2, "{shape:?}");
    assert!(ran.err.contains("archived"), "{}", ran.err);
    assert!(!ran.err.contains("run{") && !ran.err.contains("room{"), "{}", ran.err);
}

#[tokio::test]
async fn a_run_that_cannot_work_is_a_trace_too_and_other_commands_send_nothing() {
    let collector = Collector::start(Mood::Good).await;
    let place = Place::start(ROOMS).await;
    let headers = headers();
    let mut variables = collector.variables(&headers);
    for command in [&["run", "--dry-run"][..], &["plan"], &["status"]] {
        let ran = place.run(command, &variables).await;
        assert_eq!((ran.code, collector.requests()), (0, 0), "{ran:?}");
    }
    variables.extend([("STORE_SECRET", "wrong"), ("OTEL_SERVICE_NAME", "the nightly one")]);
    let ran = place.run(&["run"], &variables).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    let (spans, sender) = collector.spans();
    assert_eq!(attribute(&sender.attributes, "service.name").unwrap(), "the nightly one");
    assert_eq!(spans.len(), 1);
    let status = spans[0].status.clone().unwrap();
    assert!(
        status.code == StatusCode::Error as i32 && status.message.contains("bucket"),
        "{status:?}"
    );
}
