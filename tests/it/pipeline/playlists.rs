//! Playlists as hosts serve them: behind redirects, with oddities, with variants to choose from.

mod chunks;
mod fragments;
mod redirected;
pub mod shelf;
mod variants;
