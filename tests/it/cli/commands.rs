//! What each command prints and ends with.

use replay_archiver::clock::Clock;
use replay_archiver::ledger::Ledger;
use replay_archiver::model::{ALL_HOSTS, Measured};
use serde_json::json;

use super::program::{Place, ROOMS};
use crate::bucket::{hex, text};

#[tokio::test]
async fn a_run_says_nothing_when_all_is_well() {
    let place = Place::start(ROOMS).await;
    let first = place.run(&["run"]).await;
    let ledger = place.folder.path().join("ledger.sqlite");
    let new = format!("created a new ledger: {}\n", ledger.display());
    assert_eq!((first.code, first.out.as_str(), first.err), (0, "", new));
    let second = place.run(&["run"]).await;
    assert_eq!((second.code, second.out.as_str(), second.err.as_str()), (0, "", ""));
    assert!(place.bucket().has_manifest(1) && place.bucket().has_manifest(2));
}

#[tokio::test]
async fn json_is_an_object_a_line_with_a_summary_at_the_end() {
    let place = Place::start(ROOMS).await;
    let ran = place.good(&["run", "--json"]).await;
    let mut rooms: Vec<_> = ran.lines().into_iter().filter(|l| l["type"] == "room").collect();
    rooms.sort_by_key(|room| room["room_id"].as_u64());
    assert_eq!(rooms.len(), 2);
    assert_eq!(
        (&rooms[0]["status"], &rooms[0]["archived"], &rooms[0]["listed"]),
        (&json!("complete"), &json!(2), &json!(3))
    );
    let summary = ran.summary();
    assert_eq!(
        (&summary["exit_code"], &summary["rooms_sealed"], &summary["api_calls"]),
        (&json!(0), &json!(2), &json!(3))
    );
    let again = place.good(&["--json", "run"]).await.summary();
    assert_eq!(
        (&again["rooms"], &again["bytes_moved"], &again["api_calls"]),
        (&json!(0), &json!(0), &json!(1))
    );
}

#[tokio::test]
async fn plan_asks_nobody_and_a_dry_run_reads_the_list_and_archives_nothing() {
    let place = Place::start(ROOMS).await;
    let plan = place.good(&["plan", "--json"]).await;
    assert_eq!((place.sandbox.calls().len(), &plan.lines()[0]["rooms_due"]), (0, &json!(0)));
    let dry = place.good(&["run", "--dry-run", "--json"]).await;
    assert_eq!(dry.lines()[0]["rooms_due"], 2);
    assert_eq!(place.bucket().objects.len(), 0);
    let plan = place.good(&["plan"]).await;
    assert!(plan.out.contains("2 rooms to look up"), "{}", plan.out);
    place.good(&["run"]).await;
    assert_eq!(place.good(&["plan", "--json"]).await.lines()[0]["rooms_due"], 0);
}

#[tokio::test]
async fn status_tells_of_all_rooms_and_of_one() {
    let place = Place::start(ROOMS).await;
    let unknown = place.run(&["status", "--room", "1"]).await;
    assert_eq!(unknown.code, 1);
    assert!(unknown.err.contains("hint: `backfill --room 1`"), "{}", unknown.err);
    place.good(&["run"]).await;
    let all = place.good(&["status", "--json"]).await;
    assert_eq!(all.lines()[0]["by_status"], json!({ "complete": 2 }));
    assert!(all.lines()[0]["last_success"].is_string());
    let one = place.good(&["status", "--room", "1", "--json"]).await.lines().remove(0);
    assert_eq!(
        (text(&one["phase"]), one["recordings"].as_array().unwrap().len()),
        ("nothing pending", 3)
    );
    for arguments in [&["status"][..], &["status", "--room", "1"]] {
        let shown = place.good(arguments).await.out;
        assert!(shown.contains("complete") && !shown.contains('?'), "{shown}");
    }
}

