//! Reads the facts about a file from its `moov`.

use mp4_atom::{Mdhd, Mehd, Mvhd, Stsd};
use sha2::Digest as _;

use super::boxes::{child, children};
use super::codec;
use super::extent::word;
use super::{Mp4Error, Mp4Structure};
use crate::model::{MediaFacts, Sha256Digest, ToldLengths};

/// The largest `stsd` to decode. Real ones have a few hundred bytes.
const MAX_STSD: usize = 1 << 20;
/// The most tracks to read. Recordings have two.
const MAX_TRACKS: usize = 16;
/// The most codecs to name per track. Recordings have one.
const MAX_CODECS: usize = 8;
/// The longest plausible duration, in milliseconds: 366 days. A longer one is damage.
pub const LONGEST_MS: u64 = 366 * 86_400_000;
/// The handlers of video tracks and of audio tracks.
const VIDEO: [u8; 4] = *b"vide";
const AUDIO: [u8; 4] = *b"soun";

/// Durations that differ by less count as equal: an audio track ends with a frame of its own.
const SAME_MS: u64 = 500;

/// Reads the facts from the payload of the `moov` of a file with this structure.
///
/// It decodes only the boxes it needs, and no sample table, so that a hostile `moov` costs little more
/// memory than its own size. The duration is that of the longest track, measured by its samples; if no
/// track has one, that of the fragments, otherwise the movie's.
///
/// # Errors
/// When a required box is missing or cannot be read, or there is no duration. The file may still be
/// whole.
pub fn facts(moov: &[u8], structure: &Mp4Structure) -> Result<MediaFacts, Mp4Error> {
    let mvhd: Mvhd = decode_child(moov, "mvhd")?;
    let tracks: Vec<Track> = children(moov)
        .filter(|(kind, _)| kind.0 == *b"trak")
        .take(MAX_TRACKS)
        .filter_map(|(_, trak)| Track::read(moov, trak, structure).transpose())
        .collect::<Result<_, _>>()?;
    let (video, audio): (Vec<&Track>, Vec<&Track>) =
        tracks.iter().partition(|track| track.handler == VIDEO);
    let picture = video.first();
    let played = [video.as_slice(), &audio].concat();
    let size = picture.and_then(|track| track.stsd.codecs.first()?.visual());
    let lengths = Lengths::of(moov, &mvhd, &tracks);
    Ok(MediaFacts {
        duration_ms: lengths.duration_ms().ok_or(Mp4Error::NoDuration)?,
        codecs: names(&played),
        width: size.map(|visual| visual.width.into()),
        height: size.map(|visual| visual.height.into()),
        fps: picture.and_then(|track| track.fps()),
        faststart: structure.faststart,
        config_sha256: config_digest(&played),
        told: lengths.told(),
        note: None,
    })
}

/// A video or audio track.
struct Track {
    handler: [u8; 4],
    timescale: u32,
    /// The duration in its header.
    duration: u64,
    /// The duration of its samples, if they are counted.
    ticks: Option<u64>,
    samples: u64,
    /// The duration of its edits in the movie's time scale, if it has edits.
    edited: Option<u64>,
    stsd: Stsd,
}

