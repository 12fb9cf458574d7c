//! The reading side of the archive: manifests and catalogs as the bucket has them. It asks the store and
//! nobody else.

pub mod catalog;
pub mod published;

use crate::store;

/// Why something published could not be read back.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// It is the work of another program, or of another version of this one.
    #[error(
        "{key} is not a manifest that this version can read\n\
         hint: it was kept as it is; move it away to have the room archived anew"
    )]
    Foreign {
        /// Its key.
        key: String,
        /// Why not.
        source: serde_json::Error,
    },
}
