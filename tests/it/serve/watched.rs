//! `/metrics`: what a monitor sees.

use serde_json::{Value, json};

use super::site::{Site, TOKEN, TOKEN_OF_ONE};

fn status(appid: &str, outcome: &str) -> Value {
    let at = "2026-11-22T03:00:00Z";
    json!({
        "schema": "replay-archiver/status/v1", "appid": appid, "published_at": at,
        "last_run": {
            "command": "run", "began_at": at, "ended_at": at, "outcome": outcome, "rooms": 1, "version": "1",
            "stage_ms": { "transfer": 7500, "polish": 1 },
        },
        "rooms_left": 2, "next_deadline": "2026-12-01T00:00:00Z", "next_try_at": null,
        "calls": { "limit": 500, "used": 100, "left": 300 },
        "at_risk": [
            { "room_id": 1, "source_id": "a", "deadline": at, "expected": null, "short_of": "throughput" },
            { "room_id": 1, "source_id": "b", "deadline": at, "expected": null, "short_of": "throughput" },
        ],
        "lost": [], "lost_unacknowledged": 3, "problems": [],
    })
}

async fn metrics(site: &Site, token: &str) -> String {
    let response = site.get_with("/metrics", "authorization", &format!("Bearer {token}")).await;
    assert_eq!(response.status(), 200);
    let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    response.text().await.unwrap()
}

#[tokio::test]
async fn a_monitor_sees_how_the_accounts_of_its_token_stand_and_what_the_server_does() {
    let site = Site::with_tokens().await;
    site.store.place("live/wx1/status.json", status("wx1", "at_risk").to_string());
    site.store.place("live/wx2/status.json", "{");
    assert_eq!(site.status("/metrics").await, 401);
    assert_eq!(site.status("/nothing").await, 404);
    let all = metrics(&site, TOKEN).await;
    for line in [
        "account_next_deadline_timestamp_seconds{appid=\"wx1\"} 1796083200",
        "account_rooms_at_risk{appid=\"wx1\"} 1",
        "account_recordings_lost{appid=\"wx1\"} 3",
        "account_rooms_left{appid=\"wx1\"} 2",
        "account_api_calls_left{appid=\"wx1\"} 300",
        "account_last_run_timestamp_seconds{appid=\"wx1\"} 1795316400",
        "account_stage_seconds{appid=\"wx1\",stage=\"transfer\"} 7.5",
        "serve_accounts_unread 1",
        "serve_requests_total{door=\"metrics\",code=\"4xx\"} 1",
        "serve_requests_total{door=\"other\",code=\"4xx\"} 1",
        "serve_limit{what=\"films\"} 128",
    ] {
        assert!(all.contains(&format!("\nreplay_archiver_{line}\n")), "no {line} in {all}");
    }
    assert!(!all.contains("account_last_success_timestamp_seconds{"), "it is not known: {all}");
    assert!(!all.contains("wx2"), "it says nothing: {all}");
    let one = metrics(&site, TOKEN_OF_ONE).await;
    assert!(one.contains("account_rooms_left{appid=\"wx1\"} 2"), "{one}");
    assert!(!one.contains("serve_requests_total"), "the server is everybody's: {one}");
    site.store.take();
    for _ in 0..20 {
        metrics(&site, TOKEN).await;
    }
    assert!(site.store.take().is_empty(), "the bucket is looked at once a minute");
}

#[tokio::test]
async fn the_last_success_is_known_from_a_status_that_says_so() {
    let site = Site::start().await;
    site.store.place("live/wx1/status.json", status("wx1", "continuing").to_string());
    let mut failed = status("wx2", "failed");
    failed["last_success_at"] = json!("2026-11-20T03:00:00Z");
    site.store.place("live/wx2/status.json", failed.to_string());
    let text = site.get("/metrics").await.text().await.unwrap();
    for (appid, at) in [("wx1", 1_795_316_400), ("wx2", 1_795_143_600)] {
        let line = format!("account_last_success_timestamp_seconds{{appid=\"{appid}\"}} {at}\n");
        assert!(text.contains(&line), "no {line} in {text}");
    }
}
