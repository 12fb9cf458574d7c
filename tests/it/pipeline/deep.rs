//! `verify --deep` on what was archived before every sample was examined.

use replay_archiver::media::ts::Promise;
use replay_archiver::model::{AppId, Damage, RoomId, Sha256Digest};
use replay_archiver::stage::verify::{Checked, Depth, RecordedObject, Subject, verify};
use replay_archiver::store::Labels;
use serde_json::json;
use sqlx::Executor as _;

use super::world::World;
use crate::ledger;

const FIRST: &[u8] = include_bytes!("../fixtures/media/faststart.mp4");
const LAST: &[u8] = include_bytes!("../fixtures/media/moov-at-end.mp4");
const INIT: &[u8] = include_bytes!("../fixtures/media/cmaf-init.mp4");
const FRAGMENT: &[u8] = include_bytes!("../fixtures/media/cmaf-0.m4s");

/// Zeros in the middle of its media data.
fn damaged(file: &[u8]) -> Vec<u8> {
    let mut file = file.to_vec();
    let media = file.windows(4).position(|four| four == b"mdat").unwrap() + 4;
    file[media + 2000..media + 2300].fill(0);
    file
}

/// Puts these objects into a room and looks at them in depth.
async fn looked_at(objects: &[(&str, Vec<u8>, Option<Subject>)]) -> Checked {
    let world = World::start("").await;
    let (store, appid) = (world.store().await, AppId::try_from("wx1".to_owned()).unwrap());
    let room = RoomId(1);
    let keys = store.keys(&appid).room(room);
    let labels = || Labels { content_type: "video/mp4", metadata: &[] };
    let mut expected = Vec::new();
    for (key, bytes, subject) in objects {
        store.put(&keys.resolve(key).unwrap(), bytes.clone().into(), labels()).await.unwrap();
        expected.push(RecordedObject {
            key: (*key).to_owned(),
            bytes: Some(bytes.len() as u64),
            sha256: Some(Sha256Digest::of(bytes)),
            crc64nvme: None,
            crc64xz: None,
            subject: subject.clone(),
        });
    }
    verify(&store, &appid, room, expected, Depth::Deep).await.unwrap()
}

#[tokio::test]
async fn damage_that_no_manifest_knows_is_found_by_offset_and_time() {
    let promise =
        Promise { duration_ms: 2000, is_rounded: false, has_init: true, may_run_on: false };
    let chunk = Some(Subject::Chunk(promise, Some("whole/x/init-000000.mp4".to_owned())));
    let segment = || Some(Subject::Segment);
    let checked = looked_at(&[
        ("whole/x/init-000000.mp4", INIT.to_vec(), None),
        ("segments/sound.mp4", FIRST.to_vec(), segment()),
        ("segments/moov-last.mp4", LAST.to_vec(), segment()),
        ("segments/in-fragments.mp4", [INIT, FRAGMENT].concat(), segment()),
        ("whole/x/chunk-000000.m4s", FRAGMENT.to_vec(), chunk.clone()),
        ("segments/damaged.mp4", damaged(FIRST), segment()),
        ("segments/damaged-moov-last.mp4", damaged(LAST), segment()),
        ("whole/x/chunk-000001.m4s", damaged(FRAGMENT), chunk),
        ("segments/known.mp4", damaged(FIRST), None),
        ("segments/text.mp4", b"no segment at all".to_vec(), segment()),
    ])
    .await;
    assert!(checked.mismatches.is_empty() && checked.unreadable.is_empty(), "{checked:?}");
    for found in &checked.found {
        let is_placed = |place: &Damage| place.at_ms.is_some() && place.offset > 0;
        let told = (&found.key, &found.damage, &found.unexamined);
        assert_eq!(found.key.contains("text"), found.unexamined.is_some(), "{told:?}");
        let is_damaged = found.key.contains("damaged") || found.key.ends_with("1.m4s");
        assert_eq!(is_damaged, !found.damage.is_empty(), "{told:?}");
        assert!(found.damage.iter().all(is_placed), "{told:?}");
    }
    assert_eq!(checked.found.len(), 8);
}

#[tokio::test]
async fn a_forced_backfill_notes_what_it_finds_in_recordings_of_an_earlier_version() {
    let world =
        World::start("[[account.room]]\nid = 1\nstart = \"-9d\"\n[[account.room.replay]]\n").await;
    world.change(1, |room| room.replays[0].mp4 = Some(damaged(FIRST).into()));
    let night = world.run().await;
    night.says(1, "complete", &["archived"]);
    let bytes = night.object(1, 0).0.to_vec();
    let url = format!("sqlite:{}", world.ledger().display());
    let earlier = "update recordings set stored = json_set(stored, '$.segment.damage', json('[]'), \
                   '$.segment.evidence', json('[\"length\"]'))";
    ledger::connect(&url).await.execute(earlier).await.unwrap();
    let night = world.backfill(true).await;
    night.says(1, "complete", &["archived"]);
    assert_eq!(night.fetched(), [""; 0], "its bytes are those that were archived");
    let segment = &night.bucket.manifest(1)["segments"][0];
    assert!(segment["evidence"].as_array().unwrap().contains(&json!("samples")), "{segment:#}");
    assert_eq!(segment["damage"][0]["seen"], 1, "{segment:#}");
    assert!(night.object(1, 0).0 == bytes);
}
