//! Distinguishes one file of a media host from another.

use serde::{Deserialize, Serialize};

use crate::model::{Crc64Xz, SourceFacts};

/// What a media host said about a file. Can be stored, to resume a transfer later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFile {
    /// Length in bytes; `None` if the host does not tell.
    pub total: Option<u64>,
    /// Whether it supports ranged requests.
    pub ranged: bool,
    /// The strong entity tag, without quotes. A weak one says nothing about the bytes and is left out.
    pub etag: Option<String>,
    /// `Last-Modified`, as received.
    pub last_modified: Option<String>,
    /// CRC-64/XZ of the whole file (`x-cos-hash-crc64ecma`, seen at Tencent VOD).
    pub crc64xz: Option<Crc64Xz>,
    /// `https` or `http`, whichever answered after any redirects.
    pub scheme: String,
}

impl SourceFile {
    /// Whether this is still the file that `earlier` was, as far as a host can tell: it has the same
    /// length and the same validators, and at least one of them. Without any, other bytes of that
    /// length would look the same.
    pub fn is_still(&self, earlier: &Self) -> bool {
        let marks = |file: &Self| (file.etag.clone(), file.last_modified.clone(), file.crc64xz);
        self.ranged
            && self.total == earlier.total
            && marks(self) == marks(earlier)
            && marks(self) != (None, None, None)
    }

    /// The part that manifests keep.
    pub fn facts(&self) -> SourceFacts {
        SourceFacts {
            scheme: self.scheme.clone(),
            etag: self.etag.clone(),
            last_modified: self.last_modified.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(total: u64, etag: Option<&str>, last_modified: Option<&str>) -> SourceFile {
        SourceFile {
            total: Some(total),
            ranged: true,
            etag: etag.map(str::to_owned),
            last_modified: last_modified.map(str::to_owned),
            crc64xz: None,
            scheme: "https".into(),
        }
    }

    #[test]
    fn a_file_is_still_the_same_only_where_a_mark_says_so() {
        let (monday, tuesday) = (Some("Mon, 02 Nov 2026"), Some("Tue, 03 Nov 2026"));
        let cases = [
            (file(9, Some("a"), monday), file(9, Some("a"), monday), true),
            (file(9, Some("a"), None), file(9, Some("a"), None), true),
            (file(9, None, monday), file(9, None, monday), true),
            (file(9, None, None), file(9, None, None), false),
            (file(9, Some("a"), monday), file(9, Some("b"), monday), false),
            (file(9, None, monday), file(9, None, tuesday), false),
            (file(9, Some("a"), None), file(8, Some("a"), None), false),
            (file(9, Some("a"), None), file(9, None, None), false),
        ];
        for (now, earlier, is_still) in cases {
            assert_eq!(now.is_still(&earlier), is_still, "{now:?} {earlier:?}");
        }
        let plain = SourceFile { scheme: "http".into(), ..file(9, Some("a"), None) };
        assert!(plain.is_still(&file(9, Some("a"), None)), "the scheme is no mark");
    }
}