impl Track {
    /// Reads a track; `None` if it is neither video nor audio.
    fn read(moov: &[u8], trak: &[u8], structure: &Mp4Structure) -> Result<Option<Self>, Mp4Error> {
        let mdia = child(trak, b"mdia").ok_or(Mp4Error::Unreadable("mdia"))?;
        // Version and flags, a reserved field, then the handler. The box is not decoded because its
        // name does not matter and may have any encoding.
        let handler = child(mdia, b"hdlr").and_then(|hdlr| hdlr.get(8..)?.first_chunk());
        let handler = *handler.ok_or(Mp4Error::Unreadable("hdlr"))?;
        if ![VIDEO, AUDIO].contains(&handler) {
            return Ok(None);
        }
        let stbl = child(mdia, b"minf").and_then(|minf| child(minf, b"stbl"));
        let stbl = stbl.ok_or(Mp4Error::Unreadable("stbl"))?;
        let mdhd: Mdhd = decode_child(mdia, "mdhd")?;
        let (samples, ticks) = child(stbl, b"stts").map_or((0, 0), count_samples);
        let fragments = fragment_ticks(moov, trak, structure);
        let counted = ticks.saturating_add(fragments.unwrap_or(0));
        Ok(Some(Self {
            handler,
            timescale: mdhd.timescale,
            duration: known(mdhd.duration),
            ticks: (samples > 0 || fragments.is_some()).then_some(counted),
            samples,
            // When a fragmented file's edits are written, its duration is not known yet.
            edited: edited(trak).filter(|_| !structure.fragmented),
            stsd: decode_child(stbl, "stsd")?,
        }))
    }

    /// Its duration: that of its samples, otherwise that in its header, but no longer than its edits.
    fn duration_ms(&self, movie_timescale: u32) -> u64 {
        let ms = to_ms(self.ticks.unwrap_or(self.duration), self.timescale);
        let edited = self.edited.map(|edited| to_ms(edited, movie_timescale));
        edited.filter(|edited| *edited > 0).map_or(ms, |edited| ms.min(edited))
    }

    /// Average frames per second, to three digits; `None` if the samples are in fragments.
    #[expect(clippy::cast_precision_loss, reason = "a rate of three digits is what is wanted")]
    fn fps(&self) -> Option<f64> {
        let ticks = self.ticks.unwrap_or(self.duration);
        let seconds = ticks as f64 / f64::from(self.timescale);
        let rate = self.samples as f64 / seconds;
        (rate.is_finite() && rate > 0.0).then(|| (rate * 1000.0).round() / 1000.0)
    }
}

/// Decodes the first box of type `name` in `payload`.
fn decode_child<T: mp4_atom::Atom>(payload: &[u8], name: &'static str) -> Result<T, Mp4Error> {
    let body = child(payload, &T::KIND.into()).filter(|body| body.len() <= MAX_STSD);
    let mut body = body.ok_or(Mp4Error::Unreadable(name))?;
    T::decode_body(&mut body).map_err(|_| Mp4Error::Unreadable(name))
}

/// The number of samples in a time-to-sample box (`stts`), and their total duration. Layout: version
/// and flags, a count, then pairs of a number of samples and their duration.
fn count_samples(stts: &[u8]) -> (u64, u64) {
    let (pairs, _) = stts.get(8..).unwrap_or_default().as_chunks::<8>();
    pairs.iter().fold((0, 0), |(samples, ticks): (u64, u64), pair| {
        let number = |at| word(pair, at).map_or(0, u64::from);
        let (count, delta) = (number(0), number(4));
        (samples.saturating_add(count), ticks.saturating_add(count.saturating_mul(delta)))
    })
}

/// The total duration of a track's fragments, in its time scale.
fn fragment_ticks(moov: &[u8], trak: &[u8], structure: &Mp4Structure) -> Option<u64> {
    let tkhd = child(trak, b"tkhd")?;
    let id = word(tkhd, if tkhd.first() == Some(&1) { 20 } else { 12 })?;
    let trex = children(child(moov, b"mvex")?).filter(|(kind, _)| kind.0 == *b"trex");
    let of_track = |(_, trex): &(_, &[u8])| word(trex, 4) == Some(id);
    let default = trex.take(MAX_TRACKS).find(of_track).and_then(|(_, trex)| word(trex, 12));
    structure.fragments.ticks(id, default.unwrap_or(0))
}

