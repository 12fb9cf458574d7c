//! Rooms, replays, quotas and the errors of the API.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::client::{ACCOUNT, Client};

const LIVE: &str = "/wxa/business/getliveinfo";

fn assert_rid(reply: &Value) {
    let message = reply["errmsg"].as_str().unwrap();
    let (_, rid) = message.rsplit_once(" rid: ").expect(message);
    let lengths: Vec<_> = rid.split('-').map(str::len).collect();
    assert_eq!(lengths, [8, 8, 8], "{rid}");
    assert!(rid.chars().all(|c| c == '-' || c.is_ascii_hexdigit()), "{rid}");
}

#[tokio::test]
async fn a_malformed_call_is_refused_with_wechats_code_and_a_rid() {
    let client = Client::start(ACCOUNT).await;
    let good = format!("{LIVE}?access_token=good");
    let table = [
        (LIVE, "{}", 41001),
        ("/wxa/business/getliveinfo?access_token=", "{}", 41001),
        ("/wxa/business/getliveinfo?access_token=bad", "{}", 40001),
        (&good, "", 44002),
        (&good, "{", 47001),
        (&good, "[]", 47001),
        (&good, r#"{"start":"0","limit":50}"#, 47001),
        (&good, r#"{"action":"get_replay"}"#, 47001),
        (&good, r#"{"action":"other"}"#, 47001),
        ("/wxa/business/nothing?access_token=good", "{}", 40066),
    ];
    for (path, body, code) in table {
        let reply = client.post(path, body).await;
        assert_eq!(reply["errcode"], code, "{path} {body}: {reply}");
        assert_rid(&reply);
    }
    assert_eq!(client.get_json(&good).await["errcode"], 43002);
}

#[tokio::test]
async fn a_body_without_content_length_is_refused_with_an_empty_412() {
    let client = Client::start(ACCOUNT).await;
    let chunks = futures::stream::iter([Ok::<_, std::io::Error>("{\"start\":0,\"limit\":50}")]);
    let request = client
        .http
        .post(client.api(&format!("{LIVE}?access_token=good")))
        .body(reqwest::Body::wrap_stream(chunks));
    let got = client.fetch(request).await;
    assert_eq!((got.status, got.body.len()), (StatusCode::PRECONDITION_FAILED, 0));
}

#[tokio::test]
async fn pages_hold_fifty_rooms_newest_first_and_the_end_is_an_error_without_total() {
    let scenario =
        format!("{ACCOUNT}[[account.generate]]\ncount = 120\nnewest = \"-1d\"\nevery = \"1h\"\n");
    let client = Client::start(&scenario).await;
    let mut ids = Vec::new();
    for (start, rows) in [(0, 50), (50, 50), (100, 20)] {
        let page = client.rooms(start, 100).await;
        assert_eq!((&page["errcode"], &page["total"]), (&json!(0), &json!(120)));
        assert_eq!(page["live_replay"], json!([]));
        let page = page["room_info"].as_array().unwrap();
        assert_eq!(page.len(), rows);
        ids.extend(page.iter().map(|row| row["roomid"].as_i64().unwrap()));
    }
    assert!(ids.iter().copied().eq((1..=120).rev()), "{ids:?}");
    assert_eq!(client.rooms(0, 7).await["room_info"].as_array().unwrap().len(), 7);

    let end = client.rooms(120, 50).await;
    assert_eq!(end["errcode"], 9_410_000);
    assert_eq!((&end["room_info"], &end["live_replay"]), (&json!([]), &json!([])));
    assert!(end.get("total").is_none());
    assert_rid(&end);
}

#[tokio::test]
async fn the_habits_of_2020_can_be_chosen() {
    let room = "[[account.room]]\nid = 1\nstart = \"-2h\"\nstatus = 103\n";
    let scenario = format!(
        "[wechat]\nend_of_list = 1\nstatus_field = \"live_satus\"\nunknown_room = 300022\n\
         content_type = \"text/plain\"\nerrmsg = false\nomit = [\"live_type\", \"feeds_img\"]\n\
         junk_fields = true\n{ACCOUNT}{room}"
    );
    let client = Client::start(&scenario).await;
    let row = client.rooms(0, 50).await["room_info"][0].clone();
    assert_eq!(row["live_satus"], 103);
    for absent in ["live_status", "live_type", "feeds_img"] {
        assert!(row.get(absent).is_none(), "{absent}");
    }
    assert!(row.get("__junk").is_some());

    let end = client.rooms(1, 50).await;
    assert_eq!((&end["errcode"], end.get("errmsg")), (&json!(1), None));
    assert_eq!(client.replays(99).await["errcode"], 300_022);
    let got = client.get(&client.api(LIVE)).await;
    assert_eq!(got.header("content-type"), "text/plain");
}

#[tokio::test]
async fn a_room_without_a_status_goes_live_and_ends_by_the_clock() {
    let scenario =
        format!("{ACCOUNT}[[account.room]]\nid = 1\nstart = \"+10m\"\nlength = \"1h\"\n");
    let client = Client::start(&scenario).await;
    for expected in [102, 101, 103] {
        assert_eq!(client.rooms(0, 50).await["room_info"][0]["live_status"], expected);
        client.sandbox.clock().advance(Duration::from_secs(3_000));
    }
}

#[tokio::test]
async fn replays_are_listed_newest_first_with_the_whole_on_top() {
    let scenario = format!(
        "{ACCOUNT}[[account.room]]\nid = 354\nstart = \"-3h\"\n[[account.room.replay]]\n\
         [[account.room.replay]]\ncopies = 2\n[[account.room.replay]]\nkind = \"whole\"\n"
    );
    let client = Client::start(&scenario).await;
    let reply = client.replays(354).await;
    assert_eq!((&reply["total"], &reply["room_info"]), (&json!(4), &json!([])));
    let urls = client.urls(354).await;
    let files: Vec<_> = urls.iter().map(|url| url.rsplit('/').next().unwrap()).collect();
    assert_eq!(files, ["playlist_eof.m3u8", "f0.mp4", "f0.mp4", "f0.mp4"]);
    assert_eq!(urls[1], urls[2]);
    assert_ne!(urls[2], urls[3]);
    let created: Vec<_> = reply["live_replay"].as_array().unwrap().iter().collect();
    assert!(
        created
            .windows(2)
            .all(|two| two[0]["create_time"].as_str() >= two[1]["create_time"].as_str())
    );
    assert_eq!(client.replays(99).await["live_replay"], json!([]));
}

#[tokio::test]
async fn times_come_in_every_style_seen() {
    let styles = [
        ("utc", json!("2021-03-26T08:10:43Z"), json!("2022-03-26T08:10:43Z")),
        ("beijing", json!("2021-03-26T16:10:43"), json!("2022-03-26T16:10:43")),
        ("epoch", json!(1_616_746_243), json!(1_648_282_243)),
        ("epoch-millis", json!(1_616_746_243_000_i64), json!(1_648_282_243_000_i64)),
        ("sentinel", json!("2106-02-07T14:28:15"), json!("2116-02-05T14:28:15")),
        ("never", json!("2021-03-26T08:10:43Z"), json!("9999-12-31T23:59:59Z")),
        ("empty", json!(""), json!("")),
        ("null", json!(null), json!(null)),
    ];
    for (style, create, expire) in styles {
        let scenario = format!(
            "now = \"2021-04-01T00:00:00Z\"\n{ACCOUNT}[[account.room]]\nid = 1\n\
             start = \"2021-03-26T07:00:00Z\"\n[[account.room.replay]]\n\
             create = \"2021-03-26T16:10:43+08:00\"\ntime_style = \"{style}\"\n"
        );
        let row = Client::start(&scenario).await.replays(1).await["live_replay"][0].clone();
        assert_eq!((&row["create_time"], &row["expire_time"]), (&create, &expire), "{style}");
    }
}

#[tokio::test]
async fn replays_appear_late_can_be_only_announced_and_are_given_as_they_are() {
    let scenario = format!(
        "{ACCOUNT}[[account.room]]\nid = 1\nstart = \"-1h\"\n[[account.room.replay]]\n\
         appears = \"90s\"\n[[account.room]]\nid = 2\nstart = \"-5h\"\nannounced = 1\n\
         [[account.room]]\nid = 3\nstart = \"-6h\"\nraw = {{ name = 7 }}\n\
         [[account.room.replay]]\nmedia_url = \"file:///etc/passwd\"\n\
         omit = [\"expire_time\"]\nraw = {{ create_time = [\"x\"] }}\n"
    );
    let client = Client::start(&scenario).await;
    assert_eq!(client.urls(1).await.len(), 0);
    client.sandbox.clock().advance(Duration::from_secs(91));
    assert_eq!(client.urls(1).await.len(), 1);

    let announced = client.replays(2).await;
    assert_eq!((&announced["total"], &announced["live_replay"]), (&json!(1), &json!([])));

    let row = client.replays(3).await["live_replay"][0].clone();
    assert_eq!(row, json!({ "create_time": ["x"], "media_url": "file:///etc/passwd" }));
    assert_eq!(client.rooms(2, 1).await["room_info"][0]["name"], 7);
}

#[tokio::test]
async fn the_daily_quota_is_shared_by_both_calls_and_renewed_at_midnight_in_beijing() {
    let scenario = "now = \"2026-11-22T15:00:00Z\"\n[[account]]\nappid = \"wx1\"\nsecret = \"s\"\n\
         token = \"good\"\ndaily_quota = 3\n[[account.room]]\nid = 1\nstart = \"-1d\"\n\
         [[account]]\nappid = \"wx2\"\nsecret = \"s\"\ntoken = \"other\"\n";
    let client = Client::start(scenario).await;
    let quota = "/cgi-bin/openapi/quota/get?access_token=good";
    let asked = json!({ "cgi_path": LIVE }).to_string();
    let codes = [
        client.rooms(0, 50).await["errcode"].clone(),
        client.replays(1).await["errcode"].clone(),
        client.rooms(9, 50).await["errcode"].clone(),
        client.rooms(0, 50).await["errcode"].clone(),
    ];
    assert_eq!(codes, [0, 0, 9_410_000, 45_009]);
    let reply = client.post(quota, asked.clone()).await;
    assert_eq!(reply["quota"], json!({ "daily_limit": 3, "used": 3, "remain": 0 }));
    assert_ne!(client.live("other", json!({})).await["errcode"], 45_009);

    client.sandbox.clock().advance(Duration::from_secs(3_599));
    assert_eq!(client.rooms(0, 50).await["errcode"], 45_009);
    client.sandbox.clock().advance(Duration::from_secs(1));
    assert_eq!(client.rooms(0, 50).await["errcode"], 0);
    assert_eq!(client.post(quota, asked).await["quota"]["used"], 1);
    assert_eq!(client.post(quota, "{\"cgi_path\":\"/x\"}").await["errcode"], 76_021);
}

#[tokio::test]
async fn minutes_permissions_and_quota_queries_have_their_own_errors() {
    let scenario = "now = \"2026-11-22T15:00:00Z\"\n[[account]]\nappid = \"wx1\"\nsecret = \"s\"\n\
         token = \"good\"\nminute_quota = 2\nquota_query = 48001\n\
         [[account]]\nappid = \"wx2\"\nsecret = \"s\"\ntoken = \"closed\"\npermission = false\n";
    let client = Client::start(scenario).await;
    let mut codes = Vec::new();
    for _ in 0..3 {
        codes.push(client.replays(1).await["errcode"].clone());
    }
    assert_eq!(codes, [0, 0, 45_011]);
    client.sandbox.clock().advance(Duration::from_secs(60));
    assert_eq!(client.replays(1).await["errcode"], 0);
    assert_eq!(client.live("closed", json!({})).await["errcode"], 48_001);
    let reply = client.post("/cgi-bin/openapi/quota/get?access_token=good", "{}").await;
    assert_eq!(reply["errcode"], 48_001);
}

#[tokio::test]
async fn calls_are_remembered_without_their_secrets() {
    let client = Client::start(ACCOUNT).await;
    client.replays(7).await;
    client
        .post("/cgi-bin/stable_token", json!({ "appid": "wx1", "secret": "s1" }).to_string())
        .await;
    let calls = client.sandbox.calls();
    assert_eq!(calls.len(), 2);
    assert_eq!((calls[0].method.as_str(), calls[0].path.as_str()), ("POST", LIVE));
    assert_eq!(calls[0].body.as_ref().unwrap()["room_id"], 7);
    assert_eq!(calls[0].status, 200);
    assert_eq!(calls[1].body.as_ref().unwrap()["secret"], "***");
    let shown = format!("{calls:?}");
    assert!(!shown.contains("good") && !shown.contains("s1\""), "{shown}");
}

#[tokio::test]
async fn it_can_be_driven_from_outside() {
    let client = Client::start(ACCOUNT).await;
    let set = client.post("/sandbox/clock", r#"{"set":"2030-01-01T00:00:00Z"}"#).await;
    assert!(set["now"].as_str().unwrap().starts_with("2030-01-01T00:00:0"), "{set}");
    client.post("/sandbox/clock", r#"{"advance_seconds":86400}"#).await;
    let now = client.get_json("/sandbox/clock").await;
    assert!(now["now"].as_str().unwrap().starts_with("2030-01-02T00:00:0"), "{now}");

    let fault = r#"[{"on":"api","call":"rooms","then":{"errcode":{"code":-1}}}]"#;
    assert_eq!(client.post("/sandbox/faults", fault).await["added"], 1);
    assert_eq!(client.rooms(0, 50).await["errcode"], -1);
    assert_eq!(client.rooms(0, 50).await["errcode"], 9_410_000);

    let scenario = format!("{ACCOUNT}[[account.room]]\nid = 5\nstart = \"-1d\"\n");
    assert_eq!(client.post("/sandbox/scenario", scenario).await["rooms"], 1);
    assert_eq!(client.rooms(0, 50).await["room_info"][0]["roomid"], 5);

    let calls = client.get_json("/sandbox/calls").await;
    assert_eq!(calls.as_array().unwrap().len(), 3);
    for (path, body) in [
        ("/sandbox/clock", "{}"),
        ("/sandbox/faults", "{\"on\":\"moon\"}"),
        ("/sandbox/scenario", "x = 1"),
        ("/sandbox/nothing", "{}"),
    ] {
        assert!(client.post(path, body).await["error"].is_string(), "{path}");
    }
}

/// A request as a page in a browser sends it, with these headers; its status and whether it was read.
async fn asked_by_a_page(client: &Client, method: &str, url: String, headers: &[&str]) -> u16 {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = http.request(method.parse().unwrap(), url).body("{\"advance_seconds\":60}");
    for header in headers {
        let (name, value) = header.split_once(": ").unwrap();
        request = request.header(name, value);
    }
    let before = client.sandbox.calls().len();
    let status = request.send().await.unwrap().status().as_u16();
    assert_eq!(client.sandbox.calls().len(), before, "{headers:?} counts as a call");
    status
}

#[tokio::test]
async fn a_web_page_neither_drives_the_sandbox_nor_reads_it() {
    let client = Client::start(&format!("now = \"2026-11-22T00:00:00Z\"\n{ACCOUNT}")).await;
    let (clock, evil) = ("/sandbox/clock", "host: evil.example:8600");
    let now = client.sandbox.clock().now();
    for (method, path, headers) in [
        // Sent without asking first, the answer unread.
        ("POST", clock, &["content-type: text/plain"][..]),
        ("POST", clock, &["x-sandbox-admin: 1", "origin: http://evil.example"]),
        ("GET", "/sandbox/calls", &[]),
        ("OPTIONS", clock, &["access-control-request-headers: x-sandbox-admin"]),
        // Read under a name that resolves to 127.0.0.1.
        ("GET", "/sandbox/calls", &[evil, "x-sandbox-admin: 1"]),
        ("POST", clock, &[evil, "x-sandbox-admin: 1"]),
        ("POST", LIVE, &[evil]),
        ("POST", LIVE, &["origin: null"]),
    ] {
        let status = asked_by_a_page(&client, method, client.api(path), headers).await;
        assert_eq!(status, 403, "{method} {path} {headers:?}");
    }
    let media = format!("http://{}/x/f0.mp4", client.sandbox.vod_addr());
    assert_eq!(asked_by_a_page(&client, "GET", media, &[evil]).await, 403);
    assert_eq!(client.sandbox.clock().now(), now);
    let advanced = client.post(clock, r#"{"advance_seconds":60}"#).await;
    assert!(advanced["now"].is_string(), "{advanced}");
}

#[tokio::test]
async fn tests_change_the_scenario_while_it_runs_and_a_dropped_sandbox_answers_no_more() {
    let client =
        Client::start(&format!("{ACCOUNT}[[account.room]]\nid = 5\nstart = \"-1d\"\n")).await;
    client.sandbox.update(|scenario| scenario.accounts[0].rooms.clear());
    assert_eq!(client.rooms(0, 50).await["errcode"], 9_410_000);

    let Client { sandbox, http } = client;
    let url = format!("http://{}/sandbox/clock", sandbox.api_addr());
    assert!(http.get(&url).send().await.is_ok());
    drop(sandbox);
    // The open connection ends with the tasks, and a new one finds nobody.
    while http.get(&url).send().await.is_ok() {
        tokio::task::yield_now().await;
    }
}
