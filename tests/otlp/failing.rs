//! Collectors that fail: no run waits for them, and none fails because of them.

use std::time::{Duration, Instant};

use replay_archiver::clock;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::collector::{Collector, Mood, headers};
use crate::place::{Place, ROOMS};

#[tokio::test]
async fn a_collector_that_never_answers_delays_the_end_by_a_few_seconds_at_most() {
    let collector = Collector::start(Mood::Silent).await;
    let place = Place::start(ROOMS).await;
    let headers = headers();
    let mut variables = collector.variables(&headers);
    variables.push(("OTEL_EXPORTER_OTLP_TIMEOUT", "60000"));
    let mut child = place.command(&["run", "--json"], &variables).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.contains("\"summary\"") {
            break;
        }
    }
    let done = Instant::now();
    let limit = Duration::from_secs(60);
    let status = clock::within(limit, child.wait()).await.expect("it ends").unwrap();
    let took = done.elapsed();
    assert_eq!(status.code(), Some(0));
    assert!(collector.requests() >= 2, "traces and metrics were on their way");
    assert!(took < Duration::from_secs(10), "{took:?} after the last line of the output");
}

#[tokio::test]
async fn a_collector_that_refuses_or_is_not_there_is_a_warning_and_nothing_else() {
    let refusing = Collector::start(Mood::Status(401)).await;
    let headers = headers();
    let place = Place::start(ROOMS).await;
    let ran = place.run(&["run"], &refusing.variables(&headers)).await;
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{ran:?}");
    for what in ["traces", "metrics"] {
        let warning = format!("failed to send {what} to the OTLP endpoint: it answered 401");
        assert_eq!(ran.err.matches(&warning).count(), 1, "{ran:?}");
    }
    // Nobody listens at port 1.
    let nobody =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:canary-collector-key-3c41@127.0.0.1:1")];
    let ran = place.run(&["run"], &nobody).await;
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{ran:?}");
    assert!(ran.err.contains("failed to send traces to the OTLP endpoint"), "{ran:?}");
}

#[tokio::test]
async fn variables_that_cannot_work_are_said_and_the_run_goes_on() {
    let place = Place::start(ROOMS).await;
    for (variable, value, said) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "OTEL_EXPORTER_OTLP_PROTOCOL is not http/protobuf"),
        (
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "canary-collector-key-3c41",
            "is not an http or https URL",
        ),
    ] {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1");
        let ran = place.run(&["run"], &[endpoint, (variable, value)]).await;
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.err.contains(said) && ran.err.lines().count() == 1, "{ran:?}");
    }
    let ran = place.run(&["run"], &[("OTEL_SERVICE_NAME", "alone")]).await;
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
}
