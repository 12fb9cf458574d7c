//! Resolve: makes an API call for a room and turns the reply into recordings with deadlines.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Account, Calls, Error, ListedRoom, replays};
use crate::ledger::{Phase, RoomRecord};
use crate::model::settle::{is_settled, last_sign};
use crate::model::text::capped_path;
use crate::model::{
    MediaUrl, Recording, RecordingKind, RecordingState, Replay, ReplayTime, UnfetchableUrl,
    source_ids, unfetchable_identity,
};

/// Whether WeChat must be asked for a room's replays, or the ledger knows enough for what a run that
/// began at `by` will try.
pub fn is_needed(record: &RoomRecord, recordings: &[Recording], by: Timestamp) -> bool {
    let is_known = record.phase == Phase::Listed && record.settled;
    // An unreadable URL may have been a transient mistake of WeChat's.
    let has_no_url = |r: &Recording| r.needs_fresh_url || r.url.is_none();
    !is_known || recordings.iter().any(|r| r.is_due(by) && has_no_url(r))
}

/// Merges the recordings of a leased room as WeChat lists them now with what the ledger knows. A
/// recording that was listed once stays a recording of the room. Durable on `Ok`.
///
/// # Errors
/// When WeChat or the ledger cannot be asked; nothing is changed then.
pub async fn resolve(
    calls: Calls<'_>,
    owner: &str,
    account: &Account,
    mut record: RoomRecord,
) -> Result<ListedRoom, Error> {
    let room_id = record.room.room_id;
    let known = calls.ledger.recordings(&account.appid, room_id).await?;
    let replays = replays::list(calls, account, room_id).await?;
    let now = calls.clock.now();
    let recordings = merge(known, &replays.items);
    record.phase = Phase::Listed;
    record.announced = replays.announced.map(|total| total.saturating_sub(repeated(&replays)));
    record.listed_at = Some(now);
    record.unknown_since = replays.is_unknown().then(|| record.unknown_since.unwrap_or(now));
    let last = last_sign(&record.room, &recordings, record.first_seen(), now);
    record.settled = is_settled(last, calls.work.settle, now);
    record.deadline = deadline(&recordings).unwrap_or(record.deadline);
    for recording in &recordings {
        calls.ledger.save_recording(&account.appid, room_id, recording, owner).await?;
    }
    // Saved last: a room marked as listed is not asked for again, so all its recordings must be known.
    calls.ledger.save_room(&record, owner).await?;
    tracing::info!(
        account.appid = %account.appid,
        room.id = %room_id,
        room.announced = record.announced,
        room.listed = recordings.len(),
        room.settled = record.settled,
        "listed the replays of room {room_id}"
    );
    Ok(ListedRoom { record, recordings })
}

/// The number of rows that repeat another row's file. They count as announced, but nothing is missing.
fn repeated(replays: &replays::Replays) -> u64 {
    let files: BTreeSet<_> = replays.items.iter().map(identity).collect();
    replays.rows.saturating_sub(files.len() as u64)
}

/// When the first of the recordings still to be stored is deleted.
fn deadline(recordings: &[Recording]) -> Option<Timestamp> {
    let pending = recordings.iter().filter(|recording| recording.is_pending());
    pending.filter_map(Recording::deadline).min()
}

/// Merges the known recordings with those listed now, oldest first; unknown times last.
fn merge(known: Vec<Recording>, listed: &[Replay]) -> Vec<Recording> {
    let mut all: BTreeMap<String, Recording> =
        known.into_iter().map(|recording| (recording.source_id.clone(), recording)).collect();
    for replay in listed {
        let mut new = recording(replay);
        new.source_id = match new.known_as(all.values()) {
            Some(known) => known.source_id.clone(),
            None => id_among(&all, &new, &identity(replay)),
        };
        match all.get_mut(&new.source_id) {
            Some(old) => refresh(old, new),
            None => {
                all.insert(new.source_id.clone(), new);
            }
        }
    }
    let mut recordings: Vec<_> = all.into_values().collect();
    recordings.sort_by_key(|recording| {
        let at = recording.create_time.at;
        (at.is_none(), at, recording.source_id.clone())
    });
    recordings
}

