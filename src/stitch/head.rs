//! The first bytes of a film: `ftyp`, the merged `moov`, `free`, and the header of its `mdat`.

use super::Segment;
use super::boxes::{boxed, copied, count, long, with_duration, with_timescale, word};
use super::edits::MOST_EMPTY;
use super::merged::MergedTrack;
use super::refusal::Flaw;
use super::timing::{Scale, common};
use super::track::Track;
use crate::media::mp4::boxes::{child, children};

/// The least length of a head: stores accept no smaller part of an upload but the last.
pub const LEAST_HEAD: u64 = 5 << 20;

/// The header of an `mdat` with a 64-bit size.
const MEDIA_HEADER: u64 = 16;

/// The header of a `free` box.
const FREE_HEADER: u64 = 8;

/// Writes the head of a film with so many bytes of media data.
pub(super) fn write(
    first: &Segment,
    tracks: &[MergedTrack],
    scale: Scale,
    media: u64,
) -> Result<Vec<u8>, Flaw> {
    let mut out = Vec::new();
    copied(&mut out, b"ftyp", first.ftyp());
    let ftyp = out.len();
    write_moov(&mut out, first, tracks, scale, LEAST_HEAD)?;
    let length = padded(out.len() as u64);
    if length != LEAST_HEAD {
        // The offsets of chunks are larger, and take as many bytes.
        out.truncate(ftyp);
        write_moov(&mut out, first, tracks, scale, length)?;
    }
    let free = length.saturating_sub(MEDIA_HEADER).saturating_sub(out.len() as u64);
    if let Some(zeros) = free.checked_sub(FREE_HEADER) {
        let zeros = usize::try_from(zeros).map_err(|_| Flaw::TooMuch("tables"))?;
        boxed(&mut out, b"free", |out| out.append(&mut vec![0; zeros]));
    }
    word(&mut out, 1);
    out.extend(b"mdat");
    long(&mut out, media.saturating_add(MEDIA_HEADER));
    Ok(out)
}

/// The length of a head whose `ftyp` and `moov` have so many bytes: a `free` box fits, or none is needed.
fn padded(boxes: u64) -> u64 {
    let needed = boxes.saturating_add(MEDIA_HEADER);
    match LEAST_HEAD.checked_sub(needed) {
        None | Some(0) => needed,
        Some(free) if free < FREE_HEADER => needed + FREE_HEADER,
        Some(_) => LEAST_HEAD,
    }
}

fn write_moov(
    out: &mut Vec<u8>,
    first: &Segment,
    tracks: &[MergedTrack],
    scale: Scale,
    media: u64,
) -> Result<(), Flaw> {
    let movie = movie_timescale(first, tracks);
    let ends =
        || tracks.iter().zip(first.tracks()).map(|(merged, of)| scale.end(first, of, merged));
    let duration = scale.up(ends().max().unwrap_or(0), movie);
    let mut outcome = Ok(());
    boxed(out, b"moov", |out| {
        outcome = (|| {
            for (kind, body) in children(first.moov()) {
                match &kind.0 {
                    b"mvhd" => {
                        let mvhd = with_duration(body, 4, duration);
                        let mvhd = mvhd.and_then(|mvhd| with_timescale(mvhd, movie));
                        copied(out, b"mvhd", &mvhd.ok_or(Flaw::Unreadable("mvhd"))?);
                    }
                    b"iods" | b"udta" => copied(out, &kind.0, body),
                    _ => {}
                }
            }
            for ((merged, of), end) in tracks.iter().zip(first.tracks()).zip(ends()) {
                let edit = Edit::of((merged, of), first.movie_timescale(), movie);
                write_trak(out, (merged, of), (edit, scale.up(end, movie)), media)?;
            }
            Ok(())
        })();
    });
    outcome
}

