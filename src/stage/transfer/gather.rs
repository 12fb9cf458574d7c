//! The files of a whole: fetched and stored several at once, as many of them as can be had.
//!
//! That one cannot be had stops none of the others. What concerns all of them, as the store or the
//! lease, ends the attempt; a host that has failed for many in a row, and for others that lie far
//! apart, is not asked for the rest.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::{StreamExt as _, TryStreamExt as _};

use super::chunks::Chunks;
use super::copy::{Copied, Target, copy, copy_range};
use super::doubts::Doubts;
use super::examining::Earlier;
use super::failure::Failure;
use super::hashing::Format;
use super::source::Source;
use super::{Context, Place};
use crate::media::chunk::{Finding, Told};
use crate::media::hls::{ChunkFile, Lack, MediaPlaylist};
use crate::model::lifecycle::Trouble;
use crate::model::time::playing_time;
use crate::model::{Damage, Evidence, MediaUrl, MissingChunk, ObjectKey, Recording, WholeChunk};

/// So many files in a row fail in ways that may pass before others are tried.
const IN_A_ROW: usize = 8;

/// So often none of these others comes before the host is left alone for this run.
const IN_VAIN: u32 = 2;

/// What has become of the files of a playlist.
#[derive(Debug)]
pub(super) struct Gathered {
    /// Those that are stored, in order.
    pub chunks: Vec<WholeChunk>,
    stored: HashSet<String>,
    lost: HashMap<String, Lost>,
}

/// A file that could not be had.
#[derive(Debug, Clone)]
struct Lost {
    /// What that means for the whole.
    trouble: Trouble,
    /// Why, with hints.
    reason: String,
}

/// Stores every file of the playlist that is not known to be stored, as far as it can be had.
///
/// # Errors
/// What concerns them all: the store, the ledger, the lease.
pub(super) async fn gather(
    context: &Arc<Context>,
    (place, recording): (&Arc<Place>, &Recording),
    whole: &Source,
    playlist: &MediaPlaylist,
    known: &Chunks,
) -> Result<Gathered, Failure> {
    let (failed, others) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let fetch = Fetch { context, place, recording, whole, known, failed, others };
    // What ends too early is kept once nothing better will come.
    let over = place.room.end_time.or(place.room.start_time);
    let is_kept_cut = recording.is_last_chance(over, context.clock.now());
    let mut left: Vec<(ChunkFile, Told)> = (playlist.told())
        .map(|(file, told)| (file.clone(), Told { is_kept_cut, ..told }))
        .collect();
    let (mut stored, mut lost, mut in_vain) = (HashMap::new(), HashMap::new(), 0);
    while !left.is_empty() && in_vain < IN_VAIN {
        fetch.begin_round();
        let round: Vec<_> = futures::stream::iter(std::mem::take(&mut left))
            .map(|(file, told)| fetch.one(file, told))
            .buffered(context.work.ranges.max(1))
            .try_collect()
            .await?;
        for (file, told, outcome) in round {
            match outcome {
                Fetched::Stored(chunk) => drop(stored.insert(file.name, chunk)),
                Fetched::Lost(why) => drop(lost.insert(file.name, why)),
                Fetched::Skipped => left.push((file, told)),
            }
        }
        in_vain = if fetch.others_came() { 0 } else { in_vain + 1 };
        left = spread(left);
    }
    lost.extend(left.into_iter().map(|(file, _)| (file.name, fetch.not_asked())));
    let chunks = playlist.files().filter_map(|file| stored.get(&file.name).cloned()).collect();
    Ok(Gathered { chunks, stored: stored.into_keys().collect(), lost })
}

/// The same files, first some that lie far apart: where a stretch of a broadcast is damaged, they
/// show whether the rest is.
fn spread<T>(files: Vec<T>) -> Vec<T> {
    let step = files.len().div_ceil(IN_A_ROW).max(1);
    let (far, near): (Vec<_>, Vec<_>) =
        files.into_iter().enumerate().partition(|(at, _)| at % step == 0);
    far.into_iter().chain(near).map(|(_, file)| file).collect()
}

/// What a request for a file has come to.
enum Fetched {
    Stored(WholeChunk),
    Lost(Lost),
    /// It was not asked for, since those before it failed.
    Skipped,
}

/// What fetching the files of a whole needs.
struct Fetch<'a> {
    context: &'a Arc<Context>,
    place: &'a Arc<Place>,
    recording: &'a Recording,
    whole: &'a Source,
    known: &'a Chunks,
    /// What became of those that failed, since one came.
    failed: Mutex<Vec<Trouble>>,
    /// Whether one came in this round.
    others: AtomicBool,
}

