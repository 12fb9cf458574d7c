//! What people are told: what they must know, once, and the same by every command.

use serde_json::{Value, json};

use super::program::{Place, ROOMS};

/// Two rooms that can be archived, and three that WeChat seems to have lost.
fn some_gone() -> String {
    let gone = |room: u64| {
        format!(
            "[[account.room]]\nid = {room}\nstart = \"-7d\"\n[[account.room.replay]]\n\
             [[fault]]\non = \"vod\"\nroom = {room}\ntimes = \"always\"\n\
             then = {{ status = {{ code = 404 }} }}\n"
        )
    };
    let (rooms, faults): (Vec<_>, Vec<_>) = [11, 12, 13]
        .map(gone)
        .iter()
        .map(|text| {
            let (room, fault) = text.split_once("[[fault]]").unwrap();
            (room.to_owned(), format!("[[fault]]{fault}"))
        })
        .unzip();
    format!("{ROOMS}{}{}", rooms.concat(), faults.concat())
}

#[tokio::test]
async fn what_many_rooms_suffer_is_told_once_and_complete_rooms_are_counted() {
    let place = Place::start(&some_gone()).await;
    let ran = place.run(&["run"]).await;
    assert_eq!(ran.code, 3, "{ran:?}");
    let gone = "3 rooms (11, 12, 13): http://";
    let told: Vec<_> = ran.err.lines().filter(|line| line.contains("no longer has it")).collect();
    assert!(told.len() == 1 && told[0].starts_with(gone), "{told:?}");
    let rows: Vec<_> = ran.out.lines().skip(2).map(|row| row.split_whitespace().next()).collect();
    assert_eq!(rows, [Some("11"), Some("12"), Some("13"), Some("3")], "{}", ran.out);
    assert_eq!(ran.out.lines().filter(|line| line.contains('─')).count(), 1, "{}", ran.out);
    let last = ran.out.lines().last().unwrap();
    assert!(last.starts_with("3 rooms not finished; the next run tries again: "), "{last}");
    assert!(last.contains("5 rooms (2 complete, 3 partial), "), "{last}");
    let summary = place.run(&["run", "--json"]).await.summary();
    assert_eq!(summary["rooms_by_status"], json!({ "partial": 3 }));
    for _ in 0..2 {
        place.run(&["run"]).await;
    }
    let waits = place.run(&["run"]).await;
    let last = waits.out.lines().last().unwrap();
    assert!(last.starts_with("3 rooms not finished; tried again from 20"), "{last}");
    let one = place.good(&["status", "--room", "11", "--json"]).await.lines().remove(0);
    assert!(one["next_at"].is_string(), "{one}");
    let shown = place.good(&["status", "--room", "11"]).await.out;
    assert!(shown.contains("to finish, not before 20") && shown.contains("404"), "{shown}");
}

#[tokio::test]
async fn every_room_is_listed_when_asked_for() {
    let place = Place::start(ROOMS).await;
    let ran = place.good(&["run", "--verbose"]).await;
    let last = ran.out.lines().last().unwrap();
    assert!(last.starts_with("done: 2 rooms (2 complete), 3 API calls, "), "{last}");
    assert_eq!(ran.out.lines().count(), 5, "{}", ran.out);
    let again = place.good(&["run", "--verbose"]).await.out;
    assert!(again.starts_with("done: 0 rooms, 1 API call, 0 B in "), "{again}");
}

#[tokio::test]
async fn plan_and_status_say_the_same_of_what_is_pending() {
    let place = Place::start(&some_gone()).await;
    place.good(&["run", "--dry-run"]).await;
    let same = async |rooms_due: u64, recordings: u64| -> Value {
        let plan = place.good(&["plan", "--json"]).await.lines().remove(0);
        let status = place.good(&["status", "--json"]).await.lines().remove(0);
        for field in
            ["rooms_due", "rooms_listed", "rooms_waiting", "recordings_owed", "bytes_estimated"]
        {
            assert_eq!(plan[field], status[field], "{field}");
        }
        let pending = |text: &str| {
            let named = ["pending", "to transfer", "at risk"];
            let is_pending = |line: &&str| named.iter().any(|name| line.contains(name));
            text.lines().filter(is_pending).map(str::to_owned).collect::<Vec<_>>()
        };
        let (plan_text, status_text) =
            (place.good(&["plan"]).await.out, place.good(&["status"]).await.out);
        assert_eq!(pending(&plan_text), pending(&status_text));
        assert_eq!(
            (&plan["rooms_due"], &plan["recordings_owed"]),
            (&json!(rooms_due), &json!(recordings))
        );
        plan
    };
    let guessed = same(5, 0).await;
    // Five hours at 1.5 Mbit/s.
    let bytes = 5 * 3600 * (1_500_000_u64 / 8);
    assert_eq!(
        (&guessed["bytes_estimated"], &guessed["bytes_guessed"], &guessed["seconds_estimated"]),
        (&json!(bytes), &json!(true), &json!(null))
    );
    assert_eq!(place.run(&["run"]).await.code, 3);
    let measured = same(0, 3).await;
    assert_eq!(measured["bytes_guessed"], json!(false));
    assert!(measured["bytes_estimated"].as_u64().unwrap() > 0, "{measured}");
    let shown = place.good(&["status"]).await.out;
    assert!(shown.contains("5 rooms: 2 complete, 3 partial"), "{shown}");
    assert!(shown.contains("0 rooms to look up, "), "{shown}");
    assert!(shown.contains("3 recordings listed; about "), "{shown}");
}

#[tokio::test]
async fn status_tells_what_is_archived_from_what_is_only_listed() {
    let place = Place::start(&some_gone()).await;
    assert_eq!(place.run(&["run"]).await.code, 3);
    let status = place.good(&["status", "--json"]).await.lines().remove(0);
    let states = json!({ "archived": 3, "failed": 3, "not_needed": 1 });
    assert_eq!(status["recordings"], states, "{status}");
    let bucket = place.bucket();
    let sizes = |ending: &str| -> usize {
        bucket.keys(ending).iter().map(|key| bucket.objects[*key].len()).sum()
    };
    assert_eq!(status["bytes_archived"], json!(sizes(".mp4") + sizes(".ts")), "{status}");
    let shown = place.good(&["status"]).await.out;
    assert!(shown.contains("7 recordings listed: 3 archived ("), "{shown}");
    assert!(shown.contains("), 3 failed, 1 not needed"), "{shown}");
}

#[tokio::test]
async fn times_are_beijings_with_their_zone_or_those_of_tz() {
    let place = Place::start(ROOMS).await;
    place.good(&["run"]).await;
    for (zone, offset) in [("", "+08:00"), ("UTC", "+00:00"), ("EST5", "-05:00")] {
        let mut command = place.command(&["status"]);
        command.env("TZ", zone);
        let ran = super::program::ended(command.spawn().unwrap()).await;
        assert!(ran.out.contains(offset) && !ran.out.contains('Z'), "{zone}: {}", ran.out);
    }
    let json = place.good(&["status", "--json"]).await.lines().remove(0);
    assert!(json["last_success"].as_str().unwrap().ends_with('Z'), "{json}");
    let room = place.good(&["status", "--room", "1", "--json"]).await.lines().remove(0);
    assert_eq!(room["next_at"], json!(null), "{room}");
}
