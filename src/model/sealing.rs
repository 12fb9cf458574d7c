//! Builds a room's manifest from what the ledger knows. Pure; `unsealing` is the inverse.

use jiff::Timestamp;

use super::text::{LONGEST_NAME, LONGEST_REASON, LONGEST_TIME, capped, capped_path};
use super::{
    Completeness, Generator, Loss, MANIFEST_SCHEMA, Manifest, ManifestImage, ManifestRoom,
    MissingChunk, ObjectFacts, Playback, Preferred, PreviousManifest, Recording, RecordingKind,
    RecordingState, ReplayTime, Room, RoomStatus, Segment, Source, SourceFacts, StoredWhole,
    TOLD_BEFORE, Timeline, Totals, UnfetchableUrl, Whole, sum,
};

/// The longest host name with a port, in bytes.
const LONGEST_HOST: usize = 253 + 6;

/// The inputs of a manifest.
#[derive(Debug)]
pub struct SealInput<'a> {
    /// The room as last listed.
    pub room: &'a Room,
    /// Its images, stored or not.
    pub images: Vec<ManifestImage>,
    /// Its recordings, oldest first.
    pub recordings: &'a [Recording],
    /// `total` of WeChat's last reply, without duplicate rows.
    pub announced: Option<u64>,
    /// Whether no further recordings are expected.
    pub settled: bool,
    /// When WeChat was last asked.
    pub listed_at: Option<Timestamp>,
}

/// The manifest of a room, as its first revision.
pub fn manifest(input: SealInput<'_>, generator: Generator, now: Timestamp) -> Manifest {
    let segments = segments(input.recordings);
    let best = best_whole(input.recordings);
    let wholes = input.recordings.iter().filter(|r| r.kind == RecordingKind::Whole);
    let others = wholes.filter(|whole| Some(&whole.source_id) != best.map(|best| &best.source_id));
    let other_wholes: Vec<Whole> = others.map(whole_entry).collect();
    let whole = best.map(whole_entry);
    let completeness = completeness(&input);
    let playback = playback(&segments, whole.as_ref());
    let chunks = whole.iter().chain(&other_wholes).flat_map(|whole| &whole.chunks);
    let chunk_bytes = sum(chunks.map(|chunk| chunk.bytes));
    let intact = segments.iter().filter(|segment| segment.damaged.is_none());
    let segment_bytes = sum(intact.filter_map(|segment| segment.bytes));
    let bytes = segment_bytes.saturating_add(chunk_bytes);
    Manifest {
        schema: MANIFEST_SCHEMA.to_owned(),
        requires: Vec::new(),
        revision: 1,
        previous: None,
        generator,
        published_at: now,
        status: status(&completeness, bytes),
        totals: Totals { bytes, duration_ms: playback.duration_ms },
        room: room_entry(input.room, input.images),
        completeness,
        segments,
        whole,
        other_wholes,
        playback,
        losses_acknowledged: Vec::new(),
    }
}

impl Manifest {
    /// The manifest as the successor of `previous`; `None` if it says nothing new.
    pub fn succeeding(self, previous: &Self, link: PreviousManifest) -> Option<Self> {
        (!self.repeats(previous)).then(|| self.following(link))
    }

    /// Whether it says nothing new compared with `previous`.
    pub fn repeats(&self, previous: &Self) -> bool {
        let undated = |manifest: &Self| {
            let mut undated = Self {
                revision: 0,
                previous: None,
                generator: self.generator.clone(),
                published_at: self.published_at,
                completeness: Completeness { listed_at: None, ..manifest.completeness.clone() },
                ..manifest.clone()
            };
            // Whether there is another attempt is news; when it happens is not.
            let segments = undated.segments.iter_mut().map(|s| &mut s.next_try_at);
            let wholes = undated.whole.iter_mut().chain(&mut undated.other_wholes);
            for next in segments.chain(wholes.map(|whole| &mut whole.next_try_at)) {
                *next = next.map(|_| Timestamp::UNIX_EPOCH);
            }
            undated
        };
        undated(self) == undated(previous)
    }

    /// The manifest as the successor of another, even if it says nothing new.
    #[must_use]
    pub fn following(self, link: PreviousManifest) -> Self {
        Self { revision: link.revision.saturating_add(1), previous: Some(link), ..self }
    }
}

fn room_entry(room: &Room, images: Vec<ManifestImage>) -> ManifestRoom {
    ManifestRoom {
        appid: room.appid.clone(),
        room_id: room.room_id,
        name: capped(&room.name, LONGEST_NAME),
        anchor_name: capped(&room.anchor_name, LONGEST_NAME),
        live_status: room.live_status,
        start_time: room.start_time,
        end_time: room.end_time,
        goods: room.goods.clone(),
        images,
    }
}