/// Writes a track that ends at `end`, in the movie's time scale.
fn write_trak(
    out: &mut Vec<u8>,
    (merged, of): (&MergedTrack, &Track),
    (edit, end): (Edit, u64),
    media: u64,
) -> Result<(), Flaw> {
    let mdia = child(of.trak(), b"mdia").ok_or(Flaw::Unreadable("mdia"))?;
    let mdhd = child(mdia, b"mdhd").and_then(|mdhd| with_duration(mdhd, 4, merged.end()));
    let mdhd = mdhd.ok_or(Flaw::Unreadable("mdhd"))?;
    let tkhd = with_duration(of.tkhd()?, 8, end).ok_or(Flaw::Unreadable("tkhd"))?;
    boxed(out, b"trak", |out| {
        copied(out, b"tkhd", &tkhd);
        if of.edits.is_there || merged.delay() > 0 {
            edit.write(out, end);
        }
        for (kind, body) in children(of.trak()) {
            match &kind.0 {
                b"mdia" => boxed(out, b"mdia", |out| {
                    for (kind, body) in children(body) {
                        match &kind.0 {
                            b"mdhd" => copied(out, b"mdhd", &mdhd),
                            b"minf" => write_minf(out, merged, body, media),
                            _ => copied(out, &kind.0, body),
                        }
                    }
                }),
                b"tref" | b"udta" => copied(out, &kind.0, body),
                _ => {}
            }
        }
    });
    Ok(())
}

fn write_minf(out: &mut Vec<u8>, merged: &MergedTrack, minf: &[u8], media: u64) {
    boxed(out, b"minf", |out| {
        for (kind, body) in children(minf) {
            match &kind.0 {
                b"stbl" => {
                    merged.write(out, child(body, b"stsd").unwrap_or_default(), media);
                }
                _ => copied(out, &kind.0, body),
            }
        }
    });
}

/// The time scale of the film: that of the first segment, or a finer one in which pictures begin at a whole tick
/// where an edit list has to say when.
fn movie_timescale(first: &Segment, tracks: &[MergedTrack]) -> u32 {
    let own = first.movie_timescale();
    let pairs = || tracks.iter().zip(first.tracks());
    let mut late = pairs().filter(|(merged, of)| lead(merged, of) > 0);
    let finer = late.try_fold(own, |scale, (_, of)| common(scale, of.timescale));
    let fits = |scale: &u32| pairs().all(|pair| Edit::of(pair, own, *scale).empty <= MOST_EMPTY);
    finer.filter(fits).unwrap_or(own)
}

/// How long the edit of the first segment shows nothing before its first sample, in ticks of the track. Where all
/// samples are shown later than their offsets say, a player would look for one that is shown in that time.
fn lead(merged: &MergedTrack, of: &Track) -> u64 {
    let first = u64::try_from(of.times.shown.start).unwrap_or(0);
    if merged.delay() > 0 { first.saturating_sub(of.edits.media_time) } else { 0 }
}

/// The edits of a track: those of the first segment.
#[derive(Debug, Clone, Copy)]
struct Edit {
    /// How long nothing is shown, in the movie's time scale.
    empty: u64,
    /// The time of the track that is shown then.
    media_time: u64,
}

impl Edit {
    /// The edits of a track in a movie of time scale `movie`, which was `own` in the first segment.
    fn of((merged, of): (&MergedTrack, &Track), own: u32, movie: u32) -> Self {
        let (lead, timescale) = (lead(merged, of), u64::from(of.timescale));
        let (own, movie) = (u64::from(own), u64::from(movie));
        let empty = of.edits.empty.saturating_mul(movie / own.max(1));
        let waits = (lead.saturating_mul(movie) + timescale / 2) / timescale.max(1);
        Self {
            empty: empty.saturating_add(waits),
            media_time: of.edits.media_time.saturating_add(merged.delay()).saturating_add(lead),
        }
    }

    /// Writes them, and all of the film: a shorter edit would hide its end.
    fn write(self, out: &mut Vec<u8>, end: u64) {
        const USUAL_RATE: u32 = 0x1_0000;
        let Self { empty, media_time } = self;
        let edit = |out: &mut Vec<u8>, duration: u64, media_time: u64| {
            long(out, duration);
            long(out, media_time);
            word(out, USUAL_RATE);
        };
        boxed(out, b"edts", |out| {
            boxed(out, b"elst", |out| {
                out.extend([1, 0, 0, 0]);
                count(out, 1 + usize::from(empty > 0));
                if empty > 0 {
                    edit(out, empty, u64::MAX);
                }
                edit(out, end.saturating_sub(empty), media_time);
            });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_has_room_for_a_free_box_or_needs_none() {
        let fits = LEAST_HEAD - MEDIA_HEADER;
        for (boxes, length) in [
            (1000, LEAST_HEAD),
            (fits - 8, LEAST_HEAD),
            (fits - 7, LEAST_HEAD + 1),
            (fits - 1, LEAST_HEAD + 7),
            (fits, LEAST_HEAD),
            (fits + 1, LEAST_HEAD + 1),
        ] {
            assert_eq!(padded(boxes), length, "{boxes}");
        }
    }
}
