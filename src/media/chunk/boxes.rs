//! The boxes of an MP4's initialisation section or fragments: whether they are whole, and their samples
//! sound.

use std::sync::Arc;

use bytes::Bytes;

use super::{ChunkError, Examined, Finding};
use crate::media::mp4::samples::{Examiner, Place, Played, SampleTables};
use crate::media::mp4::{self, Step};
use crate::media::ts::{self, Promise};

/// The largest `moov` of a section to keep: with fragments it has no sample tables.
const LARGEST: usize = 1 << 20;

/// What an initialisation section says about the fragments that need it.
#[derive(Debug, Clone)]
pub struct Init(Arc<SampleTables>);

impl Init {
    /// Reads a section; `None` if it has no readable `moov`.
    pub fn read(section: &[u8]) -> Option<Self> {
        let mut boxes = Boxes::default();
        boxes.feed(section);
        boxes.own
    }
}

impl PartialEq for Init {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Init {}

/// Examines boxes as they stream by.
#[derive(Debug, Default)]
pub(super) struct Boxes {
    /// Up to the end of the `moov`, if no other section describes the fragments.
    boxes: mp4::Boxes,
    moov: Vec<u8>,
    /// What that `moov` says.
    own: Option<Init>,
    examiner: Option<Examiner>,
}

impl Boxes {
    /// The boxes of a file whose fragments need this section, if known.
    pub fn with(init: Option<Init>) -> Self {
        let examiner = init.map(|Init(tables)| Examiner::of_section(tables, 0));
        Self { examiner, ..Self::default() }
    }

    /// Takes the next bytes.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if let Some(examiner) = &mut self.examiner {
                return examiner.feed(bytes);
            }
            let (step, rest) = self.boxes.step(bytes);
            bytes = rest;
            if let Step::Payload(kind, _, slice) = step
                && kind.0 == *b"moov"
                && self.moov.len() + slice.len() <= LARGEST
            {
                self.moov.extend_from_slice(slice);
            }
            self.end_moov();
        }
    }

    /// At the end of the `moov`: what follows is examined by it.
    fn end_moov(&mut self) {
        if self.moov.is_empty() || self.boxes.open().is_some() {
            return;
        }
        let moov = Bytes::from(std::mem::take(&mut self.moov));
        self.own = SampleTables::beside(&moov).ok().map(|tables| Init(Arc::new(tables)));
        let tables = self.own.as_ref().map(|Init(tables)| Arc::clone(tables));
        self.examiner = tables.map(|tables| Examiner::of_section(tables, self.boxes.at()));
    }

    /// The result, and the error if a box that plays is not whole.
    pub fn finish(self, promise: Option<Promise>, total: u64) -> (Examined, Option<ChunkError>) {
        let cut = self.cut().map(|offset| ChunkError::CutBox { offset, total });
        let boxes = self.examiner.as_ref().map_or(&self.boxes, Examiner::boxes);
        let note = match (boxes.tail(), boxes.open()) {
            (Some(at), _) => Some(format!(
                "{} bytes that are not a box follow the last one, which ends at {at}",
                total.saturating_sub(at)
            )),
            (None, Some((kind, at, false))) => {
                Some(format!("the last box, {kind} at offset {at}, claims to be longer than it is"))
            }
            _ => None,
        };
        let Some(examiner) = self.examiner else {
            let why = "its initialisation section is not known, or cannot be read";
            let (findings, unexamined) = (Vec::new(), Some(why.to_owned()));
            return (Examined { findings, unexamined, note }, cut);
        };
        let duration = promise.and_then(|promise| match examiner.played() {
            Some(played) => duration_finding(played, promise, total),
            None => examiner.is_empty().then(|| nothing(promise, total)).flatten(),
        });
        let examined = examiner.finish(&[], total);
        let findings = examined.places.into_iter().map(Finding::from).chain(duration).collect();
        (Examined { findings, unexamined: examined.unexamined, note }, cut)
    }

    /// The offset of a box or sample that is not whole.
    fn cut(&self) -> Option<u64> {
        let of_media = |boxes: &mp4::Boxes| {
            let plays = |kind: mp4::FourCc| [*b"moov", *b"moof", *b"mdat"].contains(&kind.0);
            boxes.open().filter(|(kind, _, is_open)| plays(*kind) && !is_open)
        };
        let Some(examiner) = &self.examiner else {
            return of_media(&self.boxes).map(|(_, at, _)| at);
        };
        let cut = of_media(examiner.boxes())
            .filter(|(kind, ..)| kind.0 != *b"mdat" || !examiner.has_all());
        cut.map(|(_, at, _)| at).or_else(|| examiner.lacks())
    }
}

impl From<Place> for Finding {
    fn from(place: Place) -> Self {
        let Place { range, at_ms, duration_ms, what, .. } = place;
        let length = range.end.saturating_sub(range.start);
        Self { offset: range.start, length, at_ms, duration_ms, what: what.to_string() }
    }
}

/// The finding that fragments play for less or more time than their playlist says.
fn duration_finding(played: Played, promise: Promise, total: u64) -> Option<Finding> {
    let (told, tolerance) = (promise.duration_ms, promise.tolerance_ms());
    let (offset, length, what) = match played {
        Played { longest_ms: plays, .. } if plays + tolerance < told => {
            (total, 0, ts::What::Short { told, plays })
        }
        Played { main_ms: plays, .. } if plays > told + tolerance && !promise.may_run_on => {
            (0, total, ts::What::Long { told, plays })
        }
        _ => return None,
    };
    Some(ts::Finding { offset, length, at_ms: None, what }.into())
}

/// The finding that there are no fragments.
fn nothing(promise: Promise, total: u64) -> Option<Finding> {
    let (offset, length, what) = (0, total, ts::What::Nothing);
    let is_told = promise.duration_ms > promise.tolerance_ms();
    is_told.then(|| ts::Finding { offset, length, at_ms: Some(0), what }.into())
}