#[tokio::test]
async fn plan_and_status_and_the_run_say_what_the_link_is_too_slow_for() {
    let place = Place::start(
        "[[account.room]]\nid = 1\nstart = \"-9d\"\n[[account.room.replay]]\nsize = \"20MiB\"\n\
         [[account.room]]\nid = 2\nstart = \"-8d\"\n[[account.room.replay]]\nexpire = \"+2h\"\n\
         [[fault]]\non = \"vod\"\nroom = 2\ntimes = \"always\"\nthen = { status = { code = 404 } }\n",
    )
    .await;
    assert_eq!(place.run(&["run"]).await.code, 3);
    let status = place.good(&["status", "--json"]).await.summary();
    assert!(status["bytes_per_second"]["*"].as_u64().unwrap() > 0, "it was measured: {status}");
    let file = place.folder.path().join("ledger.sqlite");
    let ledger = Ledger::open(&format!("sqlite:{}", file.display())).await.unwrap();
    let slow = Measured { bytes: 1, busy_ms: 1_000_000_000 };
    let now = Clock::system().now();
    ledger.note_throughput(now, &[(ALL_HOSTS.to_owned(), slow)]).await.unwrap();
    ledger.close().await;
    let plan = place.good(&["plan", "--json"]).await.lines().remove(0);
    let lost = &plan["at_risk"][0];
    assert_eq!((&lost["room_id"], text(&lost["short_of"])), (&json!(2), "throughput"), "{plan}");
    assert!(lost["late_s"].as_i64().unwrap() > 3_600 && lost["source_id"].is_string(), "{plan}");
    let status = place.good(&["status", "--json"]).await.lines().remove(0);
    assert_eq!(
        (&status["at_risk"], &status["at_risk_named"][0]["room_id"]),
        (&json!(1), &json!(2))
    );
    for command in ["plan", "status"] {
        let shown = place.good(&[command]).await.out;
        assert!(shown.contains("AT RISK") && shown.contains("too late"), "{shown}");
    }
    let ran = place.run(&["run"]).await;
    assert!(ran.err.contains("AT RISK") && ran.err.contains("too late"), "{ran:?}");
    assert!(ran.err.contains("a recording is at risk"), "it is warned of: {ran:?}");
    assert_eq!(place.run(&["run", "--json"]).await.summary()["at_risk"], 1);
}

#[tokio::test]
async fn backfill_takes_one_room_a_range_of_days_or_all() {
    let place = Place::start(ROOMS).await;
    assert_eq!(place.run(&["backfill"]).await.code, 2);
    place.good(&["backfill", "--room", "2"]).await;
    assert!(place.bucket().has_manifest(2) && !place.bucket().has_manifest(1));
    place.good(&["backfill", "--from", "2020-01-01", "--to", "2020-02-01"]).await;
    assert!(!place.bucket().has_manifest(1));
    place.good(&["backfill", "--all"]).await;
    let good = place.bucket();
    assert!(good.has_manifest(1));
    let key = good.keys(".mp4")[0].to_owned();
    std::fs::write(place.objects().join(&key), b"damaged").unwrap();
    place.good(&["backfill", "--room", "1", "--force"]).await;
    assert_eq!(place.bucket().objects[&key], good.objects[&key]);
}

#[tokio::test]
async fn verify_finds_what_differs_from_the_manifests() {
    let place = Place::start(ROOMS).await;
    place.good(&["run"]).await;
    for arguments in [&["verify"][..], &["verify", "--deep"], &["verify", "--deep", "--room", "2"]]
    {
        let summary = place.good(&[arguments, &["--json"]].concat()).await.summary();
        assert_eq!(summary["mismatches"], 0);
    }
    assert_eq!(place.run(&["verify", "--room", "77"]).await.code, 1);
    let bucket = place.bucket();
    for (ending, how, shallow) in [
        (".mp4", "flip", 0),
        (".ts", "flip", 0),
        (".mp4", "cut", 5),
        (".ts", "delete", 5),
        ("/cover.jpg", "delete", 5),
    ] {
        let key = bucket.keys(ending)[0];
        let (path, mut bytes) = (place.objects().join(key), bucket.objects[key].clone());
        match how {
            "flip" => {
                bytes[1000] ^= 4;
                std::fs::write(&path, &bytes).unwrap();
            }
            "cut" => std::fs::write(&path, &bytes[..1000]).unwrap(),
            _ => std::fs::remove_file(&path).unwrap(),
        }
        assert_eq!(place.run(&["verify"]).await.code, shallow, "{key} {how}");
        let deep = place.run(&["verify", "--deep", "--json"]).await;
        assert_eq!((deep.code, &deep.summary()["mismatches"]), (5, &json!(1)), "{key} {how}");
        let found = deep.lines().remove(0);
        assert!(key.ends_with(text(&found["key"])), "{found}");
        std::fs::write(&path, &bucket.objects[key]).unwrap();
    }
    assert_eq!(place.run(&["verify", "--deep"]).await.code, 0);
}

