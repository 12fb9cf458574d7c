//! Recordings that cannot be archived for now: tried again, shown, and told once when they are lost.

use std::collections::BTreeMap;

use axum::http::{Method, StatusCode};
use replay_archiver::cli::notes;
use replay_archiver::config::{Config, WholePolicy};
use replay_archiver::net_guard::HostPolicy;
use replay_archiver::pipeline::{Rooms, Selection};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::ledger_lost::lose_ledger;
use super::world::{Night, World};

const DAY: i64 = 24 * 60;

const ALL: Rooms = Rooms::Between { from: None, to: None };

/// A room whose one segment WeChat deletes in 40 days.
const ROOM: &str =
    "[[account.room]]\nid = 1\nstart = \"-9d\"\n[[account.room.replay]]\nexpire = \"+40d\"\n";

/// The media host serves a page in place of segments.
const PAGE: &str = "on = \"vod\"\ntimes = \"always\"\nthen = \"html\"";

fn nowhere(config: &mut Config) {
    config.media.hosts = HostPolicy::parse(&["media.example".to_owned()]).unwrap();
}

/// The kinds of a night's problems at risk, and how often the media host was asked.
fn seen(night: &Night) -> (u8, usize, usize) {
    let at_risk = night.report.accounts[0].at_risk.len();
    (night.exit, at_risk, night.media.len())
}

#[tokio::test]
async fn what_is_no_recording_is_tried_as_long_as_wechat_can_have_it_and_its_loss_is_told_once() {
    let world = World::start(ROOM).await;
    world.fault(PAGE);
    let (mut tries, mut exits) = (BTreeMap::new(), Vec::new());
    for day in 0..50 {
        let night = world.run().await;
        let (exit, at_risk, asked) = seen(&night);
        if asked > 0 {
            tries.insert(day, asked);
        }
        let told = notes(&night.report).join("\n");
        assert_eq!(exit == 0, told.is_empty(), "day {day}: {told}");
        if exit == 3 && day < 40 {
            assert_eq!(at_risk, 1, "day {day}");
            assert!(told.contains("room 1: "), "day {day}: {told}");
            let segment = &night.bucket.manifest(1)["segments"][0];
            assert_eq!(
                (&segment["state"], segment["next_try_at"].is_string()),
                (&"rejected".into(), true)
            );
        }
        exits.push(exit);
        world.pass(DAY);
    }
    let lost: Vec<_> = exits.iter().enumerate().filter(|(_, exit)| **exit == 4).collect();
    assert_eq!(lost, [(47, &4)], "once, a week after the deadline: {exits:?}");
    assert!(exits[..47].iter().all(|exit| *exit == 3), "{exits:?}");
    assert!(exits[48..].iter().all(|exit| *exit == 0), "{exits:?}");
    let days: Vec<_> = tries.keys().copied().collect();
    assert!(days.starts_with(&[0, 1, 2, 3]) && days.contains(&39), "{days:?}");
    assert!(days.len() < 20, "ever more rarely: {days:?}");
    world.run().await.says(1, "lost", &["expired"]);
}

#[tokio::test]
async fn a_setting_that_is_mended_makes_what_it_forbade_due_at_once() {
    let world = World::start(ROOM).await;
    for _ in 0..6 {
        let night = world.night(&Selection::Due, nowhere).await;
        assert_eq!(night.exit, 3, "{:?}", notes(&night.report));
        assert_eq!(night.report.accounts[0].at_risk.len(), 1);
    }
    let mended = world.run().await;
    assert_eq!((mended.exit, mended.resolved()), (0, vec![]), "what is known is not asked again");
    mended.says(1, "complete", &["archived"]);
}

#[tokio::test]
async fn a_whole_that_the_configuration_declined_is_archived_once_it_does_not() {
    let world = World::start(
        "[[account.room]]\nid = 1\nstart = \"-9d\"\n[[account.room.replay]]\nkind = \"whole\"\n\
         seconds = 8\n",
    )
    .await;
    let never = |config: &mut Config| config.work.whole = WholePolicy::Never;
    let declined = world.night(&Selection::Due, never).await;
    assert_eq!((declined.exit, &declined.bucket.manifest(1)["status"]), (0, &"complete".into()));
    let again = world.night(&Selection::Due, never).await;
    assert_eq!((again.exit, again.media.len()), (0, 0));
    let wanted = world.run().await;
    assert_eq!(
        (wanted.exit, &wanted.bucket.manifest(1)["whole"]["state"]),
        (0, &"archived".into())
    );
}

#[tokio::test]
async fn a_whole_that_segments_cover_is_archived_once_the_configuration_wants_it_always() {
    let world = World::start(
        "[[account.room]]\nid = 1\nstart = \"-9d\"\n[[account.room.replay]]\n\
         [[account.room.replay]]\nkind = \"whole\"\nseconds = 4\n",
    )
    .await;
    assert_eq!(world.run().await.bucket.manifest(1)["whole"]["state"], "not_needed");
    let always = |config: &mut Config| config.work.whole = WholePolicy::Always;
    let wanted = world.night(&Selection::Due, always).await;
    assert_eq!(
        (wanted.exit, &wanted.bucket.manifest(1)["whole"]["state"]),
        (0, &"archived".into())
    );
}

