//! Fetches and stores the files of a whole, several at once and as many as possible.
//!
//! A file that cannot be fetched does not stop the others. What concerns all of them, such as the store
//! or the lease, ends the attempt. A host that fails for many files in a row, and then for others far
//! apart, is not asked for the rest.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::TryStreamExt as _;

use super::chunks::Chunks;
use super::copy::{Copied, Target, copy};
use super::doubts::{Doubts, Hope};
use super::failure::Failure;
use super::hashing::Format;
use super::inits::Inits;
use super::source::Source;
use super::stretch::copy_range;
use super::{Context, Place};
use crate::media::chunk::{Finding, Told};
use crate::media::hls::{ChunkFile, Lack, MediaPlaylist};
use crate::model::lifecycle::Trouble;
use crate::model::time::playing_time;
use crate::model::{Evidence, MediaUrl, MissingChunk, ObjectKey, Reason, Recording, WholeChunk};
use crate::schedule::Beside;

/// After this many files in a row have failed in ways that may pass, others are tried.
const IN_A_ROW: usize = 8;

/// After this many rounds without one of the others, the host is left alone for this run.
const IN_VAIN: u32 = 2;

/// The result for the files of a playlist.
#[derive(Debug)]
pub(super) struct Gathered {
    /// The stored files, in order.
    pub chunks: Vec<WholeChunk>,
    stored: HashSet<String>,
    lost: HashMap<String, Lost>,
}

/// A file that could not be fetched.
#[derive(Debug, Clone)]
struct Lost {
    /// What that means for the whole.
    trouble: Trouble,
    reason: Reason,
}

/// Stores as many files of the playlist as possible, except those known to be stored.
///
/// # Errors
/// What concerns all files: the store, the ledger, the lease.
pub(super) async fn gather(
    context: &Arc<Context>,
    (place, recording): (&Arc<Place>, &Recording),
    whole: &Source,
    playlist: &MediaPlaylist,
    known: &Chunks,
) -> Result<Gathered, Failure> {
    let (failed, others) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let inits = Inits::of(playlist);
    let fetch = Fetch { context, place, recording, whole, known, inits, failed, others };
    // A file that ends too early is kept once nothing better can be expected.
    let over = place.room.end_time.or(place.room.start_time);
    let is_kept_cut = recording.is_last_chance(over, context.clock.now());
    let files = playlist.told().map(|(file, told)| (file.clone(), Told { is_kept_cut, ..told }));
    // The initialisation sections, by which the samples of chunks are examined.
    let (inits, chunks): (Vec<_>, Vec<_>) = files.partition(|(_, told)| told.promise.is_none());
    let (mut stored, mut lost) = (HashMap::new(), HashMap::new());
    for files in [inits, chunks] {
        // Boxed, like each file's future, because it is large.
        Box::pin(fetch.all(files, &mut stored, &mut lost)).await?;
    }
    let chunks = playlist.files().filter_map(|file| stored.get(&file.name).cloned()).collect();
    Ok(Gathered { chunks, stored: stored.into_keys().collect(), lost })
}

/// The same files, but beginning with some that lie far apart: if one stretch of a broadcast is
/// damaged, they show whether the rest is.
fn spread<T>(files: Vec<T>) -> Vec<T> {
    let step = files.len().div_ceil(IN_A_ROW).max(1);
    let (far, near): (Vec<_>, Vec<_>) =
        files.into_iter().enumerate().partition(|(at, _)| at % step == 0);
    far.into_iter().chain(near).map(|(_, file)| file).collect()
}

/// The result of a request for a file.
enum Fetched {
    Stored(WholeChunk),
    Lost(Lost),
    /// Not requested, because those before it failed.
    Skipped,
}

/// What fetching the files of a whole needs.
struct Fetch<'a> {
    context: &'a Arc<Context>,
    place: &'a Arc<Place>,
    recording: &'a Recording,
    whole: &'a Source,
    known: &'a Chunks,
    inits: Inits,
    /// The failures since the last success.
    failed: Mutex<Vec<Trouble>>,
    /// Whether a file was fetched in this round.
    others: AtomicBool,
}

