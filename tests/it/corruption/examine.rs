//! What the program says of a file as it streams by.

use std::sync::Arc;

use bytes::Bytes;
use replay_archiver::media::chunk::{ChunkWalk, Promise, Told};
use replay_archiver::media::mp4::samples::{Examiner, SampleTables as Tables};
use replay_archiver::media::mp4::{BoxWalk, Limits, MoovBeyond, Mp4Error};

use super::videos::Video;

/// What the program says of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All of it was examined, and nothing is wrong.
    Sound,
    /// Not all of it could be examined, and nothing was found to be wrong.
    Unexamined(String),
    /// Something is wrong, as the manifest would tell it.
    Damaged(Vec<String>),
    /// It is not archived as it is.
    Refused(String),
}

impl Verdict {
    pub fn is_found(&self) -> bool {
        matches!(self, Self::Damaged(_) | Self::Refused(_))
    }

    fn of(damage: Vec<String>, unexamined: Option<String>) -> Self {
        match unexamined {
            _ if !damage.is_empty() => Self::Damaged(damage),
            Some(why) => Self::Unexamined(why),
            None => Self::Sound,
        }
    }
}

/// As many bytes come at a time.
const SLICE: usize = 1 << 20;

/// Examines a video that has these bytes.
pub(super) fn examine(video: &Video, bytes: &[u8]) -> Verdict {
    match video.told_ms {
        Some(told_ms) => chunk(bytes, told_ms),
        None => segment(video, bytes).unwrap_or_else(|error| Verdict::Refused(error.to_string())),
    }
}

fn chunk(bytes: &[u8], duration_ms: u64) -> Verdict {
    let promise = Promise { duration_ms, is_rounded: false, has_init: false, may_run_on: false };
    let mut walk = ChunkWalk::new(Told { promise: Some(promise), ..Told::default() });
    let fed = bytes.chunks(SLICE).try_for_each(|slice| walk.feed(slice));
    match fed.and_then(|()| walk.finish()) {
        Err(error) => Verdict::Refused(error.to_string()),
        Ok(examined) => Verdict::of(
            examined.findings.into_iter().map(|found| found.what).collect(),
            examined.unexamined,
        ),
    }
}

/// As a transfer does it: the tables of samples are read beside the stream where they come last.
fn segment(video: &Video, bytes: &[u8]) -> Result<Verdict, Mp4Error> {
    let total = video.total() - video.bytes.len() as u64 + bytes.len() as u64;
    let mut walk = BoxWalk::new(Limits::default());
    let mut examining: Option<Result<Examiner, String>> = None;
    for slice in slices(video, bytes) {
        let at = walk.offset();
        walk.feed(&slice)?;
        if examining.is_none() {
            examining = match (walk.kept_moov(), walk.moov_beyond(total)) {
                (Some((moov, moov_at)), _) => {
                    let tables = Tables::read(&Bytes::copy_from_slice(moov), moov_at);
                    Some(begin(tables.map_err(|error| error.to_string()), at))
                }
                (None, Some(beyond)) if at == 0 => Some(begin(tables(video, bytes, &beyond), 0)),
                _ => None,
            };
        }
        if let Some(Ok(examiner)) = &mut examining {
            examiner.feed(&slice);
        }
    }
    let structure = walk.finish(Some(total))?;
    structure.check(structure.moov.as_deref())?;
    Ok(match examining {
        Some(Ok(examiner)) => {
            let examined = examiner.finish(&structure.media, structure.total);
            Verdict::of(
                examined.places.iter().map(|place| place.what.to_string()).collect(),
                examined.unexamined,
            )
        }
        Some(Err(why)) => Verdict::Unexamined(why),
        None => Verdict::Unexamined("its tables came too late".to_owned()),
    })
}

fn begin(tables: Result<Tables, String>, at: u64) -> Result<Examiner, String> {
    Examiner::from(Arc::new(tables?), at).ok_or_else(|| "its tables came too late".to_owned())
}

fn tables(video: &Video, bytes: &[u8], beyond: &MoovBeyond) -> Result<Tables, String> {
    let (MoovBeyond::Payload(at) | MoovBeyond::Boxes(at)) = beyond;
    let hole = video.total() - video.bytes.len() as u64;
    let from = usize::try_from(at.start.checked_sub(hole).ok_or("beside")?).unwrap();
    let to = usize::try_from(at.end - hole).unwrap();
    let tail = Bytes::copy_from_slice(bytes.get(from..to).ok_or("beyond its end")?);
    let tables = match beyond {
        MoovBeyond::Payload(at) => Tables::read(&tail, at.start),
        MoovBeyond::Boxes(at) => Tables::in_tail(&tail, at.start),
    };
    tables.map_err(|error| error.to_string())
}

/// The bytes of a file as they come, those of the hole among them.
fn slices<'a>(video: &Video, bytes: &'a [u8]) -> impl Iterator<Item = Bytes> + use<'a> {
    let (at, hole) = video.hole.unwrap_or((0, 0));
    let (before, after) = bytes.split_at(at.min(bytes.len()));
    let zeros = Bytes::from(vec![0; if hole > 0 { 64 * SLICE } else { 0 }]);
    let hole = (0..hole).step_by(64 * SLICE).map(move |from| {
        let length = (hole - from).min(64 * SLICE as u64);
        zeros.slice(..usize::try_from(length).unwrap())
    });
    let of = |bytes: &'a [u8]| bytes.chunks(SLICE).map(Bytes::copy_from_slice);
    of(before).chain(hole).chain(of(after))
}