/// The total duration of a track's edits, in the movie's time scale, without empty edits.
fn edited(trak: &[u8]) -> Option<u64> {
    let elst = child(child(trak, b"edts")?, b"elst")?;
    let entries = elst.get(8..)?;
    const NOTHING: u32 = u32::MAX;
    let played = |duration: u64, media_time: Option<u32>| match media_time {
        Some(NOTHING) | None => 0,
        Some(_) => duration,
    };
    let sum = match elst.first() {
        Some(1) => entries.as_chunks::<20>().0.iter().fold(0, |sum: u64, edit| {
            let duration = edit.first_chunk().map_or(0, |long| u64::from_be_bytes(*long));
            sum.saturating_add(played(duration, word(edit, 8)))
        }),
        _ => entries.as_chunks::<12>().0.iter().fold(0, |sum: u64, edit| {
            sum.saturating_add(played(word(edit, 0).map_or(0, u64::from), word(edit, 4)))
        }),
    };
    (sum > 0).then_some(sum)
}

/// The durations that a file states, in milliseconds, without zeros and absurd values.
struct Lengths {
    tracks: Vec<u64>,
    /// Whether a track states no plausible duration.
    is_a_track_silent: bool,
    fragments: Option<u64>,
    movie: Option<u64>,
}

impl Lengths {
    fn of(moov: &[u8], mvhd: &Mvhd, tracks: &[Track]) -> Self {
        let is_credible = |ms: &u64| (1..=LONGEST_MS).contains(ms);
        let told = tracks.iter().map(|track| track.duration_ms(mvhd.timescale)).filter(is_credible);
        let told: Vec<u64> = told.collect();
        let fragments = || {
            let mehd: Mehd = decode_child(child(moov, b"mvex")?, "mehd").ok()?;
            Some(to_ms(mehd.fragment_duration, mvhd.timescale))
        };
        Self {
            is_a_track_silent: told.len() < tracks.len(),
            tracks: told,
            fragments: fragments().filter(is_credible),
            movie: Some(to_ms(known(mvhd.duration), mvhd.timescale)).filter(is_credible),
        }
    }

    fn duration_ms(&self) -> Option<u64> {
        self.tracks.iter().max().copied().or(self.fragments).or(self.movie)
    }

    /// The shortest and the longest of them, if they differ. If no track has one, the others mean
    /// nothing.
    fn told(&self) -> Option<ToldLengths> {
        let all = || self.tracks.iter().chain(&self.fragments).chain(&self.movie).copied();
        let least_ms =
            if self.is_a_track_silent && self.fragments.is_none() { 0 } else { all().min()? };
        let most_ms = all().max()?;
        (most_ms - least_ms > SAME_MS).then_some(ToldLengths { least_ms, most_ms })
    }
}

/// A duration with all bits set means unknown.
fn known(duration: u64) -> u64 {
    if duration == u64::from(u32::MAX) || duration == u64::MAX { 0 } else { duration }
}

fn to_ms(duration: u64, timescale: u32) -> u64 {
    let ms = u128::from(duration) * 1000 + u128::from(timescale) / 2;
    ms.checked_div(timescale.into()).map_or(0, |ms| u64::try_from(ms).unwrap_or(u64::MAX))
}

fn names(tracks: &[&Track]) -> Option<String> {
    let codecs = tracks.iter().flat_map(|track| track.stsd.codecs.iter().take(MAX_CODECS));
    let names: Vec<String> = codecs.map(codec::name).collect();
    (!names.is_empty()).then(|| names.join(","))
}

/// The digest of all codec configurations; `None` if one is not understood, or there is none.
fn config_digest(tracks: &[&Track]) -> Option<Sha256Digest> {
    let mut digest = sha2::Sha256::new();
    for codec in tracks.iter().flat_map(|track| &track.stsd.codecs) {
        let config = codec::config(codec)?;
        // The length separates the configurations.
        digest.update((config.len() as u64).to_be_bytes());
        digest.update(&config);
    }
    (!tracks.is_empty()).then(|| Sha256Digest(digest.finalize().into()))
}

#[cfg(test)]
mod tests {
    use super::super::{BoxWalk, Limits};
    use super::*;

