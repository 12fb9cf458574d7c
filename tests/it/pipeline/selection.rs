//! `[select]`: what is left out costs neither calls nor bytes, and comes back when the rules change.

use replay_archiver::model::{Pattern, RoomId, Rules, Select};
use replay_archiver::pipeline::{Rooms, Selection};
use serde_json::Value;

use super::world::{Night, World};

/// A broadcast, a test of ten seconds, and another test.
const ROOMS: &str = "[[account.room]]\nid = 1\nname = \"双十一\"\nstart = \"-9d\"\n[[account.room.replay]]\n\
    [[account.room]]\nid = 2\nname = \"开播测试\"\nstart = \"-8d\"\nlength = \"10s\"\n[[account.room.replay]]\n\
    [[account.room]]\nid = 3\nname = \"TEST room\"\nstart = \"-7d\"\n[[account.room.replay]]\n";

fn without(words: &[&str]) -> Select {
    let names = words.iter().filter_map(|word| Pattern::new(word)).collect();
    let exclude = Rules { names, ..Rules::default() };
    Select { exclude, as_text: words.concat(), ..Select::default() }
}

async fn night(world: &World, selection: &Selection, select: &Select) -> Night {
    let select = select.clone();
    world.night(selection, |config| config.accounts[0].select = select).await
}

fn one(room: u64) -> Selection {
    Selection::Backfill { rooms: Rooms::One(RoomId(room)), force: false }
}

/// What the catalog says of the rule that leaves each room out.
fn rules(night: &Night) -> Vec<Value> {
    let catalog: Value =
        serde_json::from_slice(&night.bucket.objects["live/wx1/catalog.json"]).unwrap();
    catalog["rooms"].as_array().unwrap().iter().map(|room| room["left_out"].clone()).collect()
}

#[tokio::test]
async fn what_is_left_out_costs_no_call_and_is_in_the_catalog_with_its_rule() {
    let settings = "[select]\nexclude_names = [\"测试\", \"test*\"]\n";
    let world = World::with_settings(ROOMS, settings).await;
    let night = world.run().await;
    assert_eq!((night.exit, night.resolved()), (0, vec![1]));
    assert!(!night.bucket.has_manifest(2) && !night.bucket.has_manifest(3));
    let rules = rules(&night);
    assert_eq!(rules, [Value::Null, "exclude_names: 测试".into(), "exclude_names: test*".into()]);
    let again = world.run().await;
    assert_eq!((again.exit, again.calls.len()), (0, 1));
    let all = world.backfill(false).await;
    assert_eq!(
        (all.exit, all.resolved()),
        (0, vec![]),
        "a backfill of everything follows the rules too"
    );
}

#[tokio::test]
async fn rules_that_change_leave_out_what_was_due_and_take_in_what_was_left_out() {
    let world = World::start(ROOMS).await;
    world.fault(
        "on = \"api\"\ncall = \"replays\"\ntimes = \"always\"\nthen = { errcode = { code = -1 } }",
    );
    let (none, some) = (without(&[]), without(&["测试"]));
    night(&world, &Selection::Due, &none).await;
    world.heal();
    world.pass(26 * 60);
    let first = night(&world, &Selection::Due, &some).await;
    assert_eq!((first.exit, first.resolved()), (0, vec![1, 3]), "{:?}", first.report);
    world.pass(60);
    let then = night(&world, &Selection::Due, &none).await;
    assert_eq!((then.exit, then.resolved(), rules(&then)), (0, vec![2], vec![Value::Null; 3]));
    assert!(then.bucket.has_manifest(2));
    let back = night(&world, &Selection::Due, &some).await;
    assert_eq!((back.exit, rules(&back)), (0, vec![Value::Null; 3]), "what is archived stays");
}

#[tokio::test]
async fn a_room_that_is_asked_for_by_number_is_archived_and_finished_whatever_the_rules_say() {
    let world = World::start(ROOMS).await;
    let some = without(&["测试"]);
    night(&world, &Selection::Due, &some).await;
    world.fault("on = \"vod\"\nroom = 2\ntimes = \"always\"\nthen = { status = { code = 503 } }");
    let asked = night(&world, &one(2), &some).await;
    assert_eq!((asked.exit, asked.resolved()), (3, vec![2]));
    world.heal();
    world.pass(26 * 60);
    let finished = night(&world, &Selection::Due, &some).await;
    finished.says(2, "complete", &["archived"]);
    assert_eq!((finished.exit, rules(&finished)[1].clone()), (0, Value::Null));
}

#[tokio::test]
async fn an_accounts_own_rules_replace_those_for_all() {
    let settings = "[select]\nmin_length = \"1m\"\n";
    let world = World::with_settings(ROOMS, settings).await;
    let first = world.run().await;
    assert_eq!(first.resolved(), [1, 3]);
    assert_eq!(rules(&first)[1], "min_length: 1m");
}
