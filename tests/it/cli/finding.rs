//! `rooms`: what is found in the catalogs of a bucket, honest ones and others.

use serde_json::{Value, json};

use super::program::Ran;
use super::reading::Reader;
use crate::strict::Request;

/// A catalog of `wx1` in place of the published one.
fn place(reader: &Reader, rooms: &[Value]) {
    let catalog = json!({
        "schema": "replay-archiver/catalog/v1", "appid": "wx1",
        "published_at": "2026-11-22T03:00:00Z", "rooms": rooms,
    });
    reader.store.place("live/wx1/catalog.json", catalog.to_string());
}

fn room(id: u64, name: &str, anchor: &str, start: &str, status: Option<&str>) -> Value {
    json!({
        "room_id": id, "name": name, "anchor_name": anchor, "live_status": 103,
        "start_time": start, "end_time": start, "status": status,
        "manifest_key": status.map(|_| format!("rooms/{id}/manifest.json")),
        "manifest_sha256": status.map(|_| "0".repeat(64)),
        "bytes": 1_288_490_189_u64, "duration_ms": 3_723_000,
        "next_deadline": "2027-03-26T07:56:21Z",
    })
}

/// Four rooms to be found.
fn usual(reader: &Reader) {
    place(
        reader,
        &[
            room(7, "双11 Lipstick", "小雨", "2026-11-10T16:00:00Z", Some("complete")),
            room(8, "会员日", "阿杰", "2026-11-11T15:59:59Z", Some("partial")),
            room(9, "双11 返场", "阿杰", "2026-11-11T16:00:00Z", Some("lost")),
            room(10, "预告", "小雨", "2026-12-01T12:00:00Z", None),
        ],
    );
}

