//! What a run publishes beside the rooms: `status.json`, and the catalog between nights.

use replay_archiver::model::Sha256Digest;
use serde_json::{Value, json};

use super::program::{Place, ROOMS, ended};

const STATUS: &str = "live/wx1/status.json";

fn status(place: &Place) -> Value {
    place.bucket().json(STATUS)
}

#[tokio::test]
async fn a_run_publishes_how_it_ended_and_what_is_ahead() {
    let missing =
        "[[fault]]\non = \"vod\"\nroom = 2\ntimes = 2\nthen = { status = { code = 404 } }\n";
    let place = Place::start(&format!("{ROOMS}{missing}")).await;
    assert_eq!(place.run(&["run"]).await.code, 3);
    let first = status(&place);
    assert_eq!(first["schema"], "replay-archiver/status/v1");
    let run = &first["last_run"];
    assert_eq!((&run["command"], &run["outcome"]), (&json!("run"), &json!("left")), "{first}");
    assert_eq!((&run["rooms"], &first["rooms_left"]), (&json!(2), &json!(1)), "{first}");
    assert_eq!(first["problems"][0]["room_id"], 2);
    assert!(first["problems"][0]["message"].as_str().unwrap().contains("404"), "{first}");
    assert!(first["next_deadline"].is_string(), "{first}");
    let asked =
        place.sandbox.calls().iter().filter(|call| call.path.ends_with("getliveinfo")).count();
    assert!(asked >= 3 && first["calls"]["used"] == asked, "{asked}: {first}");
    assert_eq!((&first["lost"], &first["at_risk"]), (&json!([]), &json!([])));
    assert_eq!(first["rooms_at_risk"], 0);
    assert_eq!(
        (&first["last_success_at"], &first["lost_unacknowledged"]),
        (&Value::Null, &json!(0))
    );
    place.good(&["backfill", "--room", "2"]).await;
    let second = status(&place);
    let run = &second["last_run"];
    assert_eq!((&run["command"], &run["outcome"]), (&json!("backfill"), &json!("ok")), "{second}");
    assert_eq!((&second["rooms_left"], &second["problems"]), (&json!(0), &json!([])), "{second}");
    assert!(second["next_deadline"].is_null(), "{second}");
    assert_eq!(second["last_success_at"], second["last_run"]["ended_at"], "{second}");
    place.good(&["verify", "--deep"]).await;
    place.good(&["gc"]).await;
    assert_eq!(status(&place), second);
}

#[tokio::test]
async fn a_run_whose_time_is_over_is_continued_and_nothing_is_wrong() {
    let slow =
        "[[fault]]\non = \"vod\"\ntimes = \"always\"\nthen = { slow = { delay = \"60s\" } }\n";
    let place = Place::start(&format!("{ROOMS}{slow}")).await;
    assert_eq!(place.run(&["run", "--max-runtime", "6s"]).await.code, 3);
    let status = status(&place);
    assert_eq!(status["last_run"]["outcome"], "continuing", "{status}");
    assert_eq!(status["problems"], json!([]), "{status}");
    let arguments = ["run", "--max-runtime", "6s", "--json", "--success"];
    let wanted = place.run(&[&arguments[..], &["ok,continuing"]].concat()).await;
    assert_eq!((wanted.code, &wanted.summary()["outcome"]), (0, &json!("continuing")));
    assert_eq!(place.run(&[&arguments[..], &["ok,left"]].concat()).await.code, 3);
    let unknown = place.run(&[&arguments[..], &["fine"]].concat()).await;
    assert!(unknown.code == 2 && unknown.out.contains("at_risk"), "{unknown:?}");
}

#[tokio::test]
async fn a_night_that_fails_does_not_make_the_status_forget_the_last_success() {
    let place = Place::start(ROOMS).await;
    place.good(&["run"]).await;
    let success = status(&place)["last_success_at"].clone();
    assert!(success.is_string(), "{success}");
    for _ in 0..2 {
        let run = place.command(&["run"]).env("APP_SECRET", "another").spawn().unwrap();
        assert_eq!(ended(run).await.code, 1);
        let failed = status(&place);
        let told = (&failed["last_run"]["outcome"], &failed["last_success_at"]);
        assert_eq!(told, (&json!("failed"), &success), "{failed}");
    }
}

#[tokio::test]
async fn a_backfill_of_a_room_says_what_is_left_of_the_others() {
    let place = Place::start(ROOMS).await;
    place.good(&["run", "--list-only"]).await;
    place.good(&["backfill", "--room", "2"]).await;
    let status = status(&place);
    let of_run = (&status["last_run"]["outcome"], &status["rooms_left"]);
    assert_eq!(of_run, (&json!("continuing"), &json!(1)), "{status}");
}

#[tokio::test]
async fn a_catalog_is_not_published_where_nothing_of_the_account_is() {
    let place = Place::start(ROOMS).await;
    place.good(&["run"]).await;
    place.configure(&place.configuration().replace("prefix = \"live\"", "prefix = \"other\""));
    let before = place.bucket();
    let ran = place.run(&["run", "--list-only"]).await;
    assert!(ran.code == 1 && ran.err.contains("hint:"), "{ran:?}");
    assert_eq!(place.bucket().objects, before.objects);
    assert_eq!(place.run(&["run"]).await.code, 1, "the next run notices it too");
}