impl Fetch<'_> {
    /// Fetches as many of these files as possible.
    async fn all(
        &self,
        mut left: Vec<(ChunkFile, Told)>,
        stored: &mut HashMap<String, WholeChunk>,
        lost: &mut HashMap<String, Lost>,
    ) -> Result<(), Failure> {
        let mut in_vain = 0;
        while !left.is_empty() && in_vain < IN_VAIN {
            self.begin_round();
            let round = left.drain(..).map(|(file, told)| self.one(file, told));
            let round = Beside::Chunks(self.context.work.ranges).each(round);
            let round: Vec<_> = round.try_collect().await?;
            for (file, told, outcome) in round {
                match outcome {
                    Fetched::Stored(chunk) => drop(stored.insert(file.name, chunk)),
                    Fetched::Lost(why) => drop(lost.insert(file.name, why)),
                    Fetched::Skipped => left.push((file, told)),
                }
            }
            in_vain = if self.others_came() { 0 } else { in_vain + 1 };
            left = spread(left);
        }
        lost.extend(left.into_iter().map(|(file, _)| (file.name, self.not_asked())));
        Ok(())
    }

    fn begin_round(&self) {
        self.others.store(false, Ordering::Relaxed);
        self.failed().clear();
    }

    fn others_came(&self) -> bool {
        self.others.load(Ordering::Relaxed)
    }

    fn failed(&self) -> MutexGuard<'_, Vec<Trouble>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A file that was not requested has the prospects of those that were.
    fn not_asked(&self) -> Lost {
        let trouble = self.failed().last().cloned().unwrap_or(Trouble::Faulty);
        let reason = format!("not requested, because {IN_A_ROW} in a row before it had failed");
        Lost { trouble, reason: reason.into() }
    }

    /// Fetches one file, given what the playlist says about it.
    async fn one(
        &self,
        file: ChunkFile,
        told: Told,
    ) -> Result<(ChunkFile, Told, Fetched), Failure> {
        let key = self.place.keys.whole_file(&self.recording.source_id, &file.name);
        let relative = self.place.keys.relative(&key).unwrap_or_default().to_owned();
        if let Some(stored) = self.known.stored(&relative) {
            return Ok((file, told, Fetched::Stored(stored)));
        }
        if self.failed().len() >= IN_A_ROW {
            return Ok((file, told, Fetched::Skipped));
        }
        let init = (self.place.as_ref(), self.recording.source_id.as_str());
        let init = self.inits.of_chunk(&self.context.store, init, &file.name).await;
        let copied = match self.copy(key, &file, Told { init, ..told.clone() }).await {
            Ok(copied) => copied,
            Err(failure) => {
                let lost = self.lost(&file, failure)?;
                return Ok((file, told, Fetched::Lost(lost)));
            }
        };
        self.others.store(true, Ordering::Relaxed);
        self.failed().clear();
        let chunk = whole_chunk(relative, &told, copied);
        note_damage(self.place, &chunk);
        self.known.keep(file.name.clone(), &chunk).await?;
        Ok((file, told, Fetched::Stored(chunk)))
    }

    /// Copies one file of a playlist. A file that breaks off starts over: only complete ones are
    /// recorded.
    async fn copy(&self, key: ObjectKey, file: &ChunkFile, told: Told) -> Result<Copied, Failure> {
        let (context, place) = (self.context, self.place);
        let content_type = file.content_type();
        let room = (place.appid.clone(), place.room.room_id);
        let hope = if told.is_kept_cut { Hope::Spent } else { Hope::Left };
        let (format, doubts) = (Format::Chunk(told), Doubts::default());
        let target = Target { room, key, content_type, format, doubts, checkpoint: None, hope };
        let source = Source::of_chunk(context, MediaUrl::clone(&file.link.url), self.whole.job());
        match file.range.clone() {
            Some(range) => copy_range(context, &source, &target, range).await,
            None => copy(context, &source, &target).await,
        }
    }

    /// The loss that a failure means for a file; the failure itself if it does not concern this file
    /// alone.
    fn lost(&self, file: &ChunkFile, failure: Failure) -> Result<Lost, Failure> {
        if !failure.is_about_the_file() {
            return Err(failure);
        }
        let may_pass = failure.may_pass() || failure.may_be_a_slip();
        let (trouble, reason) = failure.into_trouble()?;
        match may_pass {
            true => self.failed().push(trouble.clone()),
            false => self.failed().clear(),
        }
        // The manifest gives the path and the host separately.
        let url = format!("{}: ", file.link.url.without_query());
        Ok(Lost { trouble, reason: reason.saying(|why| why.replacen(&url, "", 1)) })
    }
}

impl Gathered {
    /// Whether a file is stored.
    pub(super) fn has(&self, file: &ChunkFile) -> bool {
        self.stored.contains(&file.name)
    }

    /// Whether all files of the playlist are stored.
    pub(super) fn is_complete(&self, playlist: &MediaPlaylist) -> bool {
        playlist.files().all(|file| self.has(file))
    }

