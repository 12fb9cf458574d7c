//! Media of the source: ranged reads, the MP4 walk, HLS playlists and their files.

pub mod chunk;
pub mod hls;
pub mod mp4;
pub mod source;
pub mod ts;
