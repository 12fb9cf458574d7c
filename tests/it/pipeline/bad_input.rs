//! Whatever WeChat, a recording's URL or a picture turns out to be: a clear state, and the others
//! go on.

use replay_archiver::sandbox::scenario::Replay;
use serde_json::{Value, json};

use super::world::{World, some_at_once};
use crate::bucket::text;

const ROOMS: &str = "
[[account.room]]
id = 1
start = \"-9d\"
[[account.room.replay]]
[[account.room]]
id = 2
start = \"-8d\"
[[account.room.replay]]
";

#[tokio::test]
async fn a_reply_about_one_room_that_cannot_be_read_leaves_the_others_alone() {
    let check = async |then: &str| {
        let world = World::start(ROOMS).await;
        let lasting = "on = \"api\"\ncall = \"replays\"\nroom = 1\ntimes = \"always\"";
        world.fault(&format!("{lasting}\nthen = {then}"));
        let night = world.run().await;
        assert!(!night.bucket.has_manifest(1), "{then}");
        night.says(2, "complete", &["archived"]);
        assert_eq!(night.exit, 3, "{then}");
        let problems = &night.report.accounts[0].problems;
        assert_eq!((problems.len(), problems[0].what.as_str()), (1, "room 1"), "{then}");
        world.heal();
        let night = world.run().await;
        night.says(1, "complete", &["archived"]);
        assert_eq!((night.exit, night.resolved()), (0, vec![1]), "{then}");
    };
    let table = [
        "\"html\"",
        "\"empty\"",
        "{ body = { text = \"[1, 2\" } }",
        "{ body = { text = \"[]\" } }",
        "{ body = { text = \"{}\" } }",
        "{ body = { text = \"null\" } }",
        "{ status = { code = 502 } }",
        "{ status = { code = 412 } }",
        "{ errcode = { code = -1, message = \"system error\" } }",
        "{ errcode = { code = 9410003, message = \"look-up failed\" } }",
        "{ errcode = { code = 777777, message = \"never heard of\" } }",
        "{ errcode = { code = 47001, message = \"data format error\" } }",
        "{ reset = { at = 10 } }",
        "{ short = { at = 10 } }",
    ];
    some_at_once(table.map(|then| Box::pin(check(then)))).await;
}

#[tokio::test]
async fn a_room_list_that_cannot_be_read_is_an_error_with_its_cause() {
    let table = [
        ("\"html\"", 1, "not a JSON object"),
        ("{ errcode = { code = 40164, message = \"invalid ip 203.0.113.9\" } }", 1, "203.0.113.9"),
        // The account is paused: the run has not failed, its owner has to act.
        ("{ errcode = { code = 48001, message = \"api unauthorized\" } }", 3, "hint:"),
        ("{ errcode = { code = 47001, message = \"data format error\" } }", 1, "47001"),
        ("{ status = { code = 502 } }", 1, "502"),
    ];
    for (then, exit, named) in table {
        let world = World::start(ROOMS).await;
        world.fault(&format!("on = \"api\"\ncall = \"rooms\"\ntimes = \"always\"\nthen = {then}"));
        let night = world.run().await;
        let problems = &night.report.accounts[0].problems;
        assert_eq!(night.exit, exit, "{then}: {problems:?}");
        assert!(problems[0].error.to_string().contains(named), "{then}: {}", problems[0].error);
        assert!(!night.bucket.has_manifest(1), "{then}");
    }
}

#[tokio::test]
async fn a_media_url_that_must_not_be_fetched_is_rejected_with_its_reason_and_tried_ever_more_rarely()
 {
    let urls = [
        "ftp://1258344707.vod2.myqcloud.com/a/f0.mp4",
        "file:///etc/passwd",
        "http://127.0.0.1:1/a/f0.mp4",
        "http://localhost/b/f0.mp4",
        "http://10.0.0.7/c/f0.mp4",
        "http://[::1]/d/f0.mp4",
        "http://[::ffff:169.254.169.254]/e/f0.mp4",
        "http://0x7f.1/f/f0.mp4",
        "https://elsewhere.example/g/f0.mp4",
        "http://user:password@1258344707.vod2.myqcloud.com/h/f0.mp4",
        "javascript:alert(1)",
        "f0.mp4",
        "",
    ];
    let replay = |url: &&str| format!("[[account.room.replay]]\nmedia_url = \"{url}\"\n");
    let rows: String = urls.iter().map(replay).collect();
    let world = World::start(&format!("{ROOMS}{rows}")).await;
    let night = world.run().await;
    night.says(1, "complete", &["archived"]);
    let manifest = night.bucket.manifest(2);
    let counts = &manifest["completeness"];
    assert_eq!(
        (&counts["archived"], &counts["rejected"]),
        (&json!(1), &json!(urls.len())),
        "{manifest:#}"
    );
    assert_eq!((text(&manifest["status"]), night.exit), ("partial", 3));
    assert!(!manifest.to_string().contains("password@"));
    let mut calls = Vec::new();
    for _ in 0..12 {
        world.pass(24 * 60);
        let night = world.run().await;
        assert_eq!((night.exit, night.written()), (3, vec![]));
        calls.push(night.resolved().len());
    }
    // What is no URL at all is asked about again, in case it was a slip.
    assert_eq!(calls, [1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 0, 0]);
}

