//! The edit list of a track (`elst`): when its samples are shown within the segment.

use super::refusal::Flaw;
use crate::media::mp4::boxes::child;
use crate::media::mp4::samples::table::number;

/// The longest time for which a track shows nothing, in a movie's time scale.
pub(super) const MOST_EMPTY: u64 = 1 << 40;

/// An edit list of the only form that is joined: nothing for a while, then the track from some time on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Edits {
    /// Whether there is a list at all.
    pub is_there: bool,
    /// How long nothing is shown, in the movie's time scale.
    pub empty: u64,
    /// The time of the track that is shown first.
    pub media_time: u64,
    /// How much of the track is shown, in the movie's time scale; 0 for all of it.
    pub shown: u64,
}

impl Edits {
    pub(super) fn read(trak: &[u8], track: usize) -> Result<Self, Flaw> {
        let list = child(trak, b"edts").and_then(|edts| child(edts, b"elst"));
        let Some(elst) = list else { return Ok(Self::default()) };
        let count = number(elst, 4).ok_or(Flaw::Unreadable("elst"))?;
        let width = if elst.first() == Some(&1) { 20 } else { 12 };
        let mut edits = Self { is_there: count > 0, ..Self::default() };
        let mut has_shown = false;
        for entry in 0..count as usize {
            let body = entry.checked_mul(width).and_then(|at| elst.get(8..)?.get(at..at + width));
            let edit = body.and_then(Edit::read).ok_or(Flaw::Unreadable("elst"))?;
            match u64::try_from(edit.media_time) {
                Ok(media_time) if !has_shown && edit.is_at_usual_rate => {
                    (edits.media_time, edits.shown) = (media_time, edit.duration);
                    has_shown = true;
                }
                Err(_) if !has_shown && edit.media_time == -1 => {
                    edits.empty = edits.empty.saturating_add(edit.duration);
                }
                _ => return Err(Flaw::Track { track, what: "is cut by its edit list (elst)" }),
            }
        }
        match edits.is_there && !has_shown {
            true => Err(Flaw::Track { track, what: "is hidden by its edit list (elst)" }),
            false => Ok(edits),
        }
    }
}

struct Edit {
    duration: u64,
    media_time: i64,
    is_at_usual_rate: bool,
}

impl Edit {
    /// Reads an entry of either version.
    fn read(entry: &[u8]) -> Option<Self> {
        let long = |at: usize| Some(u64::from_be_bytes(*entry.get(at..)?.first_chunk()?));
        let (duration, media_time, rate) = match entry.len() {
            20 => (long(0)?, long(8)?.cast_signed(), number(entry, 16)?),
            _ => {
                let media_time = number(entry, 4)?.cast_signed();
                (u64::from(number(entry, 0)?), i64::from(media_time), number(entry, 8)?)
            }
        };
        Some(Self { duration, media_time, is_at_usual_rate: rate == 0x1_0000 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(entries: &[[u32; 3]]) -> Result<Edits, Flaw> {
        let mut trak = Vec::new();
        super::super::boxes::boxed(&mut trak, b"edts", |out| {
            super::super::boxes::boxed(out, b"elst", |out| {
                out.extend([0; 4]);
                super::super::boxes::count(out, entries.len());
                entries.iter().flatten().for_each(|field| out.extend(field.to_be_bytes()));
            });
        });
        Edits::read(&trak, 2)
    }

    #[test]
    fn a_delay_and_a_beginning_are_read_and_cuts_refused() {
        const USUAL: u32 = 0x1_0000;
        assert_eq!(Edits::read(&[], 1), Ok(Edits::default()));
        let delayed = Edits { is_there: true, empty: 5, media_time: 7, shown: 9 };
        assert_eq!(read(&[[5, u32::MAX, USUAL], [9, 7, USUAL]]), Ok(delayed));
        let cut = Err(Flaw::Track { track: 2, what: "is cut by its edit list (elst)" });
        assert_eq!(read(&[[9, 7, USUAL], [9, 70, USUAL]]), cut, "two stretches");
        assert_eq!(read(&[[9, 7, USUAL], [5, u32::MAX, USUAL]]), cut, "a pause after them");
        assert_eq!(read(&[[9, 7, USUAL / 2]]), cut, "slow motion");
        assert_eq!(read(&[[9, u32::MAX - 1, USUAL]]), cut, "a time before the first");
        assert!(read(&[[5, u32::MAX, USUAL]]).is_err(), "nothing but a delay");
    }

    #[test]
    fn a_list_that_is_shorter_than_it_says_is_refused() {
        let mut trak = Vec::new();
        super::super::boxes::boxed(&mut trak, b"edts", |out| {
            super::super::boxes::copied(out, b"elst", &[0, 0, 0, 0, 255, 255, 255, 255]);
        });
        assert_eq!(Edits::read(&trak, 1), Err(Flaw::Unreadable("elst")));
    }
}
