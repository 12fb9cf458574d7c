//! How long a segment is, and what is done where it tells two lengths.

use bytes::Bytes;

use super::world::{Night, World};
use crate::bucket::text;

/// A segment of 4 s.
const FILE: &[u8] = include_bytes!("../../../src/sandbox/media/portrait.mp4");

/// The segment with another number in the box of type `kind` that comes as number `nth`.
fn put(file: &mut [u8], (kind, nth): (&[u8; 4], usize), at: usize, word: u32) {
    let boxes = file.windows(4).enumerate().filter(|(_, four)| four == kind);
    let body = boxes.map(|(at, _)| at + 4).nth(nth).unwrap();
    file[body + at..body + at + 4].copy_from_slice(&word.to_be_bytes());
}

/// Which box, the number among its type, where in it, and the word to put there.
type Change<'a> = ((&'a [u8; 4], usize), usize, u32);

/// A night with a segment that has these changes, beside a whole of so many seconds.
async fn night(seconds: u64, changes: &[Change<'_>]) -> Night {
    let room = format!(
        "[[account.room]]\nid = 1\nstart = \"-9d\"\n[[account.room.replay]]\n\
         [[account.room.replay]]\nkind = \"whole\"\nseconds = {seconds}\n"
    );
    let world = World::start(&room).await;
    let mut file = FILE.to_vec();
    for (place, at, word) in changes {
        put(&mut file, *place, *at, *word);
    }
    world.change(1, |room| room.replays[0].mp4 = Some(Bytes::from(file)));
    world.run().await
}

/// Version and flags, two times, the scale; then the duration.
const DURATION: usize = 16;
/// Version and flags, the number of entries; then the first one's number of samples.
const SAMPLES: usize = 8;

#[tokio::test]
async fn a_whole_is_archived_where_a_segment_may_be_shorter_than_its_header_says() {
    let (movie, pictures, sound) = ((b"mvhd", 0), (b"stts", 0), (b"stts", 1));
    let table: [(u64, &[_], &str, &str); 6] = [
        (4, &[], "not_needed", ""),
        (24, &[(movie, DURATION, 24_000)], "archived", "the segments cover 4.0 s of its 24.0 s"),
        (4, &[(movie, DURATION, 1000)], "archived", "from 1.0 s to 4.0 s"),
        (4, &[(pictures, SAMPLES, 25)], "archived", "from 1.0 s to 4.0 s"),
        (
            4,
            &[(pictures, SAMPLES, 25), (sound, SAMPLES, 43)],
            "archived",
            "the segments cover 1.0 s of its 4.0 s",
        ),
        (4, &[(movie, DURATION, 0)], "not_needed", ""),
    ];
    for (seconds, changes, state, note) in table {
        // On the heap: it is large.
        let night = Box::pin(night(seconds, changes)).await;
        night.says(1, "complete", &["archived"]);
        let manifest = night.bucket.manifest(1);
        let whole = &manifest["whole"];
        assert_eq!(text(&whole["state"]), state, "{changes:?}: {manifest:#}");
        let found = whole["note"].as_str().unwrap_or_default();
        assert!(
            found.contains(note) && found.is_empty() == note.is_empty(),
            "{changes:?}: {found}"
        );
        let preferred = text(&manifest["playback"]["preferred"]);
        let is_short = note.starts_with("the segments cover");
        assert_eq!(preferred == "whole", is_short, "{changes:?}");
    }
}
