//! Every way WeChat lists recordings ends in a manifest that tells what there is.

use serde_json::{Value, json};

use super::world::World;

const SEGMENT: &str = "[[account.room.replay]]\n";
const WHOLE: &str = "[[account.room.replay]]\nkind = \"whole\"\nseconds = 4\n";

fn room(id: u64, rest: &str) -> String {
    format!("[[account.room]]\nid = {id}\nstart = \"-9d\"\nlength = \"8s\"\n{rest}")
}

/// A kind of reply and what its manifest says: status, states of segments and whole, and
/// `announced` and `listed`.
type Variant = (String, &'static str, &'static [&'static str], Option<&'static str>, [u64; 2]);

fn variants() -> Vec<Variant> {
    let (one, two) = (SEGMENT.to_owned(), format!("{SEGMENT}{SEGMENT}"));
    vec![
        (two.clone(), "complete", &["archived", "archived"], None, [2, 2]),
        (WHOLE.to_owned(), "complete", &[], Some("archived"), [1, 1]),
        (WHOLE.replace("whole", "whole-f3"), "complete", &[], Some("archived"), [1, 1]),
        (format!("{one}{WHOLE}"), "complete", &["archived"], Some("not_needed"), [2, 2]),
        (String::new(), "empty", &[], None, [0, 0]),
        ("announced = 1\n".to_owned(), "partial", &[], None, [1, 0]),
        (format!("announced = 3\n{two}"), "partial", &["archived", "archived"], None, [3, 2]),
        (format!("announced = 1\n{two}"), "complete", &["archived", "archived"], None, [1, 2]),
        (format!("announced = 0\n{one}"), "complete", &["archived"], None, [0, 1]),
        (format!("{one}copies = 3\nsigned = \"1h\"\n"), "complete", &["archived"], None, [1, 1]),
        (
            format!("{one}omit = [\"create_time\", \"expire_time\"]\n"),
            "complete",
            &["archived"],
            None,
            [1, 1],
        ),
        (
            format!("{one}fixture = \"portrait-moov-last\"\n{SEGMENT}fixture = \"square\"\n"),
            "complete",
            &["archived", "archived"],
            None,
            [2, 2],
        ),
    ]
}

#[tokio::test]
async fn every_kind_of_listing_ends_in_a_manifest_that_says_what_there_is() {
    let variants = variants();
    let rooms = variants.iter().zip(1..).map(|(variant, id)| room(id, &variant.0));
    let world = World::start(&rooms.collect::<String>()).await;
    let night = world.run().await;
    for ((text, status, segments, whole, [announced, listed]), id) in variants.iter().zip(1..) {
        night.says(id, status, segments);
        let manifest = night.bucket.manifest(id);
        assert_eq!(manifest["whole"]["state"].as_str(), *whole, "{text}");
        let counts = &manifest["completeness"];
        assert_eq!(
            (&counts["announced"], &counts["listed"]),
            (&json!(announced), &json!(listed)),
            "{text}"
        );
        assert_eq!(counts["settled"], true, "{text}");
    }
    assert_eq!(night.exit, 0, "{:?}", night.report);
}

#[tokio::test]
async fn times_are_understood_in_every_style_and_kept_as_written() {
    let styles = ["utc", "beijing", "epoch", "epoch-millis", "sentinel", "never", "empty", "null"];
    let rooms = styles.iter().zip(1..).map(|(style, id)| {
        room(id, &format!("{SEGMENT}create = \"2026-11-13T03:00:08Z\"\ntime_style = \"{style}\"\n"))
    });
    let world = World::start(&rooms.collect::<String>()).await;
    let night = world.run().await;
    for (style, id) in styles.iter().zip(1..) {
        night.says(id, "complete", &["archived"]);
        let manifest = night.bucket.manifest(id);
        let segment = &manifest["segments"][0];
        let is_known = ["utc", "beijing", "epoch", "epoch-millis", "never"].contains(style);
        let source = &segment["source"];
        let created = if is_known { json!("2026-11-13T03:00:08Z") } else { Value::Null };
        assert_eq!(source["create_time"], created, "{style}");
        let expires =
            if is_known && *style != "never" { json!("2027-11-13T03:00:08Z") } else { Value::Null };
        assert_eq!(source["expire_time"], expires, "{style}");
        let name = if is_known { "segments/20261113T030008Z-" } else { "segments/unknown-" };
        assert!(segment["key"].as_str().unwrap().starts_with(name), "{style}: {segment:#}");
        let raw = [&source["create_time_raw"], &source["expire_time_raw"]];
        let expected = match *style {
            "beijing" => [json!("2026-11-13T11:00:08"), json!("2027-11-13T11:00:08")],
            "sentinel" => [json!("2106-02-07T14:28:15"), json!("2116-02-05T14:28:15")],
            "null" => [Value::Null, Value::Null],
            "empty" => [json!(""), json!("")],
            _ => raw.map(Clone::clone),
        };
        assert_eq!(raw, expected.each_ref(), "{style}");
    }
}

#[tokio::test]
async fn segments_stand_in_the_order_of_the_broadcast_with_the_gaps_between_them() {
    let at = |clock: &str, style: &str| {
        format!("{SEGMENT}create = \"2026-11-13T03:{clock}Z\"\ntime_style = \"{style}\"\n")
    };
    // Listed newest first; the segments are 4 s long each, a sentinel stands among them.
    let segments =
        [at("10:04", "utc"), at("00:08", "sentinel"), at("00:08", "beijing"), at("00:04", "epoch")];
    let world = World::start(&room(1, &segments.concat())).await;
    let night = world.run().await;
    let manifest = night.bucket.manifest(1);
    let seen: Vec<_> = manifest["segments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| {
            (
                s["source"]["create_time"].clone(),
                s["timeline"]["offset_ms"].as_u64().unwrap() / 1000,
                s["timeline"]["gap_before_ms"].as_u64().unwrap() / 1000,
            )
        })
        .collect();
    let expected = [
        (json!("2026-11-13T03:00:04Z"), 0, 0),
        (json!("2026-11-13T03:00:08Z"), 4, 0),
        (json!("2026-11-13T03:10:04Z"), 8, 592),
        (Value::Null, 12, 0),
    ];
    assert_eq!(seen, expected, "{manifest:#}");
    let playback = &manifest["playback"];
    assert_eq!(
        (playback["preferred"].as_str(), playback["keys"].as_array().unwrap().len()),
        (Some("segments"), 4)
    );
    assert_eq!(playback["uniform_codecs"], true);
}

