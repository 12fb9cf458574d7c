//! Everything that a player may want to know of a room, as JSON.

use serde_json::{Value, json};

use super::{First, Player};
use crate::playback::{Clip, Film, Plan, Playable, Played};

/// The JSON of a room.
pub(super) async fn of(player: &Player<'_>) -> anyhow::Result<Value> {
    let Plan { segments: clips, film, whole, .. } = &player.plan;
    let mut segments = Vec::new();
    for clip in clips {
        segments.push(segment(player, clip).await?);
    }
    let stitched = match film {
        None => None,
        Some(film) => Some(stitched(player, film).await?),
    };
    let manifest = player.manifest;
    let played = match player.first() {
        First::Film(_) => Played::Stitched,
        First::Segments(_) => Played::Segments,
        First::Whole => Played::Whole,
        First::None => Played::None,
    };
    let room = &manifest.room;
    Ok(json!({
        "appid": room.appid,
        "room_id": room.room_id,
        "name": room.name,
        "status": manifest.status,
        "revision": manifest.revision,
        "play": play(player, played).await?,
        "preferred": manifest.playback.preferred,
        "duration_ms": player.plan.duration_of_ms(played, manifest),
        "uniform_codecs": manifest.playback.uniform_codecs,
        "urls_expire_at": player.links.end().await?.time(),
        "stitched": stitched,
        "segments": segments,
        "whole": whole.as_ref().map(whole_of),
    }))
}

/// What to play, and its URLs in order. The whole has none: its playlist is another format.
async fn play(player: &Player<'_>, played: Played) -> anyhow::Result<Value> {
    let urls = match played {
        Played::Stitched | Played::Segments => player.urls().await?,
        Played::Whole | Played::None => Vec::new(),
    };
    Ok(json!({ "what": played, "urls": urls }))
}

async fn stitched(player: &Player<'_>, film: &Film<'_>) -> anyhow::Result<Value> {
    Ok(json!({
        "url": player.url(film.key).await?,
        "key": film.key,
        "bytes": film.film.bytes,
        "duration_ms": film.film.duration_ms,
        "time_map": film.film.time_map,
    }))
}

fn whole_of(playable: &Playable<'_>) -> Value {
    json!({
        "key": playable.key,
        "duration_ms": playable.whole.duration_ms,
        "chunks": playable.whole.chunks.len(),
        "playable_ms": playable.whole.plays_ms(),
        "missing": playable.whole.missing,
    })
}

async fn segment(player: &Player<'_>, clip: &Clip<'_>) -> anyhow::Result<Value> {
    let Clip { segment, key, .. } = clip;
    let (media, timeline) = (segment.media.as_ref(), segment.timeline.as_ref());
    Ok(json!({
        "index": segment.index,
        "url": player.url(key).await?,
        "key": key,
        "content_type": segment.content_type,
        "bytes": segment.bytes,
        "sha256": segment.sha256,
        "duration_ms": media.map(|media| media.duration_ms),
        "offset_ms": timeline.map(|timeline| timeline.offset_ms),
        "gap_before_ms": timeline.map(|timeline| timeline.gap_before_ms),
        "codecs": media.and_then(|media| media.codecs.clone()),
        "width": media.and_then(|media| media.width),
        "height": media.and_then(|media| media.height),
    }))
}
