//! The source's bytes: ranged reads, the MP4 walk, HLS playlists.

pub mod hls;
pub mod mp4;
pub mod source;
