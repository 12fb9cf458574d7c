//! What a `moov` says of its file.

use mp4_atom::{Mdhd, Mehd, Mvhd, Stsd};
use sha2::Digest as _;

use super::Mp4Error;
use super::boxes::{child, children};
use super::codec;
use crate::model::{MediaFacts, Sha256Digest};

/// The largest `stsd` that is decoded. Real ones have a few hundred bytes.
const MAX_STSD: usize = 1 << 20;
/// The most tracks that are looked at. Recordings have two.
const MAX_TRACKS: usize = 16;
/// The most codecs of one track that are named. Recordings have one.
const MAX_CODECS: usize = 8;
/// The longest duration that is believed, in milliseconds: 366 days. A longer one is damage.
pub const LONGEST_MS: u64 = 366 * 86_400_000;
/// The handler of tracks with pictures, and of those with sound.
const VIDEO: [u8; 4] = *b"vide";
const AUDIO: [u8; 4] = *b"soun";

/// Reads the payload of a `moov`; `faststart` is passed on.
///
/// Only the boxes that are needed are decoded, none of them a table of samples, so that a hostile
/// `moov` costs little more memory than its own. The duration is the movie's, else that of its
/// fragments, else that of its longest track.
///
/// # Errors
/// When a needed box is missing or cannot be read, or no duration is told. The file may be whole all
/// the same.
pub fn facts(moov: &[u8], faststart: bool) -> Result<MediaFacts, Mp4Error> {
    let mvhd: Mvhd = decode_child(moov, "mvhd")?;
    let tracks: Vec<Track> = children(moov)
        .filter(|(kind, _)| kind.0 == *b"trak")
        .take(MAX_TRACKS)
        .filter_map(|(_, trak)| Track::read(trak).transpose())
        .collect::<Result<_, _>>()?;
    let (video, audio): (Vec<&Track>, Vec<&Track>) =
        tracks.iter().partition(|track| track.handler == VIDEO);
    let picture = video.first();
    let played = [video.as_slice(), &audio].concat();
    let size = picture.and_then(|track| track.stsd.codecs.first()?.visual());
    Ok(MediaFacts {
        duration_ms: duration_ms(moov, &mvhd, &tracks)?,
        codecs: names(&played),
        width: size.map(|visual| visual.width.into()),
        height: size.map(|visual| visual.height.into()),
        fps: picture.and_then(|track| track.fps()),
        faststart,
        config_sha256: config_digest(&played),
    })
}

/// A track with pictures or sound.
struct Track {
    handler: [u8; 4],
    timescale: u32,
    duration: u64,
    samples: u64,
    stsd: Stsd,
}

impl Track {
    /// Reads a track; `None` for one that is neither seen nor heard.
    fn read(trak: &[u8]) -> Result<Option<Self>, Mp4Error> {
        let mdia = child(trak, b"mdia").ok_or(Mp4Error::Unreadable("mdia"))?;
        // Version and flags, a reserved field, then the handler. Its name, in whatever encoding,
        // does not matter, so that the box is not decoded.
        let handler = child(mdia, b"hdlr").and_then(|hdlr| hdlr.get(8..)?.first_chunk());
        let handler = *handler.ok_or(Mp4Error::Unreadable("hdlr"))?;
        if ![VIDEO, AUDIO].contains(&handler) {
            return Ok(None);
        }
        let stbl = child(mdia, b"minf").and_then(|minf| child(minf, b"stbl"));
        let stbl = stbl.ok_or(Mp4Error::Unreadable("stbl"))?;
        let mdhd: Mdhd = decode_child(mdia, "mdhd")?;
        Ok(Some(Self {
            handler,
            timescale: mdhd.timescale,
            duration: known(mdhd.duration),
            samples: child(stbl, b"stts").map_or(0, count_samples),
            stsd: decode_child(stbl, "stsd")?,
        }))
    }

    fn duration_ms(&self) -> u64 {
        to_ms(self.duration, self.timescale)
    }

    /// Average frames per second, to three digits; `None` where samples are in fragments.
    #[expect(clippy::cast_precision_loss, reason = "a rate of three digits is what is wanted")]
    fn fps(&self) -> Option<f64> {
        let seconds = self.duration as f64 / f64::from(self.timescale);
        let rate = self.samples as f64 / seconds;
        (rate.is_finite() && rate > 0.0).then(|| (rate * 1000.0).round() / 1000.0)
    }
}

