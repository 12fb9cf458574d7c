//! Faults of the media host.

mod broken;
mod chunks;
mod edges;
mod misled;
mod no_recordings;
mod passing;
mod playlists;
mod refused;
mod segments;

use std::time::Duration;

use jiff::SignedDuration;
use replay_archiver::config::Config;

use super::check::{Row, check_all, scripted};
use super::expect::Expect;
use crate::pipeline::world::World;

/// A fault of room 2's recording, after so many requests that pass.
fn vod(skip: u64, times: &str, then: &str) -> [String; 1] {
    [format!(
        "on = \"vod\"\nroom = 2\nmethod = \"GET\"\nskip = {skip}\ntimes = {times}\nthen = {then}"
    )]
}

const ALWAYS: &str = "\"always\"";

/// As a row, for faults that end when the program gives up: it does so soon, though not
/// before a busy machine has let the host answer.
fn impatient(row: Row) -> Row {
    Row { config: |config: &mut Config| config.media.timeouts.read = Duration::from_secs(4), ..row }
}

#[test]
fn a_fault_of_the_media_host_that_lasts_has_its_state_and_reason() {
    let rows = [
        refused::rows(),
        broken::rows(),
        chunks::rows(),
        playlists::rows(),
        no_recordings::rows(),
        misled::rows(),
    ];
    check_all(rows.into_iter().flatten().collect());
}

#[test]
fn a_file_whose_edges_disagree_or_whose_ranges_cannot_be_used_is_asked_for_at_once() {
    check_all(edges::rows());
}

#[test]
fn a_segment_is_whole_where_every_sample_lies_within_it_and_only_there() {
    check_all(segments::rows());
}

fn lasting(name: &str, room: &'static str, then: &str, expect: Expect) -> Row {
    scripted(name, room, &vod(0, ALWAYS, then), expect)
}

#[tokio::test]
async fn a_file_past_its_deadline_whose_host_only_fails_is_given_up_after_a_week() {
    let room =
        "[[account.room]]\nid = 1\nstart = \"-9d\"\n[[account.room.replay]]\nexpire = \"+1d\"\n";
    let world = World::start(room).await;
    world.fault("on = \"vod\"\nroom = 1\ntimes = \"always\"\nthen = { status = { code = 503 } }");
    let mut exits = Vec::new();
    for _ in 0..24 {
        exits.push(world.run().await.exit);
        let half_a_day = SignedDuration::from_hours(12);
        world.clock.advance(half_a_day);
        world.sandbox.clock().advance(half_a_day.unsigned_abs());
    }
    let lost_at = exits.iter().position(|exit| *exit == 4).unwrap_or_else(|| panic!("{exits:?}"));
    assert!(
        (16..=22).contains(&lost_at),
        "a day to the deadline, seven after it, and a wait: {exits:?}"
    );
    assert!(exits[..lost_at].iter().all(|exit| *exit == 3), "{exits:?}");
    assert!(exits[lost_at + 1..].iter().all(|exit| *exit == 0), "it is said once: {exits:?}");
    let last = world.run().await;
    last.says(1, "lost", &["expired"]);
    assert_eq!(last.fetched(), Vec::<&str>::new());
}

#[tokio::test]
async fn a_host_without_ranges_tags_and_checksums_is_archived_from_all_the_same() {
    let room = "[[account.room]]\nid = 1\nstart = \"-9d\"\n[[account.room.replay]]\nsize = \"6MiB\"\n\
                [vod]\nranges = false\netag = false\ncrc64 = false\n";
    let world = World::with_settings(room, "[transfer]\npart_size = \"5MiB\"\n").await;
    world.fault("on = \"vod\"\nroom = 1\nmethod = \"GET\"\nthen = { reset = { at = \"3MiB\" } }");
    let night = world.run().await;
    night.says(1, "complete", &["archived"]);
    let (object, source) = night.object(1, 0);
    assert!(object == world.fetch(&source).await);
}
