//! Walks the boxes of a file with fragments, or of a section of one, as they stream by.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::boxes::{FourCc, Header, LONG_HEADER, SHORT_HEADER, Size};
use super::scan::{Found, Hole, Scan};

/// The position of a walk over boxes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boxes {
    /// Bytes taken so far.
    at: u64,
    head: Vec<u8>,
    inside: Option<Inside>,
    /// From this offset on, it trusts no box and searches for the next fragment.
    lost_at: Option<u64>,
    scan: Scan,
    /// What stands from there on.
    #[serde(default)]
    hole: Hole,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Inside {
    kind: FourCc,
    start: u64,
    end: Option<u64>,
    /// Its payload is trusted up to this offset.
    believed: u64,
}

/// What the next bytes are.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// Part of a box header, or unknown bytes.
    Other,
    /// A box header is complete.
    Entered(FourCc),
    /// Payload of a box, from this offset on.
    Payload(FourCc, u64, &'a [u8]),
    /// The end of the box that began at this offset.
    Left(FourCc, u64),
    /// A fragment begins where none was expected; this range before it is lost.
    Found(Range<u64>),
}

impl Boxes {
    /// A walk that begins at the offset `at`, where a box begins.
    pub fn from(at: u64) -> Self {
        Self { at, ..Self::default() }
    }

    /// The current offset in the file.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Trusts the payload of the current box only up to `at`: from there on, it searches the payload
    /// for the next fragment, in case the size of the box is wrong.
    pub fn believe_until(&mut self, at: u64) {
        if let Some(inside) = &mut self.inside {
            inside.believed = at.max(self.at);
        }
    }

    /// Takes some of the next bytes. Returns what they are, and the rest.
    pub fn step<'a>(&mut self, bytes: &'a [u8]) -> (Step<'a>, &'a [u8]) {
        match (self.lost_at, self.inside) {
            (Some(lost_at), _) => self.look(lost_at, bytes),
            (None, Some(inside)) => self.payload(inside, bytes),
            (None, None) => self.head(bytes),
        }
    }

    fn payload<'a>(&mut self, inside: Inside, bytes: &'a [u8]) -> (Step<'a>, &'a [u8]) {
        let Inside { kind, start, end, believed } = inside;
        if end == Some(self.at) {
            self.inside = None;
            return (Step::Left(kind, start), bytes);
        }
        let within = |to: u64| usize::try_from(to.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let mut slice = bytes.get(..within(end.unwrap_or(u64::MAX))).unwrap_or(bytes);
        let mut after = bytes.get(slice.len()..).unwrap_or_default();
        if believed > self.at {
            slice = slice.get(..within(believed)).unwrap_or(slice);
            after = bytes.get(slice.len()..).unwrap_or_default();
        } else if let Some(found) = self.scan.take(slice) {
            let lost = believed..self.find(found);
            return (Step::Found(lost), bytes.get(found.taken..).unwrap_or_default());
        }
        let at = self.at;
        self.at += slice.len() as u64;
        (Step::Payload(kind, at, slice), after)
    }

    fn head<'a>(&mut self, bytes: &'a [u8]) -> (Step<'a>, &'a [u8]) {
        let wanted = if self.head.len() < SHORT_HEADER { SHORT_HEADER } else { LONG_HEADER };
        let (now, rest) = bytes.split_at(bytes.len().min(wanted - self.head.len()));
        self.head.extend_from_slice(now);
        self.at += now.len() as u64;
        let start = self.at - self.head.len() as u64;
        let kind = self.head.get(4..8).and_then(|kind| kind.try_into().ok()).map(FourCc);
        let header = Header::read(&self.head);
        let is_none = kind.is_some_and(|kind| !kind.is_plausible())
            || header.is_some_and(|header| header.is_impossible_at(start) || header.is_foreign());
        if is_none {
            let head = std::mem::take(&mut self.head);
            self.lost_at = Some(start);
            // The header is too short to contain the beginning of a fragment.
            self.scan.take(&head);
            self.hole = Hole::default();
            self.hole.take(&head);
            return (Step::Other, rest);
        }
        let Some(Header { kind, size, .. }) = header else { return (Step::Other, rest) };
        self.head.clear();
        let end = match size {
            Size::Bytes(size) => Some(start.saturating_add(size)),
            Size::ToEnd | Size::Impossible(_) => None,
        };
        self.scan = Scan::default();
        self.inside = Some(Inside { kind, start, end, believed: u64::MAX });
        (Step::Entered(kind), rest)
    }

    /// Searches for the next fragment where there is no box.
    fn look<'a>(&mut self, lost_at: u64, bytes: &'a [u8]) -> (Step<'a>, &'a [u8]) {
        match self.scan.take(bytes) {
            Some(found) => {
                let lost = lost_at..self.find(found);
                (Step::Found(lost), bytes.get(found.taken..).unwrap_or_default())
            }
            None => {
                self.hole.take(bytes);
                self.at += bytes.len() as u64;
                (Step::Other, &[])
            }
        }
    }

    /// Enters the fragment that was found. Returns its offset.
    fn find(&mut self, found: Found) -> u64 {
        self.at += found.taken as u64;
        let start = self.at.saturating_sub(Found::UNIT);
        let (kind, end) = (FourCc(*b"moof"), Some(start.saturating_add(found.size)));
        self.inside = Some(Inside { kind, start, end, believed: u64::MAX });
        self.lost_at = None;
        start
    }

    /// Whether this can be the state of a real walk: a stored one may have been changed since.
    pub(super) fn is_sound(&self) -> bool {
        const MOST: u64 = 1 << 62;
        let is_past = |at: u64| at <= self.at;
        let inside = self.inside.is_none_or(|inside| {
            is_past(inside.start) && inside.end.is_none_or(|end| end >= self.at)
        });
        inside
            && self.at < MOST
            && is_past(self.head.len() as u64)
            && self.head.len() < LONG_HEADER
            && self.lost_at.is_none_or(is_past)
            && self.scan.is_sound()
    }

    /// The unfinished box, if any: its type, its offset, and whether it has an end.
    pub fn open(&self) -> Option<(FourCc, u64, bool)> {
        let inside = self.inside.filter(|inside| inside.end != Some(self.at));
        inside.map(|inside| (inside.kind, inside.start, inside.end.is_none()))
    }

    /// The end of the last box, if other bytes follow it.
    pub fn tail(&self) -> Option<u64> {
        let head = self.at - self.head.len() as u64;
        self.lost_at.or((!self.head.is_empty()).then_some(head))
    }
    /// Whether what follows the last box tells that others stood there: zeros, and the rest of them, or the
    /// index of fragments at the very end.
    pub fn is_torn(&self) -> bool {
        self.lost_at.is_some() && (self.hole.is_torn() || self.scan.ends_with_index())
    }
}
