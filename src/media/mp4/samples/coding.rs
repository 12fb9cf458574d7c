//! How the samples of a track are coded, for the codings that can be examined.

use serde::{Deserialize, Serialize};

use super::super::boxes::{child, children};

/// How samples are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Coding {
    /// AVC: NAL units, each preceded by its length in this many bytes.
    Avc(u8),
    /// HEVC, likewise.
    Hevc(u8),
    /// AAC with this channel configuration; 0 for one that the stream itself defines.
    Aac(u8),
    /// Anything else, by the type of its sample entry.
    Other([u8; 4]),
}

/// The sample entry types whose samples are not encrypted.
const VISUAL: [&[u8; 4]; 10] =
    [b"avc1", b"avc2", b"avc3", b"avc4", b"hvc1", b"hev1", b"dvh1", b"dvhe", b"dva1", b"dvav"];

/// Where the boxes begin within a visual sample entry.
pub(crate) const VISUAL_FIELDS: usize = 78;

/// Where the boxes may begin within an audio sample entry: ISO, and two versions of `QuickTime`.
const AUDIO_FIELDS: [usize; 3] = [28, 44, 64];

/// The codings that a sample description box (`stsd`) names, in order.
pub(in super::super) fn codings(stsd: &[u8]) -> Vec<Coding> {
    const MOST: usize = 16;
    let entries = stsd.get(8..).unwrap_or_default();
    children(entries).take(MOST).map(|(kind, body)| coding(kind.0, body)).collect()
}

fn coding(kind: [u8; 4], body: &[u8]) -> Coding {
    let known = match &kind {
        b"mp4a" => AUDIO_FIELDS.iter().find_map(|at| aac(body.get(*at..)?)),
        kind if VISUAL.contains(&kind) => body.get(VISUAL_FIELDS..).and_then(visual),
        _ => None,
    };
    known.unwrap_or(Coding::Other(kind))
}

fn visual(boxes: &[u8]) -> Option<Coding> {
    let length_size = |byte: &u8| (byte & 3) + 1;
    let avc = || child(boxes, b"avcC").and_then(|avcc| avcc.get(4)).map(length_size);
    let hevc = || child(boxes, b"hvcC").and_then(|hvcc| hvcc.get(21)).map(length_size);
    avc().map(Coding::Avc).or_else(|| hevc().map(Coding::Hevc))
}

fn aac(boxes: &[u8]) -> Option<Coding> {
    let esds = child(boxes, b"esds").or_else(|| child(child(boxes, b"wave")?, b"esds"))?;
    let config = audio_config(esds.get(4..)?)?;
    channels(config).map(Coding::Aac)
}

/// The `AudioSpecificConfig` within an `ES_Descriptor` (ISO/IEC 14496-1 section 7.2.6.5).
pub(crate) fn audio_config(descriptor: &[u8]) -> Option<&[u8]> {
    let (tag, es) = tagged(descriptor)?;
    let (flags, mut rest) = (*es.get(2)?, es.get(3..)?);
    if flags & 0x80 != 0 {
        rest = rest.get(2..)?;
    }
    if flags & 0x40 != 0 {
        rest = rest.get(1 + usize::from(*rest.first()?)..)?;
    }
    if flags & 0x20 != 0 {
        rest = rest.get(2..)?;
    }
    let (config_tag, decoder) = tagged(rest)?;
    // MPEG-4 audio, and the three profiles of MPEG-2's AAC.
    let is_aac = matches!(decoder.first()?, 0x40 | 0x66..=0x68);
    let (specific_tag, specific) = tagged(decoder.get(13..)?)?;
    (tag == 3 && config_tag == 4 && specific_tag == 5 && is_aac).then_some(specific)
}

/// The tag and the body of the descriptor at the start of `bytes`.
fn tagged(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (&tag, mut rest) = bytes.split_first()?;
    let mut length = 0_usize;
    for _ in 0..4 {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        length = length << 7 | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Some((tag, rest.get(..length).unwrap_or(rest)))
}

/// The channel configuration of an `AudioSpecificConfig` (ISO/IEC 14496-3 section 1.6.2.1); `None`
/// for an audio object type whose frames are not those of AAC.
fn channels(config: &[u8]) -> Option<u8> {
    /// Main, LC, SSR, LTP, SBR and PS.
    const AAC: [u32; 6] = [1, 2, 3, 4, 5, 29];
    let mut bits = [0; 8];
    for (bit, byte) in bits.iter_mut().zip(config) {
        *bit = *byte;
    }
    let bits = u64::from_be_bytes(bits);
    let field = |from: u32, length: u32| (bits << from >> (64 - length)) as u32;
    let escapes = if field(5, 4) == 15 { 24 } else { 0 };
    let channels = u8::try_from(field(9 + escapes, 4)).ok()?;
    (AAC.contains(&field(0, 5)) && channels <= 14).then_some(channels)
}