/// The id of an item among its room's recordings: the usual one, unless another file has it. Known
/// recordings keep their ids, so that no key ever changes.
fn id_among(all: &BTreeMap<String, Recording>, new: &Recording, identity: &str) -> String {
    let is_same = |known: &Recording| match (&known.url, &new.url) {
        // A recording known from a manifest may have its path cut to a beginning and a digest.
        (Some(known), Some(new)) => capped_path(known.path()) == capped_path(new.path()),
        (known, new) => known.is_none() && new.is_none(),
    };
    let is_free = |id: &String| all.get(id).is_none_or(is_same);
    let ids = source_ids(identity);
    let free = ids.iter().find(|id| is_free(id)).cloned();
    free.unwrap_or_else(|| new.source_id.clone())
}

/// Updates the URL of a known recording, and its times where they were unknown.
fn refresh(old: &mut Recording, new: Recording) {
    old.url = new.url;
    old.unfetchable = new.unfetchable;
    old.needs_fresh_url = false;
    let better = |old: &ReplayTime, new: &ReplayTime| new.at.is_some() || old.raw.is_none();
    if better(&old.create_time, &new.create_time) {
        old.create_time = new.create_time;
    }
    if better(&old.expire_time, &new.expire_time) {
        old.expire_time = new.expire_time;
    }
}

/// A listed item as a recording without an id.
fn recording(replay: &Replay) -> Recording {
    let url = MediaUrl::parse(&replay.media_url);
    let is_whole = url.as_ref().is_ok_and(MediaUrl::is_playlist);
    let source_id = String::new();
    let kind = if is_whole { RecordingKind::Whole } else { RecordingKind::Segment };
    let (created, expires) = (replay.create_time.clone(), replay.expire_time.clone());
    let mut recording = Recording::listed(source_id, kind, created, expires);
    match url {
        Ok(url) => recording.url = Some(url),
        Err(problem) => {
            recording.unfetchable = UnfetchableUrl::of(&replay.media_url);
            recording.end(RecordingState::Rejected, problem.to_string());
        }
    }
    recording
}