#[tokio::test]
async fn what_failed_is_tried_by_the_next_run_though_this_machines_clock_is_days_behind() {
    let world = World::start(ROOM).await;
    world.fault(PAGE);
    world.clock.advance(jiff::SignedDuration::from_hours(-72));
    assert_eq!(world.run().await.exit, 3);
    assert!(!world.run().await.media.is_empty(), "it is tried again");
    world.heal();
    world.run().await.says(1, "complete", &["archived"]);
}

#[tokio::test]
async fn a_loss_that_a_killed_run_has_noticed_is_told_by_the_next_and_by_no_other() {
    let world = World::start(
        "[[account.room]]\nid = 1\nstart = \"-9d\"\n[[account.room.replay]]\nexpire = \"-1h\"\n",
    )
    .await;
    // It dies before it can tell anybody.
    let setup = world.setup().await;
    setup.run(&Selection::Due, CancellationToken::new()).await;
    setup.context.ledger.close().await;
    assert_eq!(world.bucket().manifest(1)["status"], "lost");
    // This one dies after it has taken upon itself to tell.
    let setup = world.setup().await;
    let mut report = setup.run(&Selection::Due, CancellationToken::new()).await;
    setup.take_losses(&mut report).await;
    setup.context.ledger.close().await;
    assert_eq!(report.lost(), 1);
    // Another one does not tell meanwhile, as the first may be about to.
    assert_eq!(world.run().await.exit, 0);
    world.pass(11);
    let next = world.run().await;
    assert_eq!((next.exit, next.report.lost()), (4, 1));
    assert!(notes(&next.report)[0].contains("WeChat deleted it on"), "{:?}", notes(&next.report));
    world.pass(11);
    let last = world.run().await;
    assert_eq!((last.exit, last.report.lost()), (0, 0));
}

/// A room of two segments, the first of which WeChat has deleted.
const HALF_GONE: &str = "[[account.room]]\nid = 1\nstart = \"-9d\"\n[[account.room.replay]]\n\
                         expire = \"-1h\"\n[[account.room.replay]]\n";

fn loss(night: &Night) -> Value {
    night.bucket.manifest(1)["segments"][0]["loss"].clone()
}

#[tokio::test]
async fn a_loss_that_was_told_is_not_told_again_when_the_ledger_is_lost() {
    let world = World::start(HALF_GONE).await;
    let first = world.run().await;
    assert_eq!(first.exit, 4);
    assert!(loss(&first)["told_at"].is_string(), "{}", loss(&first));
    for _ in 0..2 {
        lose_ledger(&world);
        let night = world.run().await;
        assert_eq!((night.exit, night.report.lost()), (0, 0), "{:?}", notes(&night.report));
        night.says(1, "partial", &["expired", "archived"]);
        assert!(night.bucket == first.bucket, "nothing new is said");
    }
}

#[tokio::test]
async fn a_loss_that_nobody_lived_to_tell_is_told_after_the_ledger_is_lost() {
    let world = World::start(HALF_GONE).await;
    killed_run(&world, |_| {}).await;
    assert_eq!(world.bucket().manifest(1)["segments"][0]["loss"], json!({ "told_at": null }));
    lose_ledger(&world);
    let night = world.run().await;
    assert_eq!((night.exit, night.report.lost()), (4, 1), "{:?}", notes(&night.report));
    assert!(loss(&night)["told_at"].is_string(), "{}", loss(&night));
    let again = world.run().await;
    assert_eq!((again.exit, again.report.lost()), (0, 0));
}

#[tokio::test]
async fn a_manifest_that_does_not_say_so_yet_is_published_by_the_next_run_without_a_call() {
    let world = World::start(HALF_GONE).await;
    let setup = world.setup().await;
    let mut report = setup.run(&Selection::Due, CancellationToken::new()).await;
    setup.take_losses(&mut report).await;
    world.front.refuse(|method, path| {
        let is_written = *method == Method::PUT && path.ends_with("manifest.json");
        is_written.then_some(StatusCode::FORBIDDEN)
    });
    setup.told(&report).await.unwrap();
    setup.context.ledger.close().await;
    world.heal();
    assert_eq!(world.bucket().manifest(1)["segments"][0]["loss"], json!({ "told_at": null }));
    world.pass(60);
    let night = world.run().await;
    assert_eq!((night.exit, night.report.lost()), (0, 0), "{:?}", notes(&night.report));
    assert!(loss(&night)["told_at"].is_string(), "{}", loss(&night));
    assert_eq!((night.resolved(), night.fetched()), (vec![], vec![]));
}