#[tokio::test]
async fn a_recording_that_cannot_be_fetched_is_told_from_others_without_its_query() {
    let listed = [
        (
            "ftp://user:password@h.example:2121/a/f0.mp4?sign=s3cret",
            "ftp://h.example:2121/a/f0.mp4",
        ),
        ("rtmp://h.example/live/7", "rtmp://h.example/live/7"),
        ("/b/f0.mp4?sign=s3cret", "/b/f0.mp4"),
        ("http://h.example:99999/c/f0.mp4?sign=s3cret", "http://h.example:99999/c/f0.mp4"),
    ];
    let replay =
        |(url, _): &(&str, &str)| format!("[[account.room.replay]]\nmedia_url = \"{url}\"\n");
    let rows: String = listed.iter().map(replay).collect();
    let world = World::start(&format!("[[account.room]]\nid = 1\nstart = \"-9d\"\n{rows}")).await;
    let first = world.run().await;
    // What is sealed again comes from the ledger.
    world.change(1, |room| room.replays.push(Replay::segment()));
    let again = world.backfill(true).await;
    assert_eq!(again.bucket.manifest(1)["completeness"]["archived"], 1);
    for night in [first, again] {
        let manifest = night.bucket.manifest(1);
        let sources: Vec<_> = manifest["segments"].as_array().unwrap().iter().collect();
        let told = |text: &str| {
            let is_it = |segment: &&&Value| segment["source"]["listed"] == text;
            sources.iter().find(is_it).map(|segment| segment["source"].clone())
        };
        assert!(listed.iter().all(|(_, text)| told(text).is_some()), "{manifest:#}");
        let ftp = told(listed[0].1).unwrap();
        let parts = ["scheme", "host", "path"].map(|part| text(&ftp[part]).to_owned());
        assert_eq!(parts, ["ftp", "h.example:2121", "/a/f0.mp4"]);
        let archived = sources.iter().find(|segment| segment["state"] == "archived");
        assert!(archived.is_none_or(|segment| segment["source"].get("listed").is_none()));
        assert!(!manifest.to_string().contains("s3cret"), "{manifest:#}");
        assert!(!manifest.to_string().contains("password"), "{manifest:#}");
    }
}

#[tokio::test]
async fn absurd_rows_are_read_as_far_as_they_make_sense() {
    let world = World::start(
        "[[account.room]]\nid = 1\nstart = \"-9d\"\n[account.room.raw]\nstart_time = 99999999999999999\n\
         end_time = -1\ngoods = \"none\"\nname = 5\nlive_type = \"x\"\ncover_img = 7\nanchor_img = \"javascript:x\"\n\
         [[account.room.replay]]\n\
         [[account.room]]\nid = 2\nstart = \"-8d\"\nraw = { live_status = \"103\" }\n[[account.room.replay]]\n\
         [[account.room]]\nid = 3\nstart = \"-8d\"\nomit = [\"roomid\"]\n[[account.room.replay]]\n\
         [[account.room]]\nid = 4\nstart = \"-8d\"\nraw = { roomid = -4 }\n[[account.room.replay]]\n\
         [[account.room]]\nid = 5\nstart = \"-8d\"\n\
         [[account.room.replay]]\nraw = { create_time = -7, expire_time = 1e300 }\n\
         [[account.room.replay]]\nraw = { media_url = 7 }\n\
         [[account.room.replay]]\nomit = [\"media_url\"]\n",
    )
    .await;
    let night = world.run().await;
    night.says(1, "complete", &["archived"]);
    night.says(2, "complete", &["archived"]);
    let manifest = night.bucket.manifest(5);
    let archived =
        manifest["segments"].as_array().unwrap().iter().find(|s| s["state"] == "archived");
    assert!(text(&archived.unwrap()["key"]).starts_with("segments/unknown-"), "{manifest:#}");
    assert_eq!(manifest["status"], "partial");
}