/// The numbers of the rooms in lines of JSON.
fn numbers(ran: &Ran) -> Vec<u64> {
    let lines = ran.lines();
    let rooms = lines.iter().filter(|line| line["type"] == "room");
    rooms.map(|room| room["room_id"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn rooms_are_found_by_words_days_and_status_in_the_bucket_alone() {
    let reader = Reader::start().await;
    usual(&reader);
    let table: &[(&[&str], &[u64])] = &[
        (&[], &[7, 8, 9, 10]),
        (&["双11"], &[7, 9]),
        (&["１１", "阿杰"], &[9]),
        (&["lipSTICK"], &[7]),
        (&["小雨"], &[7, 10]),
        (&["--from", "2026-11-11", "--to", "2026-11-11"], &[7, 8]),
        (&["--from", "2026-11-12"], &[9, 10]),
        (&["--status", "partial", "--status", "none"], &[8, 10]),
        (&["双11", "--status", "complete"], &[7]),
        (&["nowhere"], &[]),
    ];
    for (arguments, expected) in table {
        let all = [&["rooms", "--json", "--account", "wx1"], *arguments].concat();
        let ran = reader.good(&all).await;
        assert_eq!(numbers(&ran), *expected, "{arguments:?}");
        let summary = ran.summary();
        assert_eq!(summary["rooms"], expected.len(), "{arguments:?}");
        assert_eq!(summary["rooms_searched"], 4);
        assert_eq!(ran.err.contains("none of 4 rooms"), expected.is_empty(), "{ran:?}");
    }
    let of_both = reader.good(&["rooms", "--json"]).await;
    assert_eq!(numbers(&of_both), [7, 8, 9, 10, 1, 3]);
    let requests = reader.store.take();
    assert!(!requests.iter().any(Request::is_write), "{requests:?}");
    for wrong in [&["--from", "2026-11-12", "--to", "2026-11-11"][..], &["--csv", "--json"]] {
        let ran = reader.run(&[&["rooms"], wrong].concat()).await;
        assert_eq!(ran.code, 2, "{wrong:?}: {ran:?}");
    }
}

#[tokio::test]
async fn rooms_are_a_table_for_people_and_lines_for_programs() {
    let reader = Reader::start().await;
    usual(&reader);
    let table = reader.good(&["rooms", "--account", "wx1"]).await.out;
    let lines: Vec<_> = table.lines().collect();
    assert!(lines[0].starts_with("room  name") && !lines[0].contains("account"), "{table}");
    for part in ["   7", "双11 Lipstick", "小雨", "2026-11-11 00:00 +08:00", "1:02:03", "1.2 GiB"]
    {
        assert!(lines[2].contains(part), "no {part} in {table}");
    }
    assert!(lines[5].contains("not archived"), "{table}");
    assert_eq!(lines[6], "4 of 4 rooms, as of 2026-11-22 11:00 +08:00");
    let both = reader.good(&["rooms"]).await.out;
    assert!(both.starts_with("account  room") && both.contains("wx2"), "{both}");

    let line = reader.good(&["rooms", "--json", "lipstick"]).await.lines()[0].clone();
    let expected = json!({
        "type": "room", "appid": "wx1", "room_id": 7, "name": "双11 Lipstick",
        "anchor_name": "小雨", "live_status": 103, "start_time": "2026-11-10T16:00:00Z",
        "end_time": "2026-11-10T16:00:00Z", "status": "complete", "duration_ms": 3_723_000,
        "bytes": 1_288_490_189_u64, "next_deadline": "2027-03-26T07:56:21Z", "listed_at": null,
        "cover": null, "manifest_key": "rooms/7/manifest.json",
    });
    assert_eq!(line, expected);

    let csv = reader.good(&["rooms", "--csv", "会员"]).await.out;
    let expected = "appid,room_id,name,anchor_name,live_status,start_time,end_time,status,\
         duration_ms,bytes,next_deadline,listed_at,cover,manifest_key\n\
         wx1,8,会员日,阿杰,103,2026-11-11T15:59:59Z,2026-11-11T15:59:59Z,partial,3723000,\
         1288490189,2027-03-26T07:56:21Z,,,rooms/8/manifest.json\n";
    assert_eq!(csv, expected);
    let none = reader.good(&["rooms", "--csv", "nowhere"]).await;
    assert_eq!((none.out.lines().count(), none.err.contains("none of")), (1, true), "{none:?}");
    let none = reader.good(&["rooms", "nowhere"]).await;
    assert_eq!(none.out, "", "{none:?}");
}

/// A name that would draw, run or break something where it is believed.
const NAME: &str = "=HYPERLINK(\"http://x\",\"a\")\u{1b}[31m\u{202e}<script>\r\n,";

#[tokio::test]
async fn a_name_does_no_harm_where_it_is_shown() {
    let reader = Reader::start().await;
    place(&reader, &[room(7, NAME, NAME, "2026-11-10T16:00:00Z", Some("complete"))]);
    for form in [&["rooms"][..], &["rooms", "--csv"], &["rooms", "--json"]] {
        let ran = reader.good(&[form, &["--account", "wx1"]].concat()).await;
        let is_harmful = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!ran.out.contains(is_harmful), "{form:?}: {ran:?}");
    }
    let json = reader.good(&["rooms", "--json", "--account", "wx1"]).await;
    assert_eq!(json.lines()[0]["name"], NAME, "it is what the catalog says");
    let csv = reader.good(&["rooms", "--csv", "--account", "wx1"]).await.out;
    let cell = "\"'=HYPERLINK(\"\"http://x\"\",\"\"a\"\")";
    assert_eq!(csv.matches(cell).count(), 2, "{csv}");
    let table = reader.good(&["rooms", "--account", "wx1"]).await.out;
    assert_eq!(table.lines().count(), 4, "{table}");
}

#[tokio::test]
async fn a_catalog_that_lies_or_is_damaged_hides_no_other() {
    let reader = Reader::start().await;
    let good = ["wx2"].map(|appid| format!("\"appid\":\"{appid}\""));
    let head =
        "{\"schema\":\"replay-archiver/catalog/v1\",\"published_at\":\"2026-11-22T03:00:00Z\",";
    for (text, told) in [
        ("{", "is damaged"),
        ("<html>", "is damaged"),
        (&format!("{head}\"rooms\":[{{\"room_id\":-1,\"name\":\"\"}}]}}"), "is damaged"),
        (&format!("{head}\"rooms\":[{{\"room_id\":1,\"name\":\"x\""), "is damaged"),
        (&format!("{head}\"x\":\"{}\",\"rooms\":[]}}", "y".repeat(5 << 20)), "is damaged"),
        (
            "{\"schema\":\"replay-archiver/catalog/v9\",\"rooms\":[{\"room_id\":\"x\"}]}",
            "is not a catalog that this version can read",
        ),
        (
            "{\"schema\":\"replay-archiver/catalog/v9\",\"rooms\":[]}",
            "is not a catalog that this version",
        ),
        (&format!("{head}\"appid\":\"wx2\",\"rooms\":[]}}"), "is damaged"),
    ] {
        reader.store.place("live/wx1/catalog.json", text.to_owned());
        let ran = reader.run(&["rooms", "--json"]).await;
        assert_eq!((ran.code, numbers(&ran)), (1, vec![1, 3]), "{told}: {ran:?}");
        assert!(ran.err.contains("wx1: failed to read the catalog"), "{ran:?}");
        assert!(!ran.err.contains("manifest"), "{ran:?}");
        assert!(ran.err.contains(told) && ran.err.contains("hint: "), "{ran:?}");
        let problem = ran.lines().into_iter().find(|line| line["type"] == "problem").unwrap();
        assert_eq!(problem["appid"], "wx1");
        assert!(good.iter().all(|part| ran.out.contains(part)), "{ran:?}");
    }
    // In no order and absurd: shown as it is, but nothing twice.
    let far = |id: u64| {
        let mut room = room(id, "a", "b", "9999-12-30T00:00:00Z", Some("complete"));
        room["bytes"] = u64::MAX.into();
        room["duration_ms"] = u64::MAX.into();
        room["cover"] = "../../wx2/rooms/1/images/cover.jpg".into();
        room
    };
    place(&reader, &[far(9), far(u64::MAX), far(9), far(1)]);
    let ran = reader.good(&["rooms", "--json", "--account", "wx1"]).await;
    assert_eq!(numbers(&ran), [9, u64::MAX, 1]);
    assert!(ran.lines()[0]["cover"].is_null());
    for form in ["--csv", "--from=2026-01-01"] {
        let ran = reader.good(&["rooms", "--account", "wx1", form]).await;
        assert_eq!(ran.out.matches("9999-12-30").count() % 3, 0, "{ran:?}");
    }
}

#[tokio::test]
async fn an_account_without_a_catalog_is_told_from_one_without_rooms() {
    let reader = Reader::start().await;
    reader.store.place("live/wx3/rooms/1/manifest.json", "{}");
    let ran = reader.good(&["rooms", "--json"]).await;
    assert!(ran.err.contains("account wx3 has no catalog yet"), "{ran:?}");
    assert_eq!(numbers(&ran), [1, 2, 1, 3]);
    let none = reader.run(&["rooms", "--account", "wx9"]).await;
    assert!(none.code == 1 && none.err.contains("live/wx9/catalog.json"), "{none:?}");
    assert!(none.err.contains("hint: a `run` publishes it"), "{none:?}");
}

#[tokio::test]
async fn a_table_of_very_many_rooms_has_the_last_of_them_and_says_so() {
    let reader = Reader::start().await;
    let many = |id| room(id, "a", "b", "2026-11-10T16:00:00Z", None);
    place(&reader, &(1..=10_002).map(many).collect::<Vec<_>>());
    let ran = reader.good(&["rooms", "--account", "wx1"]).await;
    assert_eq!(ran.out.lines().count(), 2 + 10_000 + 1);
    assert!(ran.out.lines().nth(2).unwrap().trim_start().starts_with("3 "), "the first two go");
    assert!(ran.err.contains("2 rooms before these are not in the table"), "{}", ran.err);
    let csv = reader.good(&["rooms", "--account", "wx1", "--csv"]).await;
    assert_eq!(csv.out.lines().count(), 10_003);
}

#[tokio::test]
async fn where_nothing_could_be_read_nothing_is_said_of_what_was_looked_for() {
    let reader = Reader::start().await;
    reader.store.place("live/wx1/catalog.json", "{");
    let ran = reader.run(&["rooms", "--account", "wx1", "x"]).await;
    assert!(ran.code == 1 && ran.err.contains("is damaged"), "{ran:?}");
    assert!(!ran.err.contains("none of"), "{ran:?}");
}