impl Fetch<'_> {
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

    /// A file that was not asked for is as hopeful as those that were.
    fn not_asked(&self) -> Lost {
        let trouble = self.failed().last().cloned().unwrap_or(Trouble::Faulty);
        let reason = format!("it was not asked for, since {IN_A_ROW} before it had failed");
        Lost { trouble, reason }
    }

    /// One file, with what is told of it, and what has become of it.
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
        let copied = match self.copy(key, &file, told).await {
            Ok(copied) => copied,
            Err(failure) => {
                let lost = self.lost(&file, failure)?;
                return Ok((file, told, Fetched::Lost(lost)));
            }
        };
        self.others.store(true, Ordering::Relaxed);
        self.failed().clear();
        let chunk = whole_chunk(relative, told, copied);
        note_damage(self.place, &chunk);
        self.known.keep(file.name.clone(), &chunk).await?;
        Ok((file, told, Fetched::Stored(chunk)))
    }

    /// Copies one file of a playlist. A file that breaks off is begun anew: only whole ones are noted.
    async fn copy(&self, key: ObjectKey, file: &ChunkFile, told: Told) -> Result<Copied, Failure> {
        let (context, place) = (self.context, self.place);
        let content_type = file.content_type();
        let room = (place.appid.clone(), place.room.room_id);
        let (format, doubts, earlier) =
            (Format::Chunk(told), Doubts::default(), Earlier::default());
        let target = Target { room, key, content_type, format, doubts, checkpoint: None, earlier };
        let source = Source::of_chunk(context, MediaUrl::clone(&file.link.url), self.whole.job());
        match file.range.clone() {
            Some(range) => copy_range(context, &source, &target, range).await,
            None => copy(context, &source, &target).await,
        }
    }

    /// What a failure makes of a file; the failure itself where it is not about this file.
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
        // The path is told beside it, the host in the manifest.
        let url = format!("{}: ", file.link.url.without_query());
        Ok(Lost { trouble, reason: reason.replacen(&url, "", 1) })
    }
}

impl Gathered {
    /// Whether a file is stored.
    pub(super) fn has(&self, file: &ChunkFile) -> bool {
        self.stored.contains(&file.name)
    }

    /// Whether all files of the playlist are.
    pub(super) fn is_complete(&self, playlist: &MediaPlaylist) -> bool {
        playlist.files().all(|file| self.has(file))
    }

    /// The files that could not be had, as the manifest tells of them.
    pub(super) fn missing(&self, playlist: &MediaPlaylist) -> Vec<MissingChunk> {
        let lacks = playlist.lacks(|file| self.has(file));
        let missing = lacks.into_iter().map(|lack| MissingChunk {
            name: lack.file.name.clone(),
            host: lack.file.link.listed().host(),
            path: lack.file.link.listed().path().to_owned(),
            offset_ms: lack.offset_ms,
            duration_ms: lack.duration_ms,
            reason: self.why(&lack).0.to_owned(),
        });
        missing.collect()
    }

    /// The trouble of a whole some of whose files could not be had, and the reason; `None` for one
    /// that is complete. As long as one of them may still come, so may the whole.
    pub(super) fn incomplete(&self, playlist: &MediaPlaylist) -> Option<(Trouble, String)> {
        let lacks = playlist.lacks(|file| self.has(file));
        let trouble_of = |lack: &Lack<'_>| Some(&self.lost.get(&lack.file.name)?.trouble);
        // The first of the most hopeful.
        let told = lacks.iter().min_by_key(|lack| trouble_of(lack).map_or(u8::MAX, doom))?;
        let trouble = trouble_of(told)?.clone();
        let (why, hints) = self.why(told);
        let Lack { file, offset_ms, duration_ms } = told;
        let end_ms = offset_ms.saturating_add(*duration_ms);
        let others = match lacks.len() - 1 {
            0 => String::new(),
            others => format!(" ({others} more could not be had)"),
        };
        let of_source = || playlist.chunks.iter().filter(|chunk| !chunk.is_gap);
        let (all, have) =
            (of_source().count(), of_source().filter(|chunk| self.has(&chunk.file)).count());
        let reason = format!(
            "{} ({}, {}–{} of the broadcast): {why}{others}; {have} of {all} chunks are archived{hints}",
            file.name,
            file.link.listed().path(),
            playing_time(*offset_ms),
            playing_time(end_ms),
        );
        Some((trouble, reason))
    }

    /// Why a file could not be had, and the hints that go with it.
    fn why(&self, lack: &Lack<'_>) -> (&str, &str) {
        let reason = self.lost.get(&lack.file.name).map_or("", |lost| &lost.reason);
        let end = reason.find("\nhint: ").unwrap_or(reason.len());
        reason.split_at(end)
    }
}

/// What is known of a stored file.
fn whole_chunk(key: String, told: Told, copied: Copied) -> WholeChunk {
    let (examined, seen) = copied.examined.unwrap_or_default();
    let is_examined = told.promise.is_some() && examined.unexamined.is_none();
    let damage = |finding: Finding| Damage {
        offset: finding.offset,
        length: finding.length,
        at_ms: finding.at_ms,
        duration_ms: finding.duration_ms,
        what: finding.what,
        seen,
    };
    WholeChunk {
        key,
        bytes: copied.bytes,
        sha256: copied.digests.sha256,
        crc64nvme: copied.digests.crc64nvme,
        crc64xz: copied.digests.crc64xz,
        duration_ms: told.promise.map_or(0, |promise| promise.duration_ms),
        evidence: is_examined.then_some(Evidence::Samples).into_iter().collect(),
        damage: examined.findings.into_iter().map(damage).collect(),
    }
}

/// A chunk that is damaged at its source is archived as it is, and said.
fn note_damage(place: &Place, chunk: &WholeChunk) {
    let Some(first) = chunk.damage.first() else { return };
    tracing::warn!(
        room.id = %place.room.room_id,
        chunk.key = chunk.key,
        damage.offset = first.offset,
        damage.what = first.what,
        damage.places = chunk.damage.len(),
        damage.seen = first.seen,
        "a chunk is damaged at its source and archived as it is"
    );
}

/// How little hope a trouble leaves: the sooner after its deadline a recording is given up for it, the
/// less.
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
