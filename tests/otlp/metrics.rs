//! The metrics of a run: the collector gets what the file has.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;

use crate::collector::{Collector, Mood, headers};
use crate::place::{Place, ROOMS};
use crate::traces::attribute;

/// Each value with its name and its labels, as the file has them.
fn sent(collector: &Collector) -> BTreeMap<String, f64> {
    let mut all = BTreeMap::new();
    let (metrics, sender) = collector.metrics();
    assert_eq!(attribute(&sender.attributes, "service.name").unwrap(), "replay-archiver");
    for metric in metrics {
        assert!(!metric.description.is_empty() && metric.unit.is_empty(), "{metric:?}");
        let Some(Data::Gauge(gauge)) = metric.data else { panic!("{} is no gauge", metric.name) };
        for point in gauge.data_points {
            let label = |key: &str| {
                let value = attribute(&point.attributes, key)?;
                Some(format!("{key}=\"{value}\""))
            };
            let labels: Vec<_> =
                ["appid", "outcome", "stage"].into_iter().filter_map(label).collect();
            assert_eq!(labels.len(), point.attributes.len(), "{point:?}");
            let name = match labels.is_empty() {
                true => metric.name.clone(),
                false => format!("{}{{{}}}", metric.name, labels.join(",")),
            };
            let Some(Value::AsDouble(value)) = point.value else { panic!("{name} is no float") };
            assert_eq!(all.insert(name, value), None);
        }
    }
    all
}

#[tokio::test]
async fn the_metrics_of_a_run_are_those_of_the_file() {
    let collector = Collector::start(Mood::Good).await;
    let place = Place::start(ROOMS).await;
    let headers = headers();
    let mut variables = collector.variables(&headers);
    variables.push(("OTEL_METRIC_EXPORT_INTERVAL", "200"));
    let ran = place.run(&["run"], &variables).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(collector.bodies("/v1/metrics").len() > 1, "during the run, and at its end");
    let text = std::fs::read_to_string(place.folder.path().join("metrics.prom")).unwrap();
    let values = text.lines().filter(|line| !line.starts_with('#'));
    let values = values.map(|line| line.rsplit_once(' ').unwrap());
    let file: BTreeMap<_, f64> =
        values.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect();
    assert_eq!(sent(&collector), file);
    let value = |series: &str| file[&format!("replay_archiver_{series}")];
    assert_eq!((value("run_rooms_sealed"), value("run_outcome{outcome=\"ok\"}")), (2.0, 1.0));
    assert!(value("run_stage_seconds{stage=\"transfer\"}") > 0.0);
    assert!(value("account_stage_seconds{appid=\"wx1\",stage=\"seal\"}") > 0.0);
}

#[tokio::test]
async fn without_a_file_nothing_is_said_of_what_is_not_known() {
    let collector = Collector::start(Mood::Good).await;
    let place = Place::start(ROOMS).await;
    let file = place.folder.path().join("pipeline.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let (before, monitor) = text.split_once("[monitor]\n").unwrap();
    let (_, after) = monitor.split_once('\n').unwrap();
    std::fs::write(&file, format!("{before}{after}").replace("\"replays\"", "\"nowhere\""))
        .unwrap();
    let headers = headers();
    let ran = place.run(&["run"], &collector.variables(&headers)).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    let sent = sent(&collector);
    assert_eq!(sent["replay_archiver_run_outcome{outcome=\"failed\"}"], 1.0);
    let unknown = |name: &&String| name.contains("last_success") || name.contains("rooms_at_risk");
    assert_eq!(sent.keys().find(unknown), None, "a run before may have ended well");
}
