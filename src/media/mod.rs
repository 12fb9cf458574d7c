//! Media of the source: ranged reads, the MP4 walk, HLS playlists and their files, and the buffers
//! for them.

mod buffer;
pub mod chunk;
pub mod hls;
pub mod mp4;
pub mod source;
pub mod ts;

pub use buffer::Buffer;
