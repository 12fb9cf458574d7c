//! Segments that ffmpeg made, joined to films, and films that a store makes from large segments.

mod joined;
mod large;
mod stored;
