//! What the catalog says of a manifest, so that whoever lists rooms need not read the manifest of each.

use super::{ImageRole, Manifest, RoomStatus, Sha256Digest};

/// The keys that a cover can have, relative to its room's folder.
const COVERS: [&str; 5] = [
    "images/cover.jpg",
    "images/cover.png",
    "images/cover.gif",
    "images/cover.webp",
    "images/cover.bin",
];

/// A manifest in short. What is not known is `None`: earlier versions did not record it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Bytes of its archived recordings.
    pub bytes: Option<u64>,
    /// Duration of what its playback plays, in milliseconds.
    pub duration_ms: Option<u64>,
    /// The key of its cover relative to the room's folder, if the cover is archived.
    pub cover: Option<&'static str>,
    /// Whether it has a stitched film of its segments, or says why there is none.
    pub is_stitched: Option<bool>,
}

/// A room's manifest as the ledger remembers it and the catalog tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed {
    /// Its status.
    pub status: RoomStatus,
    /// Its revision.
    pub revision: u64,
    /// The SHA-256 of its bytes.
    pub sha256: Sha256Digest,
    /// What the catalog says of it.
    pub summary: Summary,
}

impl Summary {
    /// The summary of a manifest.
    pub fn of(manifest: &Manifest) -> Self {
        let covers = manifest.room.images.iter().filter(|image| image.role == ImageRole::Cover);
        Self {
            bytes: Some(manifest.totals.bytes),
            duration_ms: Some(manifest.totals.duration_ms),
            cover: covers.filter_map(|cover| cover_at(cover.key.as_deref()?)).next(),
            is_stitched: Some(manifest.playback.stitched.is_some()),
        }
    }
}

/// The cover with this key; `None` if no cover can have it.
pub fn cover_at(key: &str) -> Option<&'static str> {
    COVERS.into_iter().find(|known| *known == key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cover_is_one_of_few_files() {
        assert_eq!(cover_at("images/cover.webp"), Some("images/cover.webp"));
        for other in ["", "images/share.jpg", "../images/cover.jpg", "images/cover.html"] {
            assert_eq!(cover_at(other), None, "{other}");
        }
    }
}
