//! The reading side of the archive: manifests and catalogs as they are in the bucket. It depends on the
//! store alone.

pub mod accounts;
pub mod catalog;
mod features;
pub mod index;
pub mod published;
pub mod search;

use crate::store;

/// Why a published file could not be read back.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// It was written by another program, or by another version of this one.
    #[error(
        "{key} is not a manifest that this version can read\n\
         hint: it was left in place; move it away to archive the room again [RA809]"
    )]
    Foreign {
        key: String,
        /// Why it could not be parsed.
        source: serde_json::Error,
    },
    /// The catalog was written by another program, or by another version of this one.
    #[error(
        "{key} is not a catalog that this version can read\n\
         hint: it was left in place; use a newer version of replay-archiver, or move the object away and start a \
         run, which makes the catalog again [RA810]"
    )]
    ForeignCatalog {
        /// Its key.
        key: String,
        /// Why it could not be parsed.
        source: serde_json::Error,
    },
    /// It requires a feature that this version does not know.
    #[error("{key} is a manifest of a newer version of replay-archiver")]
    Newer {
        key: String,
        /// What it requires, with a hint.
        source: serde_json::Error,
    },
}