#[tokio::test]
async fn what_an_earlier_version_called_lost_was_told_by_it() {
    let world = World::start(HALF_GONE).await;
    killed_run(&world, |_| {}).await;
    let key = "live/wx1/rooms/1/manifest.json";
    let mut manifest = world.bucket().json(key);
    manifest["segments"][0].as_object_mut().unwrap().remove("loss");
    world.front.place(key, manifest.to_string());
    lose_ledger(&world);
    let night = world.unchecked_run().await;
    assert_eq!((night.exit, night.report.lost()), (0, 0), "{:?}", notes(&night.report));
}

#[tokio::test]
async fn a_room_that_wechat_cannot_be_asked_about_is_told_of_every_night() {
    let world = World::start(ROOM).await;
    world.fault(
        "on = \"api\"\ncall = \"replays\"\ntimes = \"always\"\nthen = { errcode = { code = 777 } }",
    );
    let mut asked = 0;
    for day in 0..14 {
        let night = world.run().await;
        asked += usize::from(!night.resolved().is_empty());
        let told = notes(&night.report).join("\n");
        assert_eq!((night.exit, told.matches("777").count()), (3, 1), "day {day}: {told}");
        world.pass(DAY);
    }
    assert!((9..14).contains(&asked), "ever more rarely: {asked}");
    world.heal();
    world.pass(9 * DAY);
    world.run().await.says(1, "complete", &["archived"]);
}

#[tokio::test]
async fn one_cause_that_stops_every_recording_ends_the_asking_until_it_is_mended() {
    let world = World::start("[[account.generate]]\ncount = 60\nnewest = \"-3d\"\n").await;
    let night = world.night(&Selection::Due, nowhere).await;
    let asked = night.resolved().len();
    assert!((12..=24).contains(&asked), "{asked} rooms were asked about");
    assert_eq!(night.exit, 3);
    let told = notes(&night.report).join("\n");
    assert_eq!(
        told.matches("every recording so far has failed for the same reason").count(),
        1,
        "{told}"
    );
    let mended = world.run().await;
    assert_eq!((mended.exit, mended.resolved().len()), (0, 60 - asked));
}

#[tokio::test]
async fn rooms_of_a_host_that_serves_nothing_do_not_hide_those_of_another_behind_them() {
    // The rooms that can be fetched, the oldest being room 1: the newest, and some of the middle.
    for healthy in [38..=40, 18..=30] {
        let room = |id: u64| {
            let elsewhere = "media_url = \"http://elsewhere.example/f0.mp4\"\n";
            let media = if healthy.contains(&id) { "" } else { elsewhere };
            let start = 300 - id;
            format!(
                "[[account.room]]\nid = {id}\nstart = \"-{start}d\"\n[[account.room.replay]]\n{media}"
            )
        };
        for selection in [Selection::Due, Selection::Backfill { rooms: ALL, force: false }] {
            let world = World::start(&(1..=40).map(room).collect::<String>()).await;
            let night = world.night(&selection, |_| {}).await;
            assert_eq!(night.exit, 3);
            healthy.clone().for_each(|id| night.says(id, "complete", &["archived"]));
            let told = notes(&night.report).join("\n");
            assert!(!told.contains("every recording so far has failed"), "{told}");
        }
    }
}

#[tokio::test]
async fn a_host_that_is_slow_is_not_taken_for_one_that_serves_nothing() {
    // The one room that can be fetched is the newest, and among the first samples.
    let rooms = (1..=40).map(|id| {
        let media = if id == 40 { "" } else { "media_url = \"http://elsewhere.example/f0.mp4\"\n" };
        let start = 300 - id;
        format!(
            "[[account.room]]\nid = {id}\nstart = \"-{start}d\"\n[[account.room.replay]]\n{media}"
        )
    });
    let rooms: String = rooms.collect();
    for selection in [Selection::Due, Selection::Backfill { rooms: ALL, force: false }] {
        let world = World::start(&rooms).await;
        world.fault("on = \"vod\"\nroom = 40\nthen = { slow = { delay = \"3s\" } }\n");
        let night = world.night(&selection, |_| {}).await;
        night.says(40, "complete", &["archived"]);
        assert_eq!((night.exit, night.resolved().len()), (3, 40));
    }
}

#[tokio::test]
async fn a_few_recordings_that_cannot_be_had_do_not_end_the_asking() {
    // The oldest rooms are asked about first, and none of theirs can be fetched.
    let room = |id: u64| {
        format!(
            "[[account.room]]\nid = {id}\nstart = \"-{}d\"\n[[account.room.replay]]\n{}",
            300 - id,
            if id <= 6 { "media_url = \"http://elsewhere.example/f0.mp4\"\n" } else { "" }
        )
    };
    let rooms: String = (1..=12).map(room).collect();
    let world = World::start(&rooms).await;
    world.run().await;
    let night = world.run().await;
    for id in 7..=12 {
        night.says(id, "complete", &["archived"]);
    }
    assert_eq!(night.exit, 3);
}

/// A run that does everything but live to tell.
pub async fn killed_run(world: &World, change: impl FnOnce(&mut Config)) {
    let setup = world.setup_with(change).await;
    setup.run(&Selection::Due, CancellationToken::new()).await;
    setup.context.ledger.close().await;
}
