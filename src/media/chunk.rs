//! A chunk of a broadcast as it streams by, in any format: checks that it is media, whole and without a
//! hole, as far as the format shows that.

mod boxes;
mod form;

use crate::media::ts::{self, PACKET, TsWalk};
use crate::model::Damage;
use boxes::Boxes;
pub use boxes::Init;
use form::Form;

pub use ts::Promise;

/// What is known about a file before it arrives.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Told {
    /// What the playlist says about it; `None` for an initialisation section, which has no duration.
    pub promise: Option<Promise>,
    /// The number of bytes that its URL names.
    pub bytes: Option<u64>,
    /// Whether to keep it if it ends too early, because no better copy is expected.
    pub is_kept_cut: bool,
    /// The initialisation section that it needs, if that was read.
    pub init: Option<Init>,
}

/// Why a received file is useless.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// There are no bytes.
    #[error("the file is empty")]
    Empty,
    /// It is something else.
    #[error("no media: the file begins like {0}")]
    NotMedia(&'static str),
    /// It ends within a packet.
    #[error(
        "truncated: the chunk ends {cut} bytes into a packet, at {total}: packets have {PACKET} bytes"
    )]
    CutPacket {
        /// Bytes of the last packet.
        cut: u64,
        /// Where the chunk ends.
        total: u64,
    },
    /// It ends within a box.
    #[error("truncated: the box at offset {offset} is incomplete, the chunk ends at {total}")]
    CutBox {
        /// Where the box begins.
        offset: u64,
        /// Where the chunk ends.
        total: u64,
    },
    /// It is shorter than its URL says.
    #[error("truncated: the chunk has {got} of the {named} bytes that its URL names")]
    Short {
        /// Bytes that its URL names.
        named: u64,
        /// Bytes received.
        got: u64,
    },
}

/// The result of examining a complete file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Examined {
    /// Damaged places, in order.
    pub findings: Vec<Finding>,
    /// Why part of it could not be examined, if so.
    pub unexamined: Option<String>,
    /// What is odd about it although all of it plays.
    pub note: Option<String>,
}

/// A damaged place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where it begins, in bytes from the start of the file.
    pub offset: u64,
    /// How many bytes are affected.
    pub length: u64,
    /// The time in the chunk, in milliseconds, if known.
    pub at_ms: Option<u64>,
    /// The affected duration in milliseconds, if known.
    pub duration_ms: Option<u64>,
    /// What is wrong, in plain words.
    pub what: String,
}

/// Examines a file fed to it in pieces, in constant memory.
#[derive(Debug)]
pub struct ChunkWalk {
    told: Told,
    bytes: u64,
    walk: Walk,
}

#[derive(Debug)]
enum Walk {
    /// Nothing has arrived.
    Fresh,
    Ts(TsWalk),
    Boxes(Box<Boxes>),
    /// A format that is not examined.
    Unexamined(&'static str),
}

impl ChunkWalk {
    /// A walk over a file, given what is known about it.
    pub fn new(told: Told) -> Self {
        Self { told, bytes: 0, walk: Walk::Fresh }
    }

    /// Takes the next bytes. The first call decides the format from the bytes it gets.
    ///
    /// # Errors
    /// [`ChunkError::NotMedia`] on the first call.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), ChunkError> {
        self.bytes += bytes.len() as u64;
        if matches!(self.walk, Walk::Fresh) && !bytes.is_empty() {
            self.walk = match Form::of(bytes) {
                Form::Ts => Walk::Ts(TsWalk::default()),
                Form::Boxes => Walk::Boxes(Box::new(Boxes::with(self.told.init.take()))),
                Form::Other(name) => Walk::Unexamined(name),
                Form::NoMedia(like) => return Err(ChunkError::NotMedia(like)),
            };
        }
        match &mut self.walk {
            Walk::Ts(walk) => walk.feed(bytes),
            Walk::Boxes(walk) => walk.feed(bytes),
            Walk::Fresh | Walk::Unexamined(_) => {}
        }
        Ok(())
    }