/// What distinguishes an item from the others of its room: its path, or what is kept of an unusable
/// URL.
fn identity(replay: &Replay) -> String {
    MediaUrl::parse(&replay.media_url).map_or_else(
        |_| {
            let listed = UnfetchableUrl::of(&replay.media_url);
            unfetchable_identity(listed.as_ref(), replay.create_time.raw.as_deref())
        },
        |url| url.path().to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replay(url: &str, created: &str, expires: &str) -> Replay {
        Replay {
            media_url: url.to_owned(),
            create_time: ReplayTime::parse(created),
            expire_time: ReplayTime::parse(expires),
        }
    }

    #[test]
    fn items_become_recordings_oldest_first_with_wholes_told_from_segments() {
        let listed = [
            replay("http://h/w/playlist_eof.m3u8", "2021-03-26T08:10:43Z", "2022-03-26T08:10:43Z"),
            replay("http://h/b/f0.mp4", "2106-02-07T14:28:15", "2116-02-05T14:28:15"),
            replay("http://h/a/f0.mp4", "2021-03-26T07:56:21Z", "2022-03-26T07:56:20Z"),
            replay("http://h/a/f0.mp4?again=1", "", ""),
            replay("gopher://h/x", "", ""),
        ];
        let recordings = merge(Vec::new(), &listed);
        let paths: Vec<_> =
            recordings.iter().map(|r| r.url.as_ref().map_or("-", MediaUrl::path)).collect();
        assert_eq!(&paths[..2], ["/a/f0.mp4", "/w/playlist_eof.m3u8"]);
        assert_eq!(recordings.len(), 4);
        assert_eq!(recordings[1].kind, RecordingKind::Whole);
        let rejected = recordings.iter().find(|r| r.url.is_none()).unwrap();
        assert_eq!(rejected.state, RecordingState::Rejected);
        assert_eq!(deadline(&recordings), Some("2022-03-26T07:56:20Z".parse().unwrap()));
    }

    /// Two paths whose SHA-256 begins with `9cb27b65`.
    const ALIKE: [&str; 2] = ["http://h/c/029506/f0.mp4?t=1", "http://h/c/040817/f0.mp4?t=1"];

    fn ids(recordings: &[Recording]) -> BTreeMap<&str, &str> {
        recordings.iter().map(|r| (r.url.as_ref().unwrap().path(), r.source_id.as_str())).collect()
    }

    #[test]
    fn files_whose_digests_begin_alike_are_told_apart_and_keep_their_identities() {
        let [one, other] = ALIKE.map(|url| replay(url, "2021-03-26T07:56:21Z", ""));
        let first = merge(Vec::new(), &[one.clone(), other.clone()]);
        let expected = BTreeMap::from([
            ("/c/029506/f0.mp4", "9cb27b65"),
            ("/c/040817/f0.mp4", "9cb27b65fcaaac21"),
        ]);
        assert_eq!(ids(&first), expected);
        for again in [vec![], vec![one.clone(), other.clone()], vec![other, one]] {
            let merged = merge(first.clone(), &again);
            assert_eq!(ids(&merged), expected, "in another order");
        }
    }

    #[test]
    fn the_one_that_was_known_keeps_the_usual_identity() {
        let [one, other] = ALIKE.map(|url| replay(url, "2021-03-26T07:56:21Z", ""));
        let known = merge(Vec::new(), &[other]);
        let merged = merge(known, &[one]);
        assert_eq!(ids(&merged)["/c/040817/f0.mp4"], "9cb27b65");
        assert_eq!(ids(&merged)["/c/029506/f0.mp4"].len(), 16);
    }

    #[test]
    fn what_cannot_be_fetched_keeps_what_was_listed() {
        let listed = [replay("ftp://u:s3cret@h/a/f0.mp4?sign=s3cret", "2021-03-26T07:56:21Z", "")];
        let merged = merge(merge(Vec::new(), &listed), &listed);
        assert_eq!((merged.len(), merged[0].source_id.len()), (1, 8));
        let kept = merged[0].unfetchable.as_ref().unwrap();
        assert_eq!(kept.as_str(), "ftp://h/a/f0.mp4");
        assert!(!format!("{merged:?}").contains("s3cret"));
    }

    #[test]
    fn what_cannot_be_fetched_is_one_recording_however_it_is_signed_or_an_earlier_version_named_it()
    {
        let created = "2021-03-26T07:56:21Z";
        let [one, other] =
            ["a", "b"].map(|sign| replay(&format!("ftp://h/a/f0.mp4?sign={sign}"), created, ""));
        let first = merge(Vec::new(), &[one]);
        let merged = merge(first.clone(), std::slice::from_ref(&other));
        assert_eq!((merged.len(), &merged[0].source_id), (1, &first[0].source_id));
        for unfetchable in [first[0].unfetchable.clone(), None] {
            let source_id = "0123abcd".to_owned();
            let old = Recording { source_id, unfetchable, ..first[0].clone() };
            let merged = merge(vec![old], std::slice::from_ref(&other));
            assert_eq!((merged.len(), merged[0].source_id.as_str()), (1, "0123abcd"));
            assert_eq!(merged[0].unfetchable, first[0].unfetchable);
        }
        let later = replay("ftp://h/a/f0.mp4?sign=a", "2021-03-26T08:56:21Z", "");
        let another = replay("ftp://h/b/f0.mp4?sign=a", created, "");
        assert_eq!(merge(first, &[later, another]).len(), 3);
    }

    #[test]
    fn what_was_archived_stays_archived_listed_again_or_not() {
        let first = [replay("http://h/a/f0.mp4?t=1", "2021-03-26T07:56:21Z", "")];
        let mut known = merge(Vec::new(), &first);
        known[0].state = RecordingState::Archived;
        let again = merge(known.clone(), &[replay("http://h/a/f0.mp4?t=2", "", "")]);
        assert_eq!(again[0].state, RecordingState::Archived);
        assert_eq!(again[0].create_time, known[0].create_time);
        assert_eq!(again[0].url.as_ref().unwrap().expose().query(), Some("t=2"));
        assert_eq!(merge(known, &[]).len(), 1);
    }
}
