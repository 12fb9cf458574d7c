//! When the pictures of a track are shown.

use super::table::Table;
use super::track::Track;

/// The most pictures that a decoder holds back.
const HELD_BACK: usize = 32;

/// No picture is shown this many seconds after it was decoded.
const LONGEST_S: u64 = 3600;

/// Players that meet a larger offset drop all offsets, as ffmpeg does.
const LARGEST: u64 = 1 << 28;

/// The samples that are shown at the same time as another one, or that are farther from their
/// display position than any decoder tolerates.
pub(super) fn misplaced(track: &Track) -> Vec<u32> {
    const MOST: usize = 64;
    let Some(ctts) = &track.ctts else { return Vec::new() };
    let most = (u64::from(track.timescale.max(1)) * LONGEST_S).min(LARGEST);
    let mut deltas = Entries::of(&track.stts);
    let mut offsets = Entries::of(ctts);
    // The latest pictures: when they are decoded and shown, and their numbers.
    let mut ring: [(i64, i64, u32); HELD_BACK] = [(i64::MIN, i64::MIN, 0); HELD_BACK];
    let mut latest_before = (i64::MIN, 0_u32);
    let mut dts = 0_i64;
    let mut found = Vec::new();
    for sample in 0..track.sizes.count() {
        let (Some(delta), Some(offset)) = (deltas.next(), offsets.next()) else { break };
        // Offsets are signed, whatever the version says.
        let pts = dts + i64::from(offset.cast_signed());
        let is_absurd = u64::from(offset.cast_signed().unsigned_abs()) >= most;
        let is_alike = ring.iter().any(|(decoded, shown, _)| *shown == pts && *decoded != dts);
        let entry = ring.get_mut(sample as usize % HELD_BACK);
        let Some(entry) = entry else { break };
        // A picture that leaves the ring was decoded so long ago that it must be shown by now.
        if entry.1 > latest_before.0 {
            latest_before = (entry.1, entry.2);
        }
        *entry = (dts, pts, sample);
        let is_late = latest_before.0 > pts;
        if is_alike || is_absurd {
            found.push(sample);
        } else if is_late && found.last() != Some(&latest_before.1) {
            found.push(latest_before.1);
        }
        if is_late {
            // Reported once.
            latest_before = (i64::MIN, 0);
        }
        if found.len() >= MOST {
            break;
        }
        dts += i64::from(delta);
    }
    found
}

/// The second numbers of a table's entries, each repeated as often as its first number says.
struct Entries<'a> {
    table: &'a Table,
    entry: u32,
    left: u32,
    value: u32,
}

impl<'a> Entries<'a> {
    fn of(table: &'a Table) -> Self {
        Self { table, entry: 0, left: 0, value: 0 }
    }
}

impl Iterator for Entries<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        while self.left == 0 {
            (self.left, self.value) =
                (self.table.get(self.entry, 0)?, self.table.get(self.entry, 4)?);
            self.entry += 1;
        }
        self.left -= 1;
        Some(self.value)
    }
}