    /// The result, after all bytes.
    ///
    /// # Errors
    /// [`ChunkError`] if it is not whole, unless it is to be kept anyway.
    pub fn finish(self) -> Result<Examined, ChunkError> {
        let Self { told, bytes: total, walk } = self;
        let (mut examined, cut) = match walk {
            Walk::Fresh => return Err(ChunkError::Empty),
            Walk::Unexamined(name) => {
                let unexamined = Some(name.to_owned());
                (Examined { unexamined, ..Examined::default() }, None)
            }
            Walk::Boxes(walk) => walk.finish(told.promise, total),
            Walk::Ts(walk) => {
                let examined = walk.finish(told.promise);
                let cut = examined.cut.map(|cut| ChunkError::CutPacket { cut, total });
                (examined.into(), cut)
            }
        };
        let is_short = told.bytes.filter(|named| total < *named);
        let short = is_short.map(|named| ChunkError::Short { named, got: total });
        match short.or(cut) {
            None => {}
            Some(error) if !told.is_kept_cut => return Err(error),
            Some(error) => examined.findings.push(Finding {
                offset: total,
                length: 0,
                at_ms: None,
                duration_ms: None,
                what: error.to_string(),
            }),
        }
        Ok(examined)
    }
}

impl Finding {
    /// The damage for the manifest, after it was `seen` this many times.
    pub fn damage(self, seen: u32) -> Damage {
        let Self { offset, length, at_ms, duration_ms, what } = self;
        Damage { offset, length, at_ms, duration_ms, what, seen }
    }
}

impl From<ts::Examined> for Examined {
    fn from(examined: ts::Examined) -> Self {
        let ts::Examined { findings, more, unexamined, .. } = examined;
        let mut findings: Vec<Finding> = findings.into_iter().map(Finding::from).collect();
        if let (Some(last), 1..) = (findings.last_mut(), more) {
            last.what.push_str(&format!(" (and {more} more places)"));
        }
        Self { findings, unexamined: unexamined.map(str::to_owned), note: None }
    }
}

