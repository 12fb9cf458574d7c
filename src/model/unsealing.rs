//! Restores what a ledger has to know of a room from its manifest. Pure.

use std::collections::HashSet;

use super::text::digest_of_path;
use super::{
    Loss, Manifest, MediaUrl, Reason, Recording, RecordingKind, RecordingState, ReplayTime, Room,
    Segment, Source, SourceFacts, Stored, StoredObject, StoredWhole, TOLD_BEFORE, UnfetchableUrl,
    Whole, source_ids, source_ids_of, unfetchable_identity,
};

impl Manifest {
    /// The recordings in this manifest, for a ledger that does not know them.
    pub fn recordings(&self) -> Vec<Recording> {
        let segments = self.segments.iter().map(segment_recording);
        let mut all: Vec<_> = segments.chain(self.wholes().map(whole_recording)).collect();
        tell_apart(&mut all);
        all
    }

    /// The lost recordings that nobody has acknowledged.
    pub fn losses_to_acknowledge(&self) -> Vec<String> {
        let known: HashSet<&str> = self.acknowledged().collect();
        let recordings = self.recordings().into_iter();
        let lost = recordings.filter(|recording| recording.state == RecordingState::Expired);
        let ids = lost.map(|recording| recording.source_id);
        ids.filter(|id| !known.contains(id.as_str())).collect()
    }

    /// The lost recordings that somebody has acknowledged.
    pub fn acknowledged(&self) -> impl Iterator<Item = &str> {
        let losses = self.losses_acknowledged.iter();
        losses.flat_map(|loss| &loss.source_ids).map(String::as_str)
    }

    /// The manifest with what was acknowledged in an earlier one.
    #[must_use]
    pub fn keeping_acknowledgements_of(mut self, earlier: &Self) -> Self {
        self.losses_acknowledged.clone_from(&earlier.losses_acknowledged);
        self
    }

    /// The room in this manifest.
    pub fn described_room(&self) -> Room {
        Room {
            name: self.room.name.clone(),
            anchor_name: self.room.anchor_name.clone(),
            live_status: self.room.live_status,
            start_time: self.room.start_time,
            end_time: self.room.end_time,
            goods: self.room.goods.clone(),
            ..Room::unlisted(self.room.appid.clone(), self.room.room_id)
        }
    }
}

/// Restores the identities of recordings whose path digests begin alike: a stored object has its identity
/// in its key, and the other recordings get the remaining ones.
fn tell_apart(recordings: &mut [Recording]) {
    let mut taken = HashSet::new();
    for recording in recordings.iter_mut() {
        let ids = identities(recording);
        recording.source_id.clone_from(&ids[0]);
        let stored = key_of(recording).and_then(id_in_key);
        if let Some(id) = ids.into_iter().find(|id| stored == Some(id.as_str())) {
            recording.source_id.clone_from(&id);
            taken.insert(id);
        }
    }
    for recording in recordings.iter_mut().filter(|recording| key_of(recording).is_none()) {
        let ids = identities(recording);
        if let Some(id) = ids.into_iter().find(|id| !taken.contains(id)) {
            recording.source_id.clone_from(&id);
            taken.insert(id);
        }
    }
}

/// The possible identities of a recording.
fn identities(recording: &Recording) -> [String; 3] {
    match &recording.url {
        // A shortened path is never fetched: such a recording needs a fresh URL anyway.
        Some(url) => source_ids_of(digest_of_path(url.path())),
        None => {
            let created = recording.create_time.raw.as_deref();
            source_ids(&unfetchable_identity(recording.unfetchable.as_ref(), created))
        }
    }
}

/// The key of what is stored of a recording.
fn key_of(recording: &Recording) -> Option<&str> {
    match recording.stored.as_ref()? {
        Stored::Segment(object) => Some(&object.key),
        Stored::Whole(whole) => {
            let chunk = whole.chunks.first().map(|chunk| &chunk.key);
            whole.key.as_ref().or(chunk).map(String::as_str)
        }
    }
}

