//! What an MP4 consists of, and whether that is all of it.

use std::ops::Range;

use super::Mp4Error;
use super::extent::extent;
use super::fragments::Fragments;

/// What an MP4 consists of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mp4Structure {
    /// Length of the file in bytes.
    pub total: u64,
    /// The payload of the first `moov`, header excluded; `None` where it was larger than the limit
    /// or came before a stored walk was resumed.
    pub moov: Option<Vec<u8>>,
    /// Where that payload lies in the file.
    pub moov_at: Range<u64>,
    /// Whether the `moov` comes before the media data.
    pub faststart: bool,
    /// Whether the media data is in fragments (`moof`).
    pub fragmented: bool,
    /// Where the payloads of its `mdat` boxes lie, in order: the first 256 of them.
    pub media: Vec<Range<u64>>,
    /// What the fragments place, and how long they play.
    pub fragments: Fragments,
    /// What is odd about its end. The file is whole all the same where every sample lies within it.
    pub oddity: Option<Mp4Error>,
}

impl Mp4Structure {
    /// Makes sure that every sample lies within the file, as far as the payload of its `moov` is given
    /// and can be read. Returns what is odd about the end of a file that is whole.
    ///
    /// # Errors
    /// When samples lie beyond the end of a file that is cut, or more than half of what a file has, when
    /// there is none, or the end is odd and nothing tells of the samples. A few that lie beyond the end of
    /// a file whose boxes fill it are an error in its tables, with which the rest of it plays.
    pub fn check(&self, moov: Option<&[u8]>) -> Result<Option<String>, Mp4Error> {
        let Some(extent) = moov.and_then(|moov| extent(moov, self.total)) else {
            return self.oddity.clone().map_or(Ok(None), Err);
        };
        let (end, total) = (extent.end.max(self.fragments.end), self.total);
        if end > total {
            let is_cut = self.oddity.is_some() || self.fragments.end > total;
            if is_cut || extent.beyond > extent.bytes / 2 {
                return Err(Mp4Error::SamplesBeyond { end, total });
            }
            return Ok(Some(format!(
                "its tables place {} of {} bytes of samples beyond its end",
                extent.beyond, extent.bytes
            )));
        }
        if extent.samples == 0 && !self.fragmented {
            return Err(Mp4Error::NoSamples);
        }
        Ok(self.oddity.as_ref().and_then(|oddity| note(oddity, total)))
    }
}

/// What is odd about the end of a file of `total` bytes that is whole.
fn note(oddity: &Mp4Error, total: u64) -> Option<String> {
    Some(match oddity {
        Mp4Error::Truncated { kind, offset, end, .. } => format!(
            "the last box, {kind} at offset {offset}, is said to reach to {end}; the file ends at {total}, after its last sample"
        ),
        Mp4Error::Garbage { offset } => {
            let bytes = total.saturating_sub(*offset);
            format!("{bytes} bytes that are no box follow the last one, which ends at {offset}")
        }
        Mp4Error::CutHeader { bytes, .. } => {
            format!("{bytes} bytes that are no box follow the last one")
        }
        // A box of no size ends with the file.
        _ => return None,
    })
}