fn completeness(input: &SealInput<'_>) -> Completeness {
    let in_state = |state: RecordingState| {
        input.recordings.iter().filter(|recording| recording.state == state).count() as u64
    };
    Completeness {
        announced: input.announced,
        listed: input.recordings.len() as u64,
        archived: in_state(RecordingState::Archived),
        expired: in_state(RecordingState::Expired),
        failed: in_state(RecordingState::Failed),
        rejected: in_state(RecordingState::Rejected),
        not_needed: in_state(RecordingState::NotNeeded),
        pending: in_state(RecordingState::Pending),
        settled: input.settled,
        listed_at: input.listed_at,
    }
}

/// How complete the archive of a room is, given the number of archived media bytes of any kind.
///
/// A whole that contains the entire broadcast does not make up for a lost segment: the segment was
/// listed, so it is reported as missing.
pub fn status(counts: &Completeness, bytes: u64) -> RoomStatus {
    let done = counts.archived + counts.not_needed;
    let open = counts.pending + counts.failed + counts.rejected;
    let announced_all = counts.announced.unwrap_or(0) <= counts.listed;
    match () {
        () if !counts.settled || !announced_all || open > 0 => RoomStatus::Partial,
        () if counts.listed == 0 => RoomStatus::Empty,
        () if done == counts.listed => RoomStatus::Complete,
        () if counts.archived == 0 && bytes == 0 => RoomStatus::Lost,
        () => RoomStatus::Partial,
    }
}

fn segments(recordings: &[Recording]) -> Vec<Segment> {
    let mut entries = Vec::new();
    let mut offset_ms = 0;
    let mut previous_end: Option<Timestamp> = None;
    for recording in recordings.iter().filter(|r| r.kind == RecordingKind::Segment) {
        let media = recording.intact_segment().and_then(|object| object.media.as_ref());
        let duration = media.map(|media| media.duration_ms);
        let end = recording.create_time.at;
        let timeline = duration.map(|duration_ms| Timeline {
            offset_ms,
            gap_before_ms: gap_before(previous_end, end, duration_ms),
        });
        offset_ms = sum([offset_ms, duration.unwrap_or(0)]);
        previous_end = end.filter(|_| duration.is_some()).or(previous_end);
        entries.push(segment_entry(entries.len() as u64 + 1, recording, timeline));
    }
    entries
}

/// Milliseconds missing between the end of one segment and the start of the next.
///
/// A segment is created about 3 s after its stream broke, so smaller gaps mean nothing.
fn gap_before(previous: Option<Timestamp>, end: Option<Timestamp>, duration_ms: u64) -> u64 {
    const NOISE_MS: i64 = 3_000;
    let (Some(previous), Some(end)) = (previous, end) else { return 0 };
    let between = end.as_millisecond() - previous.as_millisecond();
    let gap = between.saturating_sub_unsigned(duration_ms);
    u64::try_from(gap).ok().filter(|_| gap > NOISE_MS).unwrap_or(0)
}

fn segment_entry(index: u64, recording: &Recording, timeline: Option<Timeline>) -> Segment {
    let object = recording.segment();
    Segment {
        index,
        state: recording.state,
        reason: reason(recording),
        next_try_at: recording.next_try_at,
        key: object.map(|object| object.key.clone()),
        content_type: object.map(|object| object.content_type.clone()),
        bytes: object.map(|object| object.bytes),
        sha256: object.map(|object| object.sha256),
        crc64nvme: object.map(|object| object.crc64nvme),
        crc64xz: object.map(|object| object.crc64xz),
        object: object.map(|object| ObjectFacts {
            etag: object.etag.clone(),
            parts: object.parts,
            part_bytes: object.part_bytes,
        }),
        source: source_entry(recording, object.map(|object| &object.source)),
        evidence: object.map(|object| object.evidence.clone()).unwrap_or_default(),
        damage: object.map(|object| object.damage.clone()).unwrap_or_default(),
        unexamined: object.and_then(|object| object.unexamined.clone()),
        media: object.and_then(|object| object.media.clone()),
        timeline,
        archived_at: object.map(|object| object.archived_at),
        loss: loss_entry(recording),
        damaged: object.and_then(|object| object.damaged.clone()),
    }
}

fn loss_entry(recording: &Recording) -> Option<Loss> {
    let told_at = recording.told_at;
    let is_said = recording.state == RecordingState::Expired && told_at != Some(TOLD_BEFORE);
    is_said.then_some(Loss { told_at })
}

fn reason(recording: &Recording) -> Option<String> {
    // The hints are for whoever runs this program, and no part of the archive.
    recording.reason.as_ref().map(|reason| capped(&reason.message, LONGEST_REASON))
}