/// A room that is announced, beside those that are over.
const ANNOUNCED: &str = "[[account.room]]\nid = 3\nstart = \"+2d\"\nstatus = 102\n";

#[tokio::test]
async fn the_catalog_is_kept_fresh_with_one_call_and_nothing_is_archived() {
    let place = Place::start(&format!("{ROOMS}{ANNOUNCED}")).await;
    let listed = place.good(&["run", "--list-only", "--json"]).await;
    let summary = json!({ "type": "summary", "accounts": 1, "listed": 1, "outcome": "ok" });
    let one = json!({ "type": "listed", "appid": "wx1", "rooms": 3, "calls": 1 });
    assert_eq!(listed.lines(), [one, summary]);
    let bucket = place.bucket();
    let keys: Vec<&String> = bucket.objects.keys().collect();
    assert_eq!(keys, ["live/wx1/catalog.json"]);
    let rooms = bucket.json("live/wx1/catalog.json")["rooms"].clone();
    let of = |room: usize| (&rooms[room]["room_id"], &rooms[room]["live_status"]);
    assert_eq!(of(2), (&json!(3), &json!(102)), "{rooms}");
    assert_eq!(of(0), (&json!(1), &json!(103)), "{rooms}");
    let shown = place.good(&["run", "--list-only"]).await.out;
    assert_eq!(shown, "wx1: read 3 rooms with 1 call and published the catalog\n");
    place.good(&["run"]).await;
    place.good(&["run", "--list-only"]).await;
    let rooms = place.bucket().json("live/wx1/catalog.json")["rooms"].clone();
    assert_eq!(rooms[0]["status"], "complete", "{rooms}");
    assert_eq!(place.run(&["run", "--list-only", "--dry-run"]).await.code, 2);
}

#[tokio::test]
async fn a_list_that_cannot_be_read_leaves_the_others_fresh_and_is_named() {
    let place = Place::start(ROOMS).await;
    let other = "[[account]]\nappid = \"wx2\"\ntoken = { secret_env = \"APP_SECRET\" }\n";
    place.configure(&format!("{}{other}", place.configuration()));
    let ran = place.run(&["run", "--list-only", "--json"]).await;
    assert_eq!((ran.code, &ran.summary()["outcome"]), (3, &json!("left")), "{ran:?}");
    let types: Vec<_> =
        ran.lines().iter().map(|line| (line["type"].clone(), line["appid"].clone())).collect();
    assert_eq!(types[..2], [(json!("listed"), json!("wx1")), (json!("problem"), json!("wx2"))]);
    assert!(ran.err.contains("wx2: failed to refresh the room list"), "{}", ran.err);
    let success = ["run", "--list-only", "--success", "left"];
    assert_eq!(place.run(&success).await.code, 0);
    assert_eq!(place.run(&["run", "--dry-run"]).await.code, 3);
    let none = ["run", "--list-only", "--account", "wx2"];
    assert_eq!(place.run(&none).await.code, 1, "nothing could be read");
}

#[tokio::test]
async fn a_paused_account_alone_is_left_and_has_not_failed() {
    let refused = "[[fault]]\non = \"api\"\ncall = \"rooms\"\ntimes = \"always\"\n\
        then = { errcode = { code = 61003, message = \"not authorised\" } }\n";
    let place = Place::start(&format!("{ROOMS}{refused}")).await;
    assert_eq!(place.run(&["run", "--list-only"]).await.code, 3);
    let ran = place.run(&["run", "--json"]).await;
    assert_eq!((ran.code, &ran.summary()["outcome"]), (3, &json!("left")), "{ran:?}");
}

#[tokio::test]
async fn an_acknowledgement_that_was_cut_short_before_the_catalog_is_finished_by_the_next() {
    let lost = "[[account.room]]\nid = 1\nstart = \"-9d\"\n[[account.room.replay]]\nexpire = \"-1h\"\n\
        [[account.room.replay]]\n";
    let place = Place::start(lost).await;
    assert_eq!(place.run(&["run"]).await.code, 4);
    let is_current = || {
        // Not by the checks of the bucket, in which the catalog always fits.
        let read = |key: &str| std::fs::read(place.objects().join(key)).unwrap();
        let digest = Sha256Digest::of(&read("live/wx1/rooms/1/manifest.json")).to_string();
        let catalog: Value = serde_json::from_slice(&read("live/wx1/catalog.json")).unwrap();
        catalog["rooms"][0]["manifest_sha256"] == json!(digest)
    };
    let path = place.objects().join("live/wx1/catalog.json");
    let before = std::fs::read(&path).unwrap();
    let ack = ["ack", "--room", "1", "--by", "Li Lei", "--because", "a test"];
    place.good(&ack).await;
    assert!(is_current());
    std::fs::write(&path, before).unwrap();
    assert!(!is_current(), "as if it had been killed in between");
    place.good(&ack).await;
    assert!(is_current());
}