#[tokio::test]
async fn hostile_names_stay_names() {
    let names = [
        "../../etc/passwd",
        "a\\\\b/c",
        "\\u0000\\u001b[31m\\n",
        "𠜎🌸👩‍👩‍👧",
        "'; drop table rooms; --",
        "",
    ];
    let room = |(id, name): (usize, &&str)| {
        format!(
            "[[account.room]]\nid = {}\nstart = \"-9d\"\nname = \"{name}\"\nanchor = \"{name}\"\n[[account.room.replay]]\n",
            id + 1
        )
    };
    let world = World::start(&names.iter().enumerate().map(room).collect::<String>()).await;
    let night = world.run().await;
    assert_eq!(night.exit, 0);
    for (id, name) in (1..).zip(names) {
        night.says(id, "complete", &["archived"]);
        let name: String = serde_json::from_str(&format!("\"{name}\"")).unwrap();
        assert_eq!(night.bucket.manifest(id)["room"]["name"], name);
    }
    let outside = |key: &&String| !key.starts_with("live/wx1/");
    assert_eq!(night.bucket.objects.keys().filter(outside).count(), 0);
}

#[tokio::test]
async fn pictures_are_best_effort_and_missing_ones_are_noted() {
    let world = World::start(ROOMS).await;
    for (role, then) in [
        ("cover", "{ status = { code = 404 } }"),
        ("anchor", "\"html\""),
        ("share", "{ redirect = { to = \"http://10.1.2.3/x.jpg\" } }"),
    ] {
        world.fault(&format!(
            "on = \"vod\"\npath = \"/mmbiz_jpg/1/{role}/*\"\ntimes = \"always\"\nthen = {then}"
        ));
    }
    let night = world.run().await;
    night.says(1, "complete", &["archived"]);
    assert_eq!(night.exit, 0);
    let images = night.bucket.manifest(1)["room"]["images"].clone();
    for image in images.as_array().unwrap() {
        let is_there = image["role"] == "feeds";
        assert_eq!(
            (image["key"].is_string(), image["note"].is_string()),
            (is_there, !is_there),
            "{image}"
        );
    }
}

#[tokio::test]
async fn the_catalog_tells_of_every_room_and_accounts_do_not_disturb_each_other() {
    let world = World::start(&format!(
        "{ROOMS}[[account.room]]\nid = 3\nstart = \"+2d\"\nname = \"预告\"\n\
         [[account.room]]\nid = 4\nstart = \"-9d\"\nstatus = 107\n\
         [[account]]\nappid = \"wx2\"\nsecret = \"canary-appsecret-8c1f0a2b\"\n{ROOMS}\
         [[account]]\nappid = \"wx3\"\nsecret = \"canary-appsecret-8c1f0a2b\"\npermission = false\n{ROOMS}"
    ))
    .await;
    let night = world.run().await;
    assert_eq!(night.exit, 3, "one account has no permission");
    night.says(1, "complete", &["archived"]);
    let catalog = night.bucket.json("live/wx1/catalog.json");
    let seen: Vec<_> = catalog["rooms"]
        .as_array()
        .unwrap()
        .iter()
        .map(|room| {
            (
                room["room_id"].as_u64().unwrap(),
                room["live_status"].as_u64().unwrap(),
                room["status"].as_str(),
                room["manifest_key"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            (1, 103, Some("complete"), Some("rooms/1/manifest.json")),
            (2, 103, Some("complete"), Some("rooms/2/manifest.json")),
            (3, 102, None, None),
            (4, 107, None, None)
        ]
    );
    let second = night.bucket.json("live/wx2/rooms/1/manifest.json");
    assert_eq!((text(&second["room"]["appid"]), text(&second["status"])), ("wx2", "complete"));
    let blamed: Vec<_> = night
        .report
        .accounts
        .iter()
        .filter(|a| !a.problems.is_empty())
        .map(|a| a.appid.as_str())
        .collect();
    assert_eq!(blamed, ["wx3"]);
}