/// Decodes the first box of type `name` within `payload`.
fn decode_child<T: mp4_atom::Atom>(payload: &[u8], name: &'static str) -> Result<T, Mp4Error> {
    let body = child(payload, &T::KIND.into()).filter(|body| body.len() <= MAX_STSD);
    let mut body = body.ok_or(Mp4Error::Unreadable(name))?;
    T::decode_body(&mut body).map_err(|_| Mp4Error::Unreadable(name))
}

/// The samples a time-to-sample box (`stts`) counts: version and flags, a count, then pairs of a
/// number of samples and their duration.
fn count_samples(stts: &[u8]) -> u64 {
    let (pairs, _) = stts.get(8..).unwrap_or_default().as_chunks::<8>();
    pairs
        .iter()
        .filter_map(|pair| pair.first_chunk::<4>())
        .fold(0, |sum: u64, count| sum.saturating_add(u32::from_be_bytes(*count).into()))
}

fn duration_ms(moov: &[u8], mvhd: &Mvhd, tracks: &[Track]) -> Result<u64, Mp4Error> {
    let fragments = || {
        let mehd: Mehd = decode_child(child(moov, b"mvex")?, "mehd").ok()?;
        Some(to_ms(mehd.fragment_duration, mvhd.timescale))
    };
    let longest = || tracks.iter().map(Track::duration_ms).max();
    let is_credible = |ms: &u64| (1..=LONGEST_MS).contains(ms);
    Some(to_ms(known(mvhd.duration), mvhd.timescale))
        .filter(is_credible)
        .or_else(|| fragments().filter(is_credible))
        .or_else(|| longest().filter(is_credible))
        .ok_or(Mp4Error::NoDuration)
}

/// A duration of all ones means that it is not known.
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

/// The digest of all codec configurations; `None` where one is not understood, or there is none.
fn config_digest(tracks: &[&Track]) -> Option<Sha256Digest> {
    let mut digest = sha2::Sha256::new();
    for codec in tracks.iter().flat_map(|track| &track.stsd.codecs) {
        let config = codec::config(codec)?;
        // The length keeps the borders between configurations.
        digest.update((config.len() as u64).to_be_bytes());
        digest.update(&config);
    }
    (!tracks.is_empty()).then(|| Sha256Digest(digest.finalize().into()))
}

#[cfg(test)]
mod tests {
    use super::super::{BoxWalk, Limits};
    use super::*;

    fn moov_of(file: &[u8]) -> Vec<u8> {
        let mut walk = BoxWalk::new(Limits::default());
        walk.feed(file).unwrap();
        walk.finish(None).unwrap().moov.unwrap()
    }

    fn facts_of(file: &[u8]) -> MediaFacts {
        facts(&moov_of(file), true).unwrap()
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
            // DecoderConfigDescriptor: tag, four bytes of length, object type, stream type, then
            // buffer size, maximal and average bit rate.
            let at = moov.windows(4).position(|four| four == b"esds").unwrap();
            let config = at + moov[at..].windows(2).position(|two| two == [0x40, 0x15]).unwrap();
            moov[config + 2..config + 13].fill(0x11);
        };
        assert_eq!(config_with(FASTSTART, other_rates), digest);
    }

    fn config_with(file: &[u8], change: impl Fn(&mut [u8])) -> Option<Sha256Digest> {
        let mut moov = moov_of(file);
        change(&mut moov);
        facts(&moov, true).unwrap().config_sha256
    }

    #[test]
    fn a_fragmented_file_without_a_duration_says_so() {
        assert_eq!(facts(&moov_of(FRAGMENTED), true), Err(Mp4Error::NoDuration));
    }

    #[test]
    fn a_broken_moov_is_an_error_that_names_the_box() {
        assert_eq!(facts(&[], true), Err(Mp4Error::Unreadable("mvhd")));
        let mut moov = moov_of(FASTSTART);
        let at = moov.windows(4).position(|four| four == b"avcC").unwrap();
        moov[at + 4] = 9;
        assert_eq!(facts(&moov, true), Err(Mp4Error::Unreadable("stsd")));
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
            // What matters is that this returns; a changed byte may or may not matter.
            let outcome = facts(&moov, true);
            proptest::prop_assert!(outcome.is_err() || outcome.unwrap().duration_ms > 0);
        }
    }
}
