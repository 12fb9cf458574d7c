//! A file of a broadcast as it streams by, whatever its format: whether it is media at all, whole, and
//! without a hole, as far as its format lets that be seen.

mod boxes;
mod form;

use crate::media::ts::{self, PACKET, TsWalk};
use boxes::Boxes;
use form::Form;

pub use ts::Promise;

/// What is known of a file before it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Told {
    /// What the playlist says of it; `None` for an initialisation section, which plays nothing.
    pub promise: Option<Promise>,
    /// How many bytes its URL names.
    pub bytes: Option<u64>,
    /// Whether it is kept where it ends too early, since nothing better is to be hoped for.
    pub is_kept_cut: bool,
}

/// Why a file is worth nothing as it came.
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
    #[error("truncated: the box at offset {offset} is not whole, the chunk ends at {total}")]
    CutBox {
        /// Where the box begins.
        offset: u64,
        /// Where the chunk ends.
        total: u64,
    },
    /// It has fewer bytes than its URL names.
    #[error("truncated: the chunk has {got} of the {named} bytes that its URL names")]
    Short {
        /// Bytes that its URL names.
        named: u64,
        /// Bytes that came.
        got: u64,
    },
}

/// What was seen of a file that came to its end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Examined {
    /// Places that are damaged, in order.
    pub findings: Vec<Finding>,
    /// Why not everything could be examined, where that is so.
    pub unexamined: Option<&'static str>,
}

/// A place of a file that is damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where it begins, in bytes from the start of the file.
    pub offset: u64,
    /// How many bytes are concerned.
    pub length: u64,
    /// Where in the chunk that is, in milliseconds, where it can be told.
    pub at_ms: Option<u64>,
    /// How much of the chunk is concerned, in milliseconds, where it can be told.
    pub duration_ms: Option<u64>,
    /// What is wrong, in plain words.
    pub what: String,
}

/// Judges a file that is fed to it piece by piece. Takes the same memory whatever comes.
#[derive(Debug)]
pub struct ChunkWalk {
    told: Told,
    bytes: u64,
    walk: Walk,
}

#[derive(Debug)]
enum Walk {
    /// Nothing has come.
    Fresh,
    Ts(TsWalk),
    Boxes(Boxes),
    /// A format that is not looked into.
    Unexamined(&'static str),
}

impl ChunkWalk {
    /// A walk over a file of which so much is known.
    pub fn new(told: Told) -> Self {
        Self { told, bytes: 0, walk: Walk::Fresh }
    }

    /// Takes the next bytes. The first ones, as many as there are, tell the format.
    ///
    /// # Errors
    /// [`ChunkError::NotMedia`] with the first bytes.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), ChunkError> {
        self.bytes += bytes.len() as u64;
        if matches!(self.walk, Walk::Fresh) && !bytes.is_empty() {
            self.walk = match Form::of(bytes) {
                Form::Ts => Walk::Ts(TsWalk::default()),
                Form::Boxes => Walk::Boxes(Boxes::default()),
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

    /// What the file is, once all of it has come.
    ///
    /// # Errors
    /// [`ChunkError`] where it is not whole, unless it is kept so.
    pub fn finish(self) -> Result<Examined, ChunkError> {
        let Self { told, bytes: total, walk } = self;
        let (mut examined, cut) = match walk {
            Walk::Fresh => return Err(ChunkError::Empty),
            Walk::Unexamined(name) => {
                (Examined { findings: Vec::new(), unexamined: Some(name) }, None)
            }
            Walk::Boxes(walk) => walk.finish(),
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

impl From<ts::Examined> for Examined {
    fn from(examined: ts::Examined) -> Self {
        let ts::Examined { findings, more, unexamined, .. } = examined;
        let mut findings: Vec<Finding> = findings.into_iter().map(Finding::from).collect();
        if let (Some(last), 1..) = (findings.last_mut(), more) {
            last.what.push_str(&format!(" (and {more} more places)"));
        }
        Self { findings, unexamined }
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
    use crate::media::ts::muxer::Film;

    fn examine(told: Told, bytes: &[u8], step: usize) -> Result<Examined, ChunkError> {
        let mut walk = ChunkWalk::new(told);
        let (first, rest) = bytes.split_at(bytes.len().min(4096));
        walk.feed(first)?;
        rest.chunks(step.max(1)).try_for_each(|piece| walk.feed(piece))?;
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
    fn a_chunk_has_at_least_the_bytes_that_its_url_names() {
        let film = Film::of_seconds(2).muxed();
        let named = |bytes: u64| Told { bytes: Some(bytes), ..told(2000) };
        let length = film.len() as u64;
        assert_eq!(examine(named(length), &film, 999), Ok(Examined::default()));
        assert_eq!(examine(named(length - 1), &film, 999), Ok(Examined::default()));
        let short = Err(ChunkError::Short { named: length + 188, got: length });
        assert_eq!(examine(named(length + 188), &film, 999), short);
    }

    #[test]
    fn what_ends_too_early_is_kept_where_there_is_no_hope() {
        let film = Film::of_seconds(2).muxed();
        let cut = &film[..film.len() - 100];
        let short = Told { bytes: Some(film.len() as u64), ..told(2000) };
        for (told, bytes) in [(told(2000), cut), (short, &film[..film.len() - PACKET])] {
            assert!(examine(told, bytes, 999).is_err());
            let kept = examine(Told { is_kept_cut: true, ..told }, bytes, 999).unwrap();
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
            assert_eq!(examined.findings[0].offset, sound.len() as u64);
        }
        let open = [boxes(&[(b"moof", 600)]), b"\0\0\0\0mdat and so on".to_vec()].concat();
        assert!(examine(told(2000), &open, 3).unwrap().findings.is_empty());
        let large = [b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x14".to_vec(), vec![1; 4]].concat();
        assert!(examine(told(2000), &large, 3).unwrap().findings.is_empty());
    }
}
