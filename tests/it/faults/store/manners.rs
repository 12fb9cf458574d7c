//! Stores with rules of their own: classes that are not read at once, object locks.

use replay_archiver::pipeline::Selection;

use super::{refuse, second_part};
use crate::pipeline::world::World;

const ROOM: &str = "[[account.room]]\nid = 2\nstart = \"-9d\"\n";

/// A recording of two parts, whose `moov` lies in the first.
const LARGE: &str = "[[account.room.replay]]\nsize = \"6MiB\"\n";

#[tokio::test]
async fn a_segment_that_may_not_be_read_back_keeps_its_facts() {
    let parts = "[transfer]\npart_size = \"5MiB\"\n";
    let world = World::with_settings(&format!("{ROOM}{LARGE}"), parts).await;
    let cold = |config: &mut replay_archiver::config::Config| {
        config.store.storage_class = Some("DEEP_ARCHIVE".to_owned());
    };
    let refusal = refuse(500, "InternalError");
    world.front.strict().fault(move |request| second_part(request).then(|| refusal.clone()));
    let broken = world.night(&Selection::Due, cold).await;
    broken.says(2, "partial", &["failed"]);
    world.heal();
    world.pass(60 * 24);
    // The next run resumes behind the moov, which is not in its memory.
    let resumed = world.night(&Selection::Due, cold).await;
    resumed.says(2, "complete", &["archived"]);
    let media = &resumed.bucket.manifest(2)["segments"][0]["media"];
    assert_eq!((&media["width"], &media["height"]), (&360.into(), &640.into()), "{media}");
    let segments = resumed.store.iter().filter(|request| request.key.ends_with(".mp4"));
    assert_eq!(segments.filter(|request| request.method == "GET").count(), 0, "it may not be read");
}

#[tokio::test]
async fn a_locked_bucket_is_archived_to() {
    let world = World::start(&format!("{ROOM}{LARGE}[[account.room.replay]]\n")).await;
    world.front.strict().lock();
    let night = world.run().await;
    night.says(2, "complete", &["archived", "archived"]);
    assert_eq!(night.exit, 0);
    assert!(night.store.iter().all(|request| request.method != "DELETE"));
}