#[tokio::test]
async fn verify_misses_what_the_catalog_and_the_ledger_know_of() {
    let place = Place::start(ROOMS).await;
    let nothing = place.run(&["verify"]).await;
    assert_eq!(nothing.code, 1);
    assert!(nothing.err.contains("nothing was checked: no room is archived"), "{nothing:?}");
    place.good(&["run"]).await;
    let manifest = place.objects().join("live/wx1/rooms/1/manifest.json");
    let kept = std::fs::read(&manifest).unwrap();
    for room in ["manifest.json", ""] {
        let gone = place.objects().join("live/wx1/rooms/1").join(room);
        if room.is_empty() {
            std::fs::remove_dir_all(gone).unwrap();
        } else {
            std::fs::remove_file(gone).unwrap();
        }
        for arguments in [&["verify"][..], &["verify", "--deep"], &["verify", "--room", "1"]] {
            let ran = place.run(&[arguments, &["--json"]].concat()).await;
            let found = ran.lines().remove(0);
            assert_eq!((ran.code, text(&found["key"])), (5, "manifest.json"), "{ran:?}");
            assert_eq!((&found["room_id"], &found["is_missing"]), (&json!(1), &json!(true)));
        }
        assert_eq!(place.run(&["verify", "--json"]).await.summary()["rooms"], 2);
        assert!(
            place.run(&["verify"]).await.err.contains("hint: `backfill --room NUMBER --force`")
        );
        place.good(&["run"]).await;
        assert_eq!(place.good(&["verify", "--deep", "--json"]).await.summary()["mismatches"], 0);
        assert_ne!(std::fs::read(&manifest).unwrap(), kept);
    }
    std::fs::write(place.objects().join("live/wx1/catalog.json"), "{").unwrap();
    let ran = place.run(&["verify", "--json"]).await;
    assert_eq!((ran.code, text(&ran.lines()[0]["key"])), (5, "catalog.json"), "{ran:?}");
    place.good(&["run"]).await;
    place.good(&["verify"]).await;
}

#[tokio::test]
async fn verify_samples_one_room_at_least_and_says_of_how_many() {
    let place = Place::start(ROOMS).await;
    place.good(&["run"]).await;
    for (sample, rooms) in [("1%", 1), ("50%", 1), ("51%", 2), ("100%", 2)] {
        let summary = place.good(&["verify", "--sample", sample, "--json"]).await.summary();
        let said = (&summary["rooms"], &summary["rooms_known"]);
        assert_eq!(said, (&json!(rooms), &json!(2)), "{sample}");
    }
    let shown = place.good(&["verify", "--sample", "5%"]).await.out;
    assert!(shown.starts_with("1 of 2 rooms, "), "{shown}");
    assert_eq!(place.run(&["verify", "--sample", "0%"]).await.code, 2);
}

#[tokio::test]
async fn verify_says_what_is_not_archived_at_all() {
    let place = Place::start(&format!(
        "{ROOMS}[[fault]]\non = \"vod\"\nroom = 2\ntimes = \"always\"\nthen = {{ status = {{ code = 404 }} }}\n"
    ))
    .await;
    assert_eq!(place.run(&["run"]).await.code, 3);
    let shown = place.good(&["verify"]).await.out;
    assert!(shown.contains("; recordings not archived: 1 failed"), "{shown}");
    let summary = place.good(&["verify", "--json"]).await.summary();
    assert_eq!(summary["recordings"], json!({ "archived": 2, "failed": 1, "not_needed": 1 }));
    let alone = place.run(&["verify", "--room", "2"]).await;
    assert!(
        alone.code == 1 && alone.err.contains("no recording of these rooms is archived"),
        "{alone:?}"
    );
}

async fn get(url: &str) -> Vec<u8> {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let reply = client.get(url).send().await.unwrap().error_for_status().unwrap();
    reply.bytes().await.unwrap().to_vec()
}