    /// The missing files, as listed in the manifest.
    pub(super) fn missing(&self, playlist: &MediaPlaylist) -> Vec<MissingChunk> {
        let lacks = playlist.lacks(|file| self.has(file));
        let missing = lacks.into_iter().map(|lack| MissingChunk {
            name: lack.file.name.clone(),
            host: lack.file.link.listed().host(),
            path: lack.file.link.listed().path().to_owned(),
            offset_ms: lack.offset_ms,
            duration_ms: lack.duration_ms,
            reason: self.why(&lack).message,
        });
        missing.collect()
    }

    /// The trouble of an incomplete whole and its reason; `None` for a complete one. As long as one
    /// file may still come, so may the whole.
    pub(super) fn incomplete(&self, playlist: &MediaPlaylist) -> Option<(Trouble, Reason)> {
        let lacks = playlist.lacks(|file| self.has(file));
        let trouble_of = |lack: &Lack<'_>| Some(&self.lost.get(&lack.file.name)?.trouble);
        // The first of the most promising ones.
        let told = lacks.iter().min_by_key(|lack| trouble_of(lack).map_or(u8::MAX, doom))?;
        let trouble = trouble_of(told)?.clone();
        let Lack { file, offset_ms, duration_ms } = told;
        let end_ms = offset_ms.saturating_add(*duration_ms);
        let others = match lacks.len() - 1 {
            0 => String::new(),
            others => format!(" ({others} more are missing)"),
        };
        let of_source = || playlist.chunks.iter().filter(|chunk| !chunk.is_gap);
        let (all, have) =
            (of_source().count(), of_source().filter(|chunk| self.has(&chunk.file)).count());
        let (name, path) = (&file.name, file.link.listed().path().to_owned());
        let (from, to) = (playing_time(*offset_ms), playing_time(end_ms));
        let reason = self.why(told).saying(|why| {
            format!(
                "{name} ({path}, {from}–{to} of the broadcast): {why}{others}; {have} of {all} chunks \
                 are archived"
            )
        });
        Some((trouble, reason))
    }

    /// Why a file could not be fetched.
    fn why(&self, lack: &Lack<'_>) -> Reason {
        self.lost.get(&lack.file.name).map(|lost| lost.reason.clone()).unwrap_or_default()
    }
}

/// The record of a stored file.
fn whole_chunk(key: String, told: &Told, copied: Copied) -> WholeChunk {
    let (examined, seen) = copied.examined.unwrap_or_default();
    let is_examined = told.promise.is_some() && examined.unexamined.is_none();
    let damage = |finding: Finding| finding.damage(seen);
    WholeChunk {
        key,
        bytes: copied.bytes,
        sha256: copied.digests.sha256,
        crc64nvme: copied.digests.crc64nvme,
        crc64xz: copied.digests.crc64xz,
        duration_ms: told.promise.map_or(0, |promise| promise.duration_ms),
        evidence: is_examined.then_some(Evidence::Samples).into_iter().collect(),
        damage: examined.findings.into_iter().map(damage).collect(),
        note: examined.note,
    }
}

/// Logs a chunk that was damaged at its source and archived as received.
fn note_damage(place: &Place, chunk: &WholeChunk) {
    let Some(first) = chunk.damage.first() else { return };
    tracing::warn!(
        room.id = %place.room.room_id,
        chunk.key = chunk.key,
        damage.offset = first.offset,
        damage.what = first.what,
        damage.places = chunk.damage.len(),
        damage.seen = first.seen,
        "archived {} of room {}, which is damaged at its source",
        chunk.key,
        place.room.room_id,
    );
}

/// How hopeless a trouble is: the sooner after its deadline a recording is given up for it, the higher.
fn doom(trouble: &Trouble) -> u8 {
    match trouble {
        Trouble::Ours => 0,
        Trouble::Silent => 1,
        Trouble::Forbidden(_) => 2,
        Trouble::Faulty | Trouble::NoRecording => 3,
        Trouble::Gone => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_lie_far_apart_come_first_and_none_is_left_out() {
        let mut order = spread((0..80).collect());
        assert_eq!(order[..9], [0, 10, 20, 30, 40, 50, 60, 70, 1]);
        order.sort_unstable();
        assert_eq!(order, (0..80).collect::<Vec<_>>());
        assert_eq!(spread(vec![1, 2, 3]), [1, 2, 3]);
        assert_eq!(spread(Vec::<u8>::new()), [0_u8; 0]);
    }
}
