//! `ack`: a person's word on a loss is in the room's manifest, and stays there.

use futures::future::BoxFuture;
use replay_archiver::model::{AppId, RoomId};
use replay_archiver::pipeline::ack::{Acknowledged, Said, acknowledge};
use serde_json::Value;

use super::ledger_lost::lose_ledger;
use super::world::{Night, World};

/// A room of which WeChat has deleted one of two segments, and one that is whole.
const ROOMS: &str = "[[account.room]]\nid = 1\nstart = \"-9d\"\n[[account.room.replay]]\n\
    expire = \"-1h\"\n[[account.room.replay]]\n\
    [[account.room]]\nid = 2\nstart = \"-8d\"\n[[account.room.replay]]\n";

const SAID: Said<'_> = Said { by: "Li Lei", because: "a test broadcast" };

fn appid() -> AppId {
    "wx1".parse().unwrap()
}

/// How many losses nobody has acknowledged, as the ledger knows.
fn unacknowledged(world: &World) -> BoxFuture<'_, u64> {
    Box::pin(async move {
        let setup = world.setup().await;
        let lost = setup.context.ledger.lost_before(&[appid()]).await.unwrap();
        setup.context.ledger.close().await;
        lost.get(&appid()).copied().unwrap_or_default()
    })
}

/// On the heap: a test that calls it several times has little room on its stack.
fn ack(world: &World, room: u64) -> BoxFuture<'_, Acknowledged> {
    Box::pin(async move {
        let setup = world.setup().await;
        let done = acknowledge(&setup.context, &appid(), RoomId(room), SAID).await.unwrap();
        setup.context.ledger.close().await;
        done
    })
}

fn said(night: &Night) -> Value {
    night.bucket.manifest(1)["losses_acknowledged"].clone()
}

#[tokio::test]
async fn an_acknowledged_loss_is_in_the_manifest_and_survives_later_runs_and_ledgers() {
    let world = World::start(ROOMS).await;
    let night = world.run().await;
    assert_eq!((night.exit, night.report.lost()), (4, 1), "{:?}", night.report);
    assert_eq!((unacknowledged(&world).await, said(&night)), (1, Value::Null));
    let revision = night.bucket.manifest(1)["revision"].as_u64().unwrap();

    assert_eq!(ack(&world, 2).await, Acknowledged::Nothing, "nothing of it is lost");
    let Acknowledged::Now(ids) = ack(&world, 1).await else { panic!("it was lost") };
    assert_eq!((ids.len(), unacknowledged(&world).await), (1, 0));
    assert_eq!(ack(&world, 1).await, Acknowledged::Nothing);
    let night = world.run().await;
    let manifest = night.bucket.manifest(1);
    assert_eq!((night.exit, manifest["revision"].as_u64().unwrap() > revision), (0, true));
    let known = said(&night);
    assert_eq!((&known[0]["by"], &known[0]["because"]), (&SAID.by.into(), &SAID.because.into()));
    assert_eq!(known[0]["source_ids"][0], ids[0].as_str());

    world.backfill(true).await;
    lose_ledger(&world);
    let night = world.run().await;
    assert_eq!((night.exit, said(&night), unacknowledged(&world).await), (0, known, 0));
}
