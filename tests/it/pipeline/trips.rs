//! What a room costs in requests to the store, and how many of them wait for one another.

use std::time::Duration;

use jiff::SignedDuration;

use super::ledger_lost::lose_ledger;
use super::world::World;
use crate::strict::{Provider, Request, round_trips};

const ONE: &str = "
[[account.room]]
id = 1
start = \"-9d\"
[[account.room.replay]]
";

/// The playlist of a whole that the segments cover is read, and not stored.
const THREE: &str = "
[[account.room]]
id = 1
start = \"-9d\"
[[account.room.replay]]
[[account.room.replay]]
[[account.room.replay]]
[[account.room.replay]]
kind = \"whole\"
seconds = 6
";

const IN_PARTS: &str = "
[[account.room]]
id = 1
start = \"-9d\"
[[account.room.replay]]
size = \"12MiB\"
";

const PARTS: &str = "[transfer]\npart_size = \"5MiB\"\n";

/// Whether a request is about a room, its recordings excepted.
fn is_beside_media(request: &Request) -> bool {
    let is_of_room = request.key.starts_with("live/wx1/rooms/1/")
        || request.query.contains("prefix=live%2Fwx1%2Frooms%2F1%2F");
    is_of_room && !is_media(request)
}

fn is_picture(request: &Request) -> bool {
    request.key.contains("/images/")
}

fn is_media(request: &Request) -> bool {
    request.key.contains("/segments/") || request.key.contains("/whole/")
}

#[tokio::test]
async fn a_new_room_costs_its_pictures_and_three_requests_beside_its_recordings() {
    for provider in Provider::ALL {
        for scenario in [ONE, THREE, IN_PARTS] {
            let world = World::on_store(provider, scenario, PARTS).await;
            let night = world.run().await;
            assert_eq!(night.exit, 0, "{provider:?}");
            // What a store does not know is found out once in a process.
            let understood = |request: &&Request| !matches!(request.status, 400 | 501);
            let beside = night.store.iter().filter(|request| is_beside_media(request));
            let beside: Vec<_> = beside.filter(understood).collect();
            let pictures = beside.iter().filter(|request| is_picture(request)).count();
            let all = (pictures, beside.len());
            assert_eq!(all, (4, 7), "{provider:?} {scenario}: {beside:#?}");
        }
    }
}

#[tokio::test]
async fn four_round_trips_lie_between_the_last_bytes_of_a_room_and_its_manifest() {
    for provider in [Provider::Aws, Provider::Cos, Provider::Garage] {
        for scenario in [ONE, IN_PARTS] {
            costs_at_most(4, async || {
                let night = far_away(provider, scenario).await.run().await;
                assert_eq!(night.exit, 0, "{provider:?}");
                let puts = night.store.iter().filter(|r| is_media(r) && r.method == "PUT");
                let last = puts.map(|put| put.order.0).max().unwrap();
                let of_room = night.store.iter().filter(|r| is_media(r) || is_beside_media(r));
                of_room.filter(|r| r.order.0 > last).cloned().collect()
            })
            .await;
        }
    }
}

#[tokio::test]
async fn three_round_trips_to_the_store_come_before_the_first_recording_where_the_ledger_is_known()
{
    // One for the bucket and two for its listing, of which this store shows a few objects at a time.
    costs_at_most(3, async || {
        let world = far_away(Provider::Aws, ONE).await;
        world.run().await;
        world.sandbox.update(|scenario| {
            let rooms = &mut scenario.accounts[0].rooms;
            let mut new = rooms[0].clone();
            new.id = 2;
            rooms.push(new);
        });
        world.pass(24 * 60);
        let night = world.run().await;
        night.says(2, "complete", &["archived"]);
        let media = night.store.iter().filter(|r| is_media(r) && r.is_write());
        let first = media.map(|r| r.order.0).min().unwrap();
        let before = night.store.iter().filter(|r| r.order.1 < first && !is_picture(r));
        before.cloned().collect()
    })
    .await;
}

#[tokio::test]
async fn what_another_has_published_since_the_listing_is_followed_and_not_overwritten() {
    // Conditions are honoured, refused and ignored.
    for provider in [Provider::Aws, Provider::Oss, Provider::Garage] {
        let world = World::on_store(provider, ONE, PARTS).await;
        let first = world.run().await;
        assert_eq!(first.exit, 0, "{provider:?}");
        lose_ledger(&world);
        let strict = world.front.strict();
        let of_room = |key: &str| key.starts_with("live/wx1/rooms/1/");
        let objects: Vec<_> =
            strict.objects().into_iter().filter(|(key, _)| of_room(key)).collect();
        objects.iter().for_each(|(key, _)| assert!(strict.remove(key)));
        let clock = world.clock.clone();
        strict.intrude(objects, move |request| {
            let is_moving = is_media(request) && request.is_write();
            if is_moving {
                clock.advance(SignedDuration::from_mins(2));
            }
            is_moving
        });
        let night = world.run().await;
        assert_eq!(night.exit, 0, "{provider:?}");
        let manifest = night.bucket.manifest(1);
        assert_eq!(manifest["revision"], 2, "{provider:?}");
        let history = manifest["previous"]["key"].as_str().unwrap();
        let kept = &night.bucket.objects[&format!("live/wx1/rooms/1/{history}")];
        let published = &first.bucket.objects["live/wx1/rooms/1/manifest.json"];
        assert!(kept == published, "{provider:?}: {manifest}");
        assert_eq!(world.run().await.written(), [""; 0], "{provider:?}");
    }
}

/// A world whose store is far away, so that what goes together is seen to.
async fn far_away(provider: Provider, scenario: &str) -> World {
    let world = World::on_store(provider, scenario, PARTS).await;
    world.front.strict().slow_down(Duration::from_millis(150));
    world
}

/// Checks what the requests of a run cost. A machine that stands still can make it more, and nothing can
/// make it fewer: so the best of a few counts.
async fn costs_at_most(most: usize, requests: impl AsyncFn() -> Vec<Request>) {
    for left in (0..5).rev() {
        let requests = requests().await;
        let cost = round_trips(&requests);
        assert!(cost <= most || left > 0, "{cost} round trips: {requests:#?}");
        if cost <= most {
            return;
        }
    }
}