#[tokio::test]
async fn a_room_is_described_with_its_goods_and_pictures_and_missing_fields_are_no_failure() {
    let bare = "omit = [\"live_type\", \"start_time\", \"end_time\", \"live_status\", \"goods\", \"name\", \"cover_img\", \"anchor_img\", \"share_img\", \"feeds_img\", \"anchor_name\"]\n";
    let full = "name = \"直播\\n/../🌸\"\ngoods = [{ id = 61, name = \"茶\", price = 211200 }]\n";
    let scenario = format!(
        "{}{}[wechat]\nstatus_field = \"live_satus\"\njunk_fields = true\ncontent_type = \"text/plain\"\n",
        room(1, &format!("{full}{SEGMENT}")),
        room(2, &format!("{bare}{SEGMENT}"))
    );
    let world = World::start(&scenario).await;
    let night = world.run().await;
    night.says(1, "complete", &["archived"]);
    night.says(2, "complete", &["archived"]);
    let room = &night.bucket.manifest(1)["room"];
    assert_eq!(room["name"], "直播\n/../🌸");
    assert_eq!(room["live_status"], 103);
    assert_eq!(
        (&room["goods"][0]["goods_id"], &room["goods"][0]["price_fen"]),
        (&json!(61), &json!(211_200))
    );
    let images = room["images"].as_array().unwrap();
    let roles: Vec<_> = images.iter().map(|i| i["key"].as_str().unwrap().to_owned()).collect();
    assert!(roles.contains(&"images/cover.jpg".to_owned()) && roles.len() == 4, "{roles:?}");
    assert_eq!(night.bucket.manifest(2)["room"]["images"], json!([]));
}
