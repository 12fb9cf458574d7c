//! `verify --deep` on what was archived before every sample was examined.

use replay_archiver::media::ts::Promise;
use replay_archiver::model::{AppId, Damage, RoomId, Sha256Digest};
use replay_archiver::stage::verify::{Checked, Depth, Expected, Subject, verify};
use replay_archiver::store::Labels;

use super::world::World;

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
        expected.push(Expected {
            key: (*key).to_owned(),
            bytes: Some(bytes.len() as u64),
            sha256: Some(Sha256Digest::of(bytes)),
            crc64nvme: None,
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
    let film = || Some(Subject::Film);
    let checked = looked_at(&[
        ("whole/x/init-000000.mp4", INIT.to_vec(), None),
        ("segments/sound.mp4", FIRST.to_vec(), film()),
        ("segments/moov-last.mp4", LAST.to_vec(), film()),
        ("segments/in-fragments.mp4", [INIT, FRAGMENT].concat(), film()),
        ("whole/x/chunk-000000.m4s", FRAGMENT.to_vec(), chunk.clone()),
        ("segments/damaged.mp4", damaged(FIRST), film()),
        ("segments/damaged-moov-last.mp4", damaged(LAST), film()),
        ("whole/x/chunk-000001.m4s", damaged(FRAGMENT), chunk),
        ("segments/known.mp4", damaged(FIRST), None),
        ("segments/text.mp4", b"no film at all".to_vec(), film()),
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