    fn structure_of(file: &[u8]) -> Mp4Structure {
        let mut walk = BoxWalk::new(Limits::default());
        walk.feed(file).unwrap();
        walk.finish(None).unwrap()
    }

    fn moov_of(file: &[u8]) -> Vec<u8> {
        structure_of(file).moov.unwrap()
    }

    fn facts_of(file: &[u8]) -> MediaFacts {
        facts(&moov_of(file), &structure_of(file)).unwrap()
    }

    /// The facts of a file without fragments.
    fn facts_in(moov: &[u8]) -> Result<MediaFacts, Mp4Error> {
        facts(moov, &Mp4Structure::default())
    }

    const FASTSTART: &[u8] = include_bytes!("../../../tests/it/fixtures/media/faststart.mp4");
    const AT_END: &[u8] = include_bytes!("../../../tests/it/fixtures/media/moov-at-end.mp4");
    const OTHER: &[u8] = include_bytes!("../../../tests/it/fixtures/media/other-config.mp4");
    const FRAGMENTED: &[u8] = include_bytes!("../../../tests/it/fixtures/media/fragmented.mp4");
    const HEVC: &[u8] = include_bytes!("../../../tests/it/fixtures/media/hevc.mp4");

    #[test]
    fn a_recording_tells_its_duration_codecs_size_and_rate() {
        let facts = facts_of(FASTSTART);
        assert_eq!(facts.codecs.as_deref(), Some("avc1.64000a,mp4a.40.2"));
        assert_eq!((facts.width, facts.height, facts.fps), (Some(64), Some(64), Some(25.0)));
        assert_eq!(facts.duration_ms, 1000);
        let other = facts_of(OTHER);
        assert_eq!(other.codecs.as_deref(), Some("avc1.42c00a,mp4a.40.2"));
        assert_eq!((other.width, other.height, other.fps), (Some(96), Some(64), Some(15.0)));
    }

    #[test]
    fn hevc_is_named_with_profile_tier_and_level() {
        let facts = facts_of(HEVC);
        assert_eq!(facts.codecs.as_deref(), Some("hvc1.1.6.L30.90"));
        assert!(facts.config_sha256.is_some());
    }

    #[test]
    fn equal_configurations_have_equal_digests_wherever_the_moov_lies() {
        let digest = facts_of(FASTSTART).config_sha256.unwrap();
        assert_eq!(facts_of(AT_END).config_sha256, Some(digest));
        assert_ne!(facts_of(OTHER).config_sha256, Some(digest));
        assert_eq!(config_with(FASTSTART, |_| ()), Some(digest));
    }

    #[test]
    fn bit_rates_are_no_part_of_the_configuration() {
        let digest = facts_of(FASTSTART).config_sha256;
        let other_rates = |moov: &mut [u8]| {
            // DecoderConfigDescriptor: tag, four bytes of length, object type, stream type, then buffer
            // size, maximum and average bit rate.
            let at = moov.windows(4).position(|four| four == b"esds").unwrap();
            let config = at + moov[at..].windows(2).position(|two| two == [0x40, 0x15]).unwrap();
            moov[config + 2..config + 13].fill(0x11);
        };
        assert_eq!(config_with(FASTSTART, other_rates), digest);
    }

    fn config_with(file: &[u8], change: impl Fn(&mut [u8])) -> Option<Sha256Digest> {
        let mut moov = moov_of(file);
        change(&mut moov);
        facts_in(&moov).unwrap().config_sha256
    }

    #[test]
    fn a_fragmented_file_is_as_long_as_its_fragments() {
        let facts = facts_of(FRAGMENTED);
        assert_eq!((facts.duration_ms / 100, facts.told), (10, None));
        assert_eq!(facts_in(&moov_of(FRAGMENTED)), Err(Mp4Error::NoDuration));
    }