impl From<ts::Finding> for Finding {
    fn from(finding: ts::Finding) -> Self {
        let ts::Finding { offset, length, at_ms, what } = finding;
        let (at_ms, duration_ms) = match what {
            ts::What::Short { told, plays } => (Some(plays), told.checked_sub(plays)),
            _ => (at_ms, None),
        };
        Self { offset, length, at_ms, duration_ms, what: what.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::ts::muxer::Video;

    fn examine(told: Told, bytes: &[u8], step: usize) -> Result<Examined, ChunkError> {
        let mut walk = ChunkWalk::new(told);
        let (first, rest) = bytes.split_at(bytes.len().min(4096));
        walk.feed(first)?;
        rest.chunks(step.max(1)).try_for_each(|slice| walk.feed(slice))?;
        walk.finish()
    }

    fn told(duration_ms: u64) -> Told {
        let promise =
            Promise { duration_ms, is_rounded: false, has_init: false, may_run_on: false };
        Told { promise: Some(promise), ..Told::default() }
    }

    #[test]
    fn what_is_no_media_is_told_by_its_beginning() {
        for (bytes, like) in [
            (&b"<html><body>502</body></html>"[..], "an HTML or XML page"),
            (b"{\"code\":404}", "a JSON message"),
            (&[0; 5000], "nothing but zeros"),
            (b"\x01\x02\x03\x04\x05 nothing that is known", "unknown data"),
            (b"GIF89a................", "a GIF image"),
            (
                b"<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code></Error>",
                "an HTML or XML page",
            ),
            (b"\x1f\x8b\x08\0\0\0\0\0\0\x03 and so on", "gzip data"),
        ] {
            assert_eq!(examine(told(2000), bytes, 100), Err(ChunkError::NotMedia(like)));
        }
    }

    #[test]
    fn formats_that_are_not_looked_into_are_named_and_kept() {
        for bytes in [
            &b"\xff\xf1\x50\x80\x02\x1f\xfc\xde\x02"[..],
            b"\xff\xfb\x90\x64\x00\x00\x00\x00\x00",
            b"ID3\x04\x00\x00\x00\x00\x00\x3fPRIV",
            b"WEBVTT\n\n00:00.000 --> 00:01.000\nHi\n",
            b"\xef\xbb\xbfWEBVTT\n",
            b"\x0b\x77\x00\x00\x00\x00\x00\x00\x00",
        ] {
            let examined = examine(told(2000), bytes, 100).unwrap();
            assert!(examined.findings.is_empty() && examined.unexamined.is_some(), "{bytes:?}");
        }
    }

    #[test]
    fn packets_of_other_lengths_are_named_and_kept() {
        for (before, length) in [(4, 192), (0, 204)] {
            let packet = [vec![1; before], vec![0x47], vec![2; length - before - 1]].concat();
            let examined = examine(told(2000), &packet.repeat(9), 100).unwrap();
            let why = format!("its packets have {length} bytes");
            assert_eq!((examined.findings, examined.unexamined), (Vec::new(), Some(why)));
        }
    }

    #[test]
    fn a_chunk_has_at_least_the_bytes_that_its_url_names() {
        let video = Video::of_seconds(2).muxed();
        let named = |bytes: u64| Told { bytes: Some(bytes), ..told(2000) };
        let length = video.len() as u64;
        assert_eq!(examine(named(length), &video, 999), Ok(Examined::default()));
        assert_eq!(examine(named(length - 1), &video, 999), Ok(Examined::default()));
        let short = Err(ChunkError::Short { named: length + 188, got: length });
        assert_eq!(examine(named(length + 188), &video, 999), short);
    }

    #[test]
    fn what_ends_too_early_is_kept_where_there_is_no_hope() {
        let video = Video::of_seconds(2).muxed();
        let cut = &video[..video.len() - 100];
        let short = Told { bytes: Some(video.len() as u64), ..told(2000) };
        for (told, bytes) in [(told(2000), cut), (short, &video[..video.len() - PACKET])] {
            assert!(examine(told.clone(), bytes, 999).is_err());
            let kept = Told { is_kept_cut: true, ..told.clone() };
            let kept = examine(kept, bytes, 999).unwrap();
            assert_eq!(kept.findings.len(), 1);
            assert!(kept.findings[0].what.starts_with("truncated: "), "{kept:?}");
        }
        let page = examine(Told { is_kept_cut: true, ..told(2000) }, b"<html></html>", 9);
        assert_eq!(page, Err(ChunkError::NotMedia("an HTML or XML page")));
    }

    #[test]
    fn a_fragment_is_whole_boxes() {
        let boxes = |kinds: &[(&[u8; 4], u32)]| -> Vec<u8> {
            let bytes = kinds.iter().flat_map(|(kind, size)| {
                let head = size.to_be_bytes().into_iter().chain(**kind);
                head.chain(std::iter::repeat_n(7, *size as usize - 8))
            });
            bytes.collect()
        };
        let sound = boxes(&[(b"styp", 24), (b"moof", 600), (b"mdat", 5000)]);
        for step in [1, 7, 5000] {
            let examined = examine(told(2000), &sound, step).unwrap();
            assert!(examined.findings.is_empty() && examined.unexamined.is_some());
            for cut in [1, 4000, 5001] {
                let error = examine(told(2000), &sound[..sound.len() - cut], step).unwrap_err();
                assert!(matches!(error, ChunkError::CutBox { .. }), "{cut}: {error}");
            }
            let odd = [sound.clone(), vec![0, 0, 0, 3, 1, 1, 1, 1, 1]].concat();
            let examined = examine(told(2000), &odd, step).unwrap();
            assert_eq!(examined.findings, []);
            assert!(examined.note.unwrap().starts_with("9 bytes that are not a box follow"));
        }
        let open = [boxes(&[(b"moof", 600)]), b"\0\0\0\0mdat and so on".to_vec()].concat();
        assert!(examine(told(2000), &open, 3).unwrap().findings.is_empty());
        let large = [b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x14".to_vec(), vec![1; 4]].concat();
        assert!(examine(told(2000), &large, 3).unwrap().findings.is_empty());
    }
    const INIT: &[u8] = include_bytes!("../../tests/it/fixtures/media/cmaf-init.mp4");
    const FIRST: &[u8] = include_bytes!("../../tests/it/fixtures/media/cmaf-0.m4s");
    const SECOND: &[u8] = include_bytes!("../../tests/it/fixtures/media/cmaf-1.m4s");

    /// What is known about a chunk of fragments.
    fn with_init(duration_ms: u64) -> Told {
        Told { init: Init::read(INIT), ..told(duration_ms) }
    }

    #[test]
    fn every_sample_of_a_chunk_of_fragments_is_accounted_for() {
        for step in [1, 7, 5000] {
            for chunk in [FIRST, SECOND] {
                assert_eq!(examine(with_init(2000), chunk, step), Ok(Examined::default()));
            }
            let own = [INIT, SECOND].concat();
            assert_eq!(examine(told(2000), &own, step), Ok(Examined::default()));
        }
        let unknown = examine(told(2000), SECOND, 999).unwrap();
        assert!(unknown.unexamined.unwrap().contains("initialisation section"));
        let init = examine(Told::default(), INIT, 999).unwrap();
        assert_eq!((init.findings, init.note), (Vec::new(), None));
    }

    #[test]
    fn damage_in_a_chunk_of_fragments_is_named_by_offset_and_time() {
        let at = SECOND.windows(4).position(|four| four == b"mdat").unwrap() + 4;
        let mut chunk = SECOND.to_vec();
        chunk[at + 3000..at + 3500].fill(0);
        let examined = examine(with_init(2000), &chunk, 999).unwrap();
        let [finding] = examined.findings.as_slice() else { panic!("{examined:?}") };
        assert!((at as u64..(at + 3500) as u64).contains(&finding.offset), "{finding:?}");
        assert!(finding.at_ms.is_some_and(|at| at < 2000), "{finding:?}");
        let at = chunk.windows(4).position(|four| four == b"moof").unwrap();
        chunk[at - 4..].fill(0);
        let found = examine(with_init(2000), &chunk, 999).unwrap().findings;
        assert_eq!(found[0].what, "it has neither video nor audio");
        for (told_ms, what) in
            [(4000, "it plays for 2.2 s of the 4.0 s"), (1000, "it plays for 2.0 s where")]
        {
            let found = examine(with_init(told_ms), SECOND, 999).unwrap().findings;
            assert!(found[0].what.starts_with(what), "{found:?}");
        }
    }

    #[test]
    fn a_chunk_of_fragments_is_whole_where_every_sample_is_in_it() {
        let tails: [&[u8]; 5] =
            [b"x", &[0; 9], b"ID3\x04\0\0\0\0\0\x0aTXXX", b"\0\0\x10\0free and so on", b"<html>"];
        for tail in tails {
            for (told, file) in [(with_init(2000), FIRST), (Told::default(), INIT)] {
                let examined = examine(told, &[file, tail].concat(), 7).unwrap();
                assert_eq!(examined.findings, [], "{}", tail.escape_ascii());
                assert!(examined.note.is_some(), "{}", tail.escape_ascii());
            }
        }
        let mut longer = FIRST.to_vec();
        let at = longer.windows(4).position(|four| four == b"mdat").unwrap() - 4;
        longer[at + 1] = 1;
        let examined = examine(with_init(2000), &longer, 999).unwrap();
        assert_eq!(examined.findings, []);
        assert!(examined.note.unwrap().starts_with("the last box, mdat at offset "));
        for cut in [1, 4000, FIRST.len() - 200, FIRST.len() - 20] {
            let cut = examine(with_init(2000), &FIRST[..FIRST.len() - cut], 999);
            assert!(
                matches!(cut, Err(ChunkError::CutBox { .. }) | Ok(Examined { note: Some(_), .. })),
                "{cut:?}"
            );
        }
    }
}
