//! The sample entry of a track: what its decoder is set up with.

use bytes::Bytes;

use super::refusal::Flaw;
use crate::media::mp4::FourCc;
use crate::media::mp4::boxes::children;
use crate::media::mp4::samples::coding::{VISUAL_FIELDS, audio_config};
use crate::media::mp4::samples::table::number;

/// The most boxes within a sample entry to compare.
const MOST_BOXES: usize = 64;

/// The only sample entry of a track, without what says nothing to a decoder: bit rates, and the names of
/// programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    kind: FourCc,
    /// Width and height, if it is one of pictures.
    size: Vec<u8>,
    fields: Vec<u8>,
    /// The `AudioSpecificConfig`.
    audio: Option<Vec<u8>>,
    boxes: Vec<(FourCc, Bytes)>,
}

impl Entry {
    pub(super) fn read(handler: [u8; 4], stsd: &[u8], track: usize) -> Result<Self, Flaw> {
        let entries = number(stsd, 4).ok_or(Flaw::Unreadable("stsd"))?;
        if entries != 1 {
            return Err(Flaw::Track { track, what: "has not exactly one sample entry (stsd)" });
        }
        let entry = children(stsd.get(8..).unwrap_or_default()).next();
        let (kind, body) = entry.ok_or(Flaw::Unreadable("stsd"))?;
        if matches!(&kind.0, b"encv" | b"enca" | b"enct" | b"encs") {
            return Err(Flaw::Track { track, what: "is encrypted" });
        }
        // Which of several files the samples lie in: there is one.
        let (fields, boxes) = body
            .split_at_checked(match &handler {
                b"vide" => VISUAL_FIELDS,
                b"soun" => sound_fields(body),
                _ => body.len(),
            })
            .ok_or(Flaw::Unreadable("stsd"))?;
        let mut this = Self {
            kind,
            size: Vec::new(),
            fields: fields.to_vec(),
            audio: None,
            boxes: Vec::new(),
        };
        if handler == *b"vide" {
            let field = |from: usize, to: usize| fields.get(from..to).unwrap_or_default();
            this.size = field(24, 28).to_vec();
            // Between them is the name of a program.
            this.fields = [field(28, 42), field(74, VISUAL_FIELDS)].concat();
        }
        for (kind, body) in children(boxes).take(MOST_BOXES) {
            match (&kind.0, body.get(4..).and_then(audio_config)) {
                (b"btrt", _) => {}
                (b"esds", Some(config)) => this.audio = Some(config.to_vec()),
                _ => this.boxes.push((kind, Bytes::copy_from_slice(body))),
            }
        }
        Ok(this)
    }

    /// The name of what differs in another entry.
    pub(super) fn difference(&self, other: &Self) -> Option<String> {
        let fields = [
            (self.kind == other.kind, "codec"),
            (self.size == other.size, "width or height"),
            (self.audio == other.audio, "AudioSpecificConfig"),
            (self.fields == other.fields, "sample entry"),
        ];
        if let Some((_, field)) = fields.iter().find(|(is_alike, _)| !is_alike) {
            return Some((*field).to_owned());
        }
        let kinds = |entry: &Self| entry.boxes.iter().map(|(kind, _)| kind.0).collect::<Vec<_>>();
        if kinds(self) != kinds(other) {
            return Some("sample entry".to_owned());
        }
        let mut pairs = self.boxes.iter().zip(&other.boxes);
        pairs.find(|(one, other)| one != other).map(|((kind, _), _)| kind.to_string())
    }
}

/// How many bytes of a sound sample entry precede its boxes: ISO, and two versions of `QuickTime`.
fn sound_fields(body: &[u8]) -> usize {
    match body.get(8..10) {
        Some([0, 1]) => 44,
        Some([0, 2]) => 64,
        _ => 28,
    }
}
