//! What a run publishes beside the rooms: `status.json`, and the catalog between nights.

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
    assert_eq!(
        listed.lines(),
        [json!({ "type": "listed", "appid": "wx1", "rooms": 3, "calls": 1 })]
    );
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