/// The identity in `segments/<time>-<id>.mp4` or `whole/<id>/playlist.m3u8`.
fn id_in_key(key: &str) -> Option<&str> {
    match key.split_once('/')? {
        ("segments", name) => name.strip_suffix(".mp4")?.rsplit_once('-').map(|(_, id)| id),
        ("whole", rest) => rest.split_once('/').map(|(id, _)| id),
        _ => None,
    }
}

fn segment_recording(segment: &Segment) -> Recording {
    let ended = (segment.state, &segment.reason, &segment.loss);
    let stored = segment_object(segment).map(Stored::Segment);
    recording(&segment.source, RecordingKind::Segment, ended, stored)
}

fn whole_recording(whole: &Whole) -> Recording {
    let stored = whole.duration_ms.map(|duration_ms| {
        Stored::Whole(StoredWhole {
            duration_ms,
            key: whole.key.clone(),
            sha256: whole.sha256,
            chunks: whole.chunks.clone(),
            missing: whole.missing.clone(),
            playable_ms: whole.playable_ms,
            playlist_sha256: whole.playlist_sha256,
            source: source_facts(&whole.source),
            archived_at: whole.archived_at,
            source_sha256: whole.source_sha256,
            damaged: whole.damaged.clone(),
            note: whole.note.clone(),
        })
    });
    let ended = (whole.state, &whole.reason, &whole.loss);
    recording(&whole.source, RecordingKind::Whole, ended, stored)
}

/// A recording from its manifest entry. If it was listed without a usable URL, it gets none again: WeChat
/// is asked anew, because that may have been a glitch.
fn recording(
    source: &Source,
    kind: RecordingKind,
    (state, reason, loss): (RecordingState, &Option<String>, &Option<Loss>),
    stored: Option<Stored>,
) -> Recording {
    // An earlier version had reported every loss.
    let told_at = loss.as_ref().map_or(Some(TOLD_BEFORE), |loss| loss.told_at);
    let url = fetchable(source);
    let listed = source.listed.as_ref().filter(|_| url.is_none());
    let create_time = ReplayTime { raw: source.create_time_raw.clone(), at: source.create_time };
    let expire_time = ReplayTime { raw: source.expire_time_raw.clone(), at: source.expire_time };
    Recording {
        // The manifest does not say whether there was a query; asking again is always safe.
        needs_fresh_url: url.is_some(),
        url,
        unfetchable: listed.map(UnfetchableUrl::kept),
        state,
        reason: reason.clone().map(Reason::from),
        told_at: told_at.filter(|_| state == RecordingState::Expired),
        stored,
        ..Recording::listed(String::new(), kind, create_time, expire_time)
    }
}

fn fetchable(source: &Source) -> Option<MediaUrl> {
    let (host, path) = source.host.as_ref().zip(source.path.as_ref())?;
    let scheme = source.scheme.as_deref().filter(|scheme| *scheme == "https").unwrap_or("http");
    let fetchable = source.listed.is_none().then(|| format!("{scheme}://{host}{path}"))?;
    MediaUrl::parse(&fetchable).ok()
}

fn source_facts(source: &Source) -> SourceFacts {
    SourceFacts {
        scheme: source.scheme.clone().unwrap_or_default(),
        etag: source.etag.clone(),
        last_modified: None,
    }
}

fn segment_object(segment: &Segment) -> Option<StoredObject> {
    let object = segment.object.as_ref()?;
    Some(StoredObject {
        key: segment.key.clone()?,
        content_type: segment.content_type.clone()?,
        bytes: segment.bytes?,
        sha256: segment.sha256?,
        crc64nvme: segment.crc64nvme?,
        crc64xz: segment.crc64xz?,
        etag: object.etag.clone(),
        parts: object.parts,
        part_bytes: object.part_bytes,
        source: source_facts(&segment.source),
        evidence: segment.evidence.clone(),
        damage: segment.damage.clone(),
        unexamined: segment.unexamined.clone(),
        media: segment.media.clone(),
        archived_at: segment.archived_at?,
        damaged: segment.damaged.clone(),
    })
}
