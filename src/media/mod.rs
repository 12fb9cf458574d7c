//! The source's bytes: ranged reads, the MP4 walk, HLS playlists and what they name.

pub mod chunk;
pub mod hls;
pub mod mp4;
pub mod source;
pub mod ts;
