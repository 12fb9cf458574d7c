//! The structure of an MP4, and the check that it is complete.

use std::ops::Range;

use super::Mp4Error;
use super::extent::extent;
use super::fragments::Fragments;

/// The structure of an MP4.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mp4Structure {
    /// Length of the file in bytes.
    pub total: u64,
    /// The payload of the first `moov` without its header; `None` if it was larger than the limit or
    /// came before a stored walk was resumed.
    pub moov: Option<Vec<u8>>,
    /// The range of that payload in the file.
    pub moov_at: Range<u64>,
    /// Whether the `moov` comes before the media data.
    pub faststart: bool,
    /// Whether the media data is in fragments (`moof`).
    pub fragmented: bool,
    /// The payloads of its `mdat` boxes, in order: the ranges of the first 256.
    pub media: Vec<Range<u64>>,
    /// What the fragments contain, and how long they play.
    pub fragments: Fragments,
    /// Whether its last box has no size and extends to the end of the file.
    pub is_open: bool,
    /// Places without a box between fragments: the first 64.
    pub gaps: Vec<Range<u64>>,
    /// What is odd about its end. The file is still whole if every sample lies within it.
    pub oddity: Option<Mp4Error>,
}

impl Mp4Structure {
    /// Makes sure that every sample lies within the file, if the payload of its `moov` is given and can
    /// be read. Returns what is odd about the end of a whole file.
    ///
    /// # Errors
    /// When samples lie beyond the end of a cut file, or more than half of their bytes beyond the end of
    /// any file; when there is no sample; or when the media data is cut and nothing describes the samples.
    /// A few samples beyond the end of a file whose boxes fill it are an error in its tables, and the
    /// rest plays.
    pub fn check(&self, moov: Option<&[u8]>) -> Result<Option<String>, Mp4Error> {
        let Some(extent) = moov.and_then(|moov| extent(moov, self.total)) else {
            return match &self.oddity {
                Some(oddity) if oddity.is_of_media() => Err(oddity.clone()),
                oddity => Ok(oddity.as_ref().and_then(|oddity| note(oddity, self.total))),
            };
        };
        let (end, total) = (extent.end.max(self.fragments.end), self.total);
        if end > total {
            let is_cut = self.oddity.is_some() || (self.is_open && self.fragments.end > total);
            if is_cut || extent.beyond > extent.bytes / 2 {
                return Err(Mp4Error::SamplesBeyond { end, total });
            }
            if extent.end <= total {
                return Ok(Some("its fragments place samples beyond its end".to_owned()));
            }
            return Ok(Some(format!(
                "its tables place {} of {} bytes of samples beyond its end",
                extent.beyond, extent.bytes
            )));
        }
        if extent.samples == 0 && !self.fragmented {
            return Err(Mp4Error::NoSamples);
        }
        Ok(self.oddity.as_ref().and_then(|oddity| note(oddity, total)).or_else(|| self.gap()))
    }

    /// Describes missing boxes between fragments.
    fn gap(&self) -> Option<String> {
        let first = self.gaps.first()?;
        let bytes: u64 = self.gaps.iter().map(|gap| gap.end.saturating_sub(gap.start)).sum();
        Some(format!(
            "{bytes} bytes between its boxes are not boxes, from offset {} on",
            first.start
        ))
    }
}

/// Describes what is odd about the end of a whole file of `total` bytes.
fn note(oddity: &Mp4Error, total: u64) -> Option<String> {
    Some(match oddity {
        Mp4Error::Truncated { kind, offset, end, .. } => format!(
            "the last box, {kind} at offset {offset}, claims to reach to {end}; the file ends at \
             {total}, after its last sample"
        ),
        Mp4Error::Garbage { offset } => {
            let bytes = total.saturating_sub(*offset);
            format!("{bytes} bytes that are not a box follow the last one, which ends at {offset}")
        }
        Mp4Error::CutHeader { bytes, .. } => {
            format!("{bytes} bytes that are not a box follow the last one")
        }
        // A box without a size ends with the file.
        _ => return None,
    })
}
