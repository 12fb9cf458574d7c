//! What a player needs of an archived room: what to play in which order, where it is in the broadcast, and
//! its URLs. It knows manifests and the bucket, not who asks.
//!
//! - [`Plan`]: a manifest as a player sees it. Pure.
//! - [`LinkKey`]: links of one room that end by themselves, for players that cannot send a header. Pure.
//! - [`Links`]: the URL of an object: presigned, below another address, or of the server itself.
//! - [`signing`]: signatures of a CDN before the bucket. Pure.
//! - [`hls`]: the whole broadcast as a playlist of such URLs.
//! - [`lists`], [`vod`]: playlists of desktop players, and the mapping of nginx-vod-module. Pure.

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
pub mod hls;
mod link_key;
mod links;
pub mod lists;
mod plan;
pub mod signing;
pub mod vod;

pub use link_key::{Ends, LinkKey};
pub use links::{BaseUrl, Lasting, Link, Links, RoomLinks, ServerLinks, Way};
pub use plan::{Clip, Film, Gap, Plan, Playable, Played};

use crate::store;

/// Why a player cannot be given what it needs.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The manifest names an object that is not the room's.
    #[error("the manifest names a key outside its room")]
    Outside,
    /// HLS was asked for, and there is no whole.
    #[error(
        "the room has no archived whole, and HLS does not play plain MP4 files\n\
         hint: use --format json or urls for its segments [RA610]"
    )]
    NoWhole,
    /// The playlist that the manifest names is gone.
    #[error("the playlist is missing from the bucket")]
    Missing,
    /// The playlist is not the one that was archived.
    #[error(
        "the playlist in the bucket differs from the archived one\n\
         hint: `verify --room {room}` shows what else is damaged [RA611]"
    )]
    Differs { room: crate::model::RoomId },
    /// The playlist is larger than any that is archived.
    #[error(
        "the playlist has {bytes} bytes, and {most} are read at most\n\
         hint: it is not one that was archived; `verify` shows what else is damaged [RA611]"
    )]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The limit.
        most: u64,
    },
    /// The playlist names files again and again.
    #[error("the playlist names more files than the {most} that are archived")]
    TooMany {
        /// How many files the manifest has.
        most: usize,
    },
    /// The playlist is not text.
    #[error("the playlist is damaged")]
    Damaged(#[source] std::str::Utf8Error),
    /// The playlist names a file that the manifest does not have, or has a tag that no archived one has. It
    /// is shortened.
    #[error("the playlist has a line that no archived one has: {0:?}")]
    Stray(String),
}
