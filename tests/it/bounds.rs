//! Bounds: whatever servers send and however slowly, the program ends, as it should and within the
//! memory that promise 7 allows at the defaults. Each row states exit code, wall time and peak of
//! anonymous memory; `cargo test --test it bounds:: -- --nocapture` prints what was measured.

mod files;
mod hang;
mod playlists;
mod store;
mod trial;
mod wechat;