fn missing_entry(chunk: &MissingChunk) -> MissingChunk {
    let MissingChunk { name, host, path, reason, .. } = chunk;
    MissingChunk {
        name: name.clone(),
        host: capped(host, LONGEST_HOST),
        path: capped_path(path).into_owned(),
        reason: capped(reason, LONGEST_REASON),
        ..*chunk
    }
}

fn source_entry(recording: &Recording, facts: Option<&SourceFacts>) -> Source {
    let url = recording.url.as_ref();
    let listed = recording.unfetchable.as_ref().filter(|_| url.is_none());
    let parts = url
        .map(|url| (url.without_query().scheme().to_owned(), url.host(), url.path().to_owned()))
        .or_else(|| listed.and_then(UnfetchableUrl::parts));
    let (scheme, host, path) = match parts {
        Some((scheme, host, path)) => (Some(scheme), Some(host), Some(path)),
        None => (None, None, None),
    };
    let raw = |time: &ReplayTime| time.raw.as_ref().map(|raw| capped(raw, LONGEST_TIME));
    Source {
        host: host.map(|host| capped(&host, LONGEST_HOST)),
        path: path.as_deref().map(|path| capped_path(path).into_owned()),
        create_time: recording.create_time.at,
        create_time_raw: raw(&recording.create_time),
        expire_time: recording.expire_time.at,
        expire_time_raw: raw(&recording.expire_time),
        etag: facts.and_then(|facts| facts.etag.clone()),
        scheme: facts.map(|facts| facts.scheme.clone()).or(scheme),
        listed: listed.map(|listed| listed.as_str().to_owned()),
    }
}

/// The most complete whole if several are listed: preferably an archived one, otherwise the one with the
/// most chunks archived.
fn best_whole(recordings: &[Recording]) -> Option<&Recording> {
    let wholes = || recordings.iter().filter(|r| r.kind == RecordingKind::Whole);
    wholes()
        .find(|whole| whole.state == RecordingState::Archived)
        .or_else(|| {
            let begun = |r: &&Recording| r.whole().is_some_and(StoredWhole::is_begun);
            wholes().filter(begun).max_by_key(|r| r.whole().and_then(|whole| whole.playable_ms))
        })
        .or_else(|| wholes().find(|whole| whole.stored.is_some()))
        .or_else(|| wholes().next_back())
}

fn whole_entry(recording: &Recording) -> Whole {
    let stored = recording.whole();
    Whole {
        state: recording.state,
        reason: reason(recording),
        next_try_at: recording.next_try_at,
        duration_ms: stored.map(|whole| whole.duration_ms),
        key: stored.and_then(|whole| whole.key.clone()),
        sha256: stored.and_then(|whole| whole.sha256),
        source: source_entry(recording, stored.map(|whole| &whole.source)),
        chunks: stored.map(|whole| whole.chunks.clone()).unwrap_or_default(),
        missing: stored
            .map(|whole| whole.missing.iter().map(missing_entry).collect())
            .unwrap_or_default(),
        playable_ms: stored.and_then(|whole| whole.playable_ms),
        playlist_sha256: stored.and_then(|whole| whole.playlist_sha256),
        archived_at: stored.and_then(|whole| whole.archived_at),
        source_sha256: stored.and_then(|whole| whole.source_sha256),
        loss: loss_entry(recording),
        damaged: stored.map(|whole| whole.damaged.clone()).unwrap_or_default(),
        note: stored.filter(|whole| whole.is_begun()).and_then(|whole| whole.note.clone()),
    }
}

fn playback(segments: &[Segment], whole: Option<&Whole>) -> Playback {
    let archived: Vec<_> =
        segments.iter().filter(|segment| segment.state == RecordingState::Archived).collect();
    let durations_ms: Vec<u64> = archived
        .iter()
        .map(|segment| segment.media.as_ref().map_or(0, |m| m.duration_ms))
        .collect();
    let archived_ms = sum(durations_ms.iter().copied());
    if let Some((key, whole_ms)) = whole.and_then(|w| w.key.clone().zip(w.plays_ms()))
        && (archived.is_empty() || whole_ms > archived_ms)
    {
        return Playback {
            preferred: Preferred::Whole,
            duration_ms: whole_ms,
            keys: vec![key],
            durations_ms: vec![whole_ms],
            uniform_codecs: true,
            stitched: None,
        };
    }
    let mut configs =
        archived.iter().map(|segment| segment.media.as_ref().and_then(|m| m.config_sha256));
    let first = configs.next().flatten();
    Playback {
        preferred: if archived.is_empty() { Preferred::None } else { Preferred::Segments },
        duration_ms: archived_ms,
        keys: archived.iter().filter_map(|segment| segment.key.clone()).collect(),
        durations_ms,
        uniform_codecs: first.is_some() && configs.all(|config| config == first),
        stitched: None,
    }
}

#[cfg(test)]
mod tests;