    /// Overwrites bytes of the `nth` box of type `kind`, from offset `at` on.
    fn put(moov: &mut [u8], (kind, nth): (&[u8; 4], usize), at: usize, bytes: &[u8]) {
        let boxes = moov.windows(4).enumerate().filter(|(_, four)| four == kind);
        let body = boxes.map(|(at, _)| at + 4).nth(nth).unwrap();
        moov[body + at..body + at + bytes.len()].copy_from_slice(bytes);
    }

    /// The type and index of a box, the offset in it, and the word to write there.
    type Change<'a> = ((&'a [u8; 4], usize), usize, u32);

    /// The duration, and the shortest and longest stated one, of a file of 1 s with these changes.
    fn told_with(changes: &[Change<'_>]) -> (u64, Option<(u64, u64)>) {
        let mut moov = moov_of(FASTSTART);
        for (place, at, word) in changes {
            put(&mut moov, *place, *at, &word.to_be_bytes());
        }
        let facts = facts_in(&moov).unwrap();
        (facts.duration_ms, facts.told.map(|told| (told.least_ms, told.most_ms)))
    }

    #[test]
    fn a_file_is_as_long_as_its_longest_track_whatever_its_headers_say() {
        let (movie, video, sound) = ((b"mvhd", 0), (b"mdhd", 0), (b"mdhd", 1));
        let edits = [(b"elst", 0), (b"elst", 1)];
        // Version and flags, two times, then scale and duration.
        let (scale, duration) = (12, 16);
        assert_eq!(told_with(&[]), (1000, None));
        assert_eq!(told_with(&[(movie, duration, 6000)]), (1000, Some((1000, 6000))));
        assert_eq!(told_with(&[(movie, duration, 100)]), (1000, Some((100, 1000))));
        assert_eq!(told_with(&[(movie, duration, 0)]), (1000, None));
        assert_eq!(told_with(&[(movie, duration, u32::MAX)]), (1000, None));
        let (ms, told) = told_with(&[(movie, scale, 0)]);
        assert_eq!((ms / 100, told), (10, None));
        let longer = [(video, duration, 90_000_000), (sound, duration, 90_000_000)];
        assert_eq!(told_with(&longer), (1000, None), "samples count");
        assert_eq!(told_with(&[(video, scale, 0)]), (1000, Some((0, 1000))));
        let silent = [(video, scale, 0), (sound, scale, 0)];
        assert_eq!(told_with(&silent), (1000, Some((0, 1000))));
        assert_eq!(told_with(&[(edits[0], 8, 300)]), (1000, Some((300, 1000))), "edited");
        assert_eq!(told_with(&[(edits[0], 8, 300), (edits[1], 8, 300)]).0, 300);
        assert_eq!(told_with(&[(edits[0], 12, u32::MAX)]), (1000, None), "an edit of nothing");
        assert_eq!(told_with(&[((b"stts", 0), 8, 5)]), (1000, Some((200, 1000))), "five pictures");
    }

    #[test]
    fn a_broken_moov_is_an_error_that_names_the_box() {
        assert_eq!(facts_in(&[]), Err(Mp4Error::Unreadable("mvhd")));
        let mut moov = moov_of(FASTSTART);
        let at = moov.windows(4).position(|four| four == b"avcC").unwrap();
        moov[at + 4] = 9;
        assert_eq!(facts_in(&moov), Err(Mp4Error::Unreadable("stsd")));
    }

    proptest::proptest! {
        #[test]
        fn no_moov_is_too_broken_to_be_refused(
            changes in proptest::collection::vec((0_usize..4000, 0_u8..), 1..8),
        ) {
            let mut moov = moov_of(FASTSTART);
            for (at, byte) in changes {
                let at = at % moov.len();
                moov[at] = byte;
            }
            // It only has to return; a changed byte may or may not matter.
            let outcome = facts_in(&moov);
            proptest::prop_assert!(outcome.is_err() || outcome.unwrap().duration_ms > 0);
        }
    }
}
