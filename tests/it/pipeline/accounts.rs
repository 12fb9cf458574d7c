//! An account that WeChat does not authorise is paused: one call a night asks whether that has changed, and its
//! deadlines go on counting.

use jiff::SignedDuration;
use replay_archiver::model::Pause;
use replay_archiver::pipeline::forecast::ShortOf;
use serde_json::{Value, json};

use super::world::{Night, World};

/// Three rooms with a segment each; WeChat deletes the first one in 65 days.
const ROOMS: &str = "[[account.room]]\nid = 1\nstart = \"-300d\"\n[[account.room.replay]]\n\
    [[account.room]]\nid = 2\nstart = \"-9d\"\n[[account.room.replay]]\n\
    [[account.room]]\nid = 3\nstart = \"-8d\"\n[[account.room.replay]]\n";

fn refused(call: &str, code: i64) -> String {
    format!(
        "on = \"api\"\ncall = \"{call}\"\ntimes = \"always\"\n\
         then = {{ errcode = {{ code = {code}, message = \"not for you\" }} }}"
    )
}

fn pause(night: &Night) -> &Pause {
    night.report.accounts[0].pause.as_ref().expect("it is paused")
}

fn status(night: &Night) -> Value {
    serde_json::from_slice(&night.bucket.objects["live/wx1/status.json"]).unwrap()
}

fn at_risk(night: &Night) -> Vec<u64> {
    let risks = night.report.accounts[0].at_risk.iter();
    let refused = risks.filter(|risk| risk.short_of == ShortOf::Authorization);
    refused.map(|risk| risk.room_id.0).collect()
}

#[tokio::test]
async fn an_account_that_is_not_authorised_is_asked_once_a_night_and_its_rooms_are_at_risk() {
    for code in [61003, 61007, 48001] {
        let world = World::start(ROOMS).await;
        world.fault(&refused("replays", code));
        let night = world.run().await;
        assert_eq!(night.calls, ["rooms 0", "replays 1"], "{code}: not room by room");
        assert_eq!((pause(&night).code, at_risk(&night)), (Some(code), vec![1, 2, 3]));
        let since = pause(&night).since;

        world.advance(SignedDuration::from_hours(24));
        world.fault(&refused("rooms", code));
        let night = world.run().await;
        assert_eq!(night.calls, ["rooms 0"], "{code}");
        assert_eq!((pause(&night).since, at_risk(&night)), (since, vec![1, 2, 3]));
        assert!(pause(&night).reason.message.contains(&code.to_string()));

        world.heal();
        world.advance(SignedDuration::from_hours(24));
        let night = world.run().await;
        assert_eq!((night.exit, &night.report.accounts[0].pause), (0, &None), "{code}");
        assert_eq!(night.resolved(), [1, 2, 3]);
    }
}

#[tokio::test]
async fn what_has_been_listed_is_still_transferred_while_the_account_is_paused() {
    let world = World::start(ROOMS).await;
    world.fault("on = \"vod\"\ntimes = \"always\"\nthen = { status = { code = 503 } }");
    world.run().await;
    world.heal();
    world.fault(&refused("rooms", 61003));
    world.advance(SignedDuration::from_hours(25));
    let night = world.run().await;
    assert_eq!(night.calls, ["rooms 0"]);
    night.says(2, "complete", &["archived"]);
    assert_eq!(at_risk(&night), [0; 0], "nothing is left to ask about");
}

#[tokio::test]
async fn a_deadline_that_passes_while_the_account_is_paused_stays_at_risk_as_nobody_knows_better() {
    let world = World::start(ROOMS).await;
    world.fault(&refused("replays", 61003));
    world.run().await;
    world.advance(SignedDuration::from_hours(24 * 70));
    let night = world.run().await;
    assert_eq!(at_risk(&night), [1, 2, 3]);
    assert_ne!(night.exit, 0);
}

#[tokio::test]
async fn status_json_says_since_when_and_what_is_at_stake() {
    use replay_archiver::pipeline::status::{Ended, publish};
    let world = World::start(ROOMS).await;
    world.fault(&refused("replays", 61003));
    let night = world.run().await;
    let setup = world.setup().await;
    let ended = Ended { command: "run", is_interrupted: false };
    publish(&setup.context, &night.report, ended).await;
    setup.context.ledger.close().await;
    let night = Night { bucket: world.bucket(), ..night };
    let status = status(&night);
    assert_eq!(status["paused"]["code"], 61003);
    assert!(status["paused"]["hints"][0].as_str().unwrap().contains("permission"), "{status}");
    let at_risk = status["at_risk"].as_array().unwrap();
    let named: Vec<_> = at_risk.iter().map(|risk| (&risk["room_id"], &risk["short_of"])).collect();
    let authorization = json!("authorization");
    let rooms = [json!(1), json!(2), json!(3)];
    assert_eq!(named, rooms.iter().map(|room| (room, &authorization)).collect::<Vec<_>>());
}
