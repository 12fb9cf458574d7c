//! Fuzz targets for what a player is told of a manifest and of a stored playlist.

use std::collections::HashMap;

use super::hls::with_urls;
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

/// A playlist: what comes out is a gap, a tag without any URL, or names a file that is known; and no more
/// of those than there are.
pub(crate) fn line(data: &[u8]) {
    const OURS: &str = "https://ours.example/0";
    let Ok(text) = std::str::from_utf8(data) else { return };
    let urls = HashMap::from([("chunk-000000.ts", OURS.to_owned())]);
    let Ok(playlist) = with_urls(text, &urls) else { return };
    assert!(playlist.matches(OURS).count() <= 2, "{playlist:?}");
    for line in playlist.split('\n') {
        let is_ours = matches!(line, "" | "gap" | OURS);
        let names_ours = line == "#EXT-X-MAP:URI=\"https://ours.example/0\"";
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-:.,".contains(&byte);
        let is_tag = line.strip_prefix('#').is_some_and(|tag| tag.bytes().all(is_plain));
        assert!(is_ours || names_ours || is_tag, "{line:?}");
    }
}