#[tokio::test]
async fn a_playlist_leads_a_player_to_the_archived_bytes() {
    let place = Place::start(ROOMS).await;
    assert_eq!(place.run(&["playlist", "--room", "1"]).await.code, 1);
    place.good(&["run"]).await;
    let manifest = place.bucket().manifest(1);
    let json = place.good(&["playlist", "--room", "1"]).await.out;
    let list: serde_json::Value = serde_json::from_str(&json).unwrap();
    let urls = place.good(&["playlist", "--room", "1", "--format", "urls"]).await.out;
    let segments = list["segments"].as_array().unwrap();
    assert_eq!((segments.len(), urls.lines().count()), (2, 2));
    for ((segment, url), stored) in
        segments.iter().zip(urls.lines()).zip(manifest["segments"].as_array().unwrap())
    {
        assert_eq!(hex(&get(text(&segment["url"])).await), text(&stored["sha256"]));
        assert_eq!(hex(&get(url).await), text(&segment["sha256"]));
        assert_eq!(segment["offset_ms"], stored["timeline"]["offset_ms"]);
    }
    let whole = place.bucket().manifest(2)["whole"].clone();
    let m3u8 = place.good(&["playlist", "--room", "2", "--format", "m3u8"]).await.out;
    let chunks: Vec<_> = m3u8.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(chunks.len(), 3);
    for (url, chunk) in chunks.iter().zip(whole["chunks"].as_array().unwrap()) {
        assert_eq!(hex(&get(url).await), text(&chunk["sha256"]));
    }
    for (room, format) in [("1", "m3u8"), ("2", "urls")] {
        let ran = place.run(&["playlist", "--room", room, "--format", format]).await;
        assert!(ran.code == 1 && ran.err.contains("hint:"), "{ran:?}");
    }
}

#[tokio::test]
async fn schemas_and_completions_are_printed() {
    let place = Place::start("").await;
    for (file, name) in [
        ("manifest", "replay-archiver room manifest, version 1"),
        ("catalog", "replay-archiver catalog, version 1"),
        ("status", "replay-archiver status, version 1"),
    ] {
        let schema: serde_json::Value =
            serde_json::from_str(&place.good(&["schema", file]).await.out).unwrap();
        assert_eq!(
            (text(&schema["title"]), text(&schema["$schema"])),
            (name, "https://json-schema.org/draft/2020-12/schema")
        );
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = place.good(&["completions", shell]).await.out;
        assert!(script.contains("backfill"), "{shell}");
    }
}

#[tokio::test]
async fn explain_says_what_a_code_means_in_either_language_without_a_configuration() {
    let place = Place::start(ROOMS).await;
    std::fs::remove_file(place.folder.path().join("pipeline.toml")).unwrap();
    let english = place.good(&["explain", "RA204"]).await.out;
    assert!(english.contains("- What to do: Add that address"), "{english}");
    let chinese = place.good(&["explain", "40164", "--lang", "zh"]).await.out;
    assert!(chinese.contains("RA204") && chinese.contains("IP白名单"), "{chinese}");
    assert!(place.good(&["explain", "-1"]).await.out.contains("busy"));
    let all = place.good(&["explain", "--json"]).await.lines();
    let (summary, all) = all.split_last().unwrap();
    assert!(summary["entries"] == all.len() && all.len() > 60, "{summary}");
    assert!(all.iter().all(|entry| entry["title"].as_str().is_some_and(|title| title.len() > 5)));
    let unknown = place.run(&["explain", "RA000"]).await;
    assert!(unknown.code == 2 && unknown.err.contains("no such code"), "{unknown:?}");
}

#[tokio::test]
async fn manual_pages_are_printed_and_written() {
    let place = Place::start("").await;
    let page = place.good(&["man", "backfill"]).await.out;
    assert!(page.contains(".TH replay-archiver-backfill 1"), "{page}");
    let folder = place.folder.path().join("pages/man1");
    let folder = folder.to_str().unwrap();
    assert_eq!(place.good(&["man", "--folder", folder]).await.out, "");
    let read = |name: &str| std::fs::read_to_string(format!("{folder}/{name}")).unwrap();
    assert_eq!(read("replay-archiver-backfill.1").trim_end(), page.trim_end());
    assert!(read("replay-archiver.1").contains("EXIT STATUS"));
    for wrong in [&["man", "no-such"][..], &["man", "run", "--folder", folder]] {
        let ran = place.run(wrong).await;
        assert!(ran.code == 2 && ran.out.is_empty(), "{ran:?}");
    }
    let ran = place.run(&["man", "--folder", "/proc/no/such"]).await;
    assert!(ran.code == 1 && ran.err.contains("failed to create /proc/no/such"), "{ran:?}");
}
