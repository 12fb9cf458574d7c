//! Fuzz targets for what a player is told of a manifest and of a stored playlist.

use std::collections::HashMap;

use super::hls::with_url;
use super::{Plan, Played};
use crate::model::Manifest;

/// The plan of any manifest: it plays what the manifest has, and a gap ends where a segment begins.
pub(crate) fn plan(data: &[u8]) {
    let Ok(manifest) = serde_json::from_slice::<Manifest>(data) else { return };
    let plan = Plan::of(&manifest);
    assert!(plan.segments.len() <= manifest.segments.len());
    for gap in &plan.gaps {
        let ends = |begins: u64| begins - gap.offset_ms <= gap.duration_ms;
        let mut begins = plan.segments.iter().map(|clip| clip.begins_ms);
        assert!(begins.any(|begins| begins >= gap.offset_ms && ends(begins)));
    }
    let is_there = match plan.preferred {
        Played::Stitched => plan.film.is_some_and(|film| !film.film.made_from.is_empty()),
        Played::Whole => plan.whole.is_some(),
        Played::Segments => !plan.segments.is_empty(),
        Played::None => true,
    };
    assert!(is_there, "{:?}", plan.preferred);
}

/// A line of a playlist: what comes out is a comment, a tag, or names a file that is known.
pub(crate) fn line(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let urls = HashMap::from([("chunk-000000.ts", "https://ours.example/0".to_owned())]);
    for line in text.lines().filter_map(|line| with_url(line, &urls).ok()) {
        let is_ours = line.is_empty() || line == "https://ours.example/0";
        let names_ours = line == "#EXT-X-MAP:URI=\"https://ours.example/0\"";
        let is_tag = line.trim_start().starts_with('#') && !line.contains("URI=");
        assert!(is_ours || names_ours || is_tag, "{line:?}");
    }
}
