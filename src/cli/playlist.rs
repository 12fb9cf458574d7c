//! `playlist`: what a player needs for one room.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::output;
use super::reading::{self, Archive};
use super::{Common, Exit};
use crate::clock::Clock;
use crate::model::{AppId, Manifest, RoomId, Segment, Sha256Digest, Stitched, Whole};

/// Flags of `playlist`.
#[derive(Debug, Args)]
pub struct PlaylistArguments {
    /// The room number.
    #[arg(long, value_name = "NUMBER")]
    room: RoomId,
    /// The output format.
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,
    /// How long the URLs stay valid, at most 7 days.
    #[arg(long, value_name = "DURATION", value_parser = ttl, default_value = "1h")]
    ttl: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Everything: URLs, durations, offsets, gaps, digests.
    Json,
    /// One URL per line, in order: that of the stitched film alone if there is one.
    Urls,
    /// The archived whole as HLS, with presigned chunks.
    M3u8,
    /// A mapping for nginx-vod-module.
    NginxVod,
    /// A list for ffmpeg's concat demuxer.
    Ffconcat,
}

fn ttl(text: &str) -> Result<Duration, String> {
    const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);
    let ttl = super::parse_duration(text)?;
    if (Duration::from_secs(1)..=LONGEST).contains(&ttl) {
        Ok(ttl)
    } else {
        Err("must be between 1s and 7d, the range that S3 can sign".to_owned())
    }
}

/// A room whose files are listed for a player.
struct Player<'a> {
    archive: &'a Archive,
    appid: &'a AppId,
    manifest: &'a Manifest,
    ttl: Duration,
}

pub(super) async fn run(common: &Common, arguments: &PlaylistArguments) -> anyhow::Result<Exit> {
    let archive = reading::open(common).await?;
    let room = arguments.room;
    let not_archived = || {
        format!(
            "room {room} has no manifest, so it is not archived\n\
             hint: `backfill --room {room}` archives it"
        )
    };
    let appid = archive.account_of(room).await?.with_context(not_archived)?;
    let manifest = archive.manifest(&appid, room).await?.with_context(not_archived)?;
    let player =
        Player { archive: &archive, appid: &appid, manifest: &manifest, ttl: arguments.ttl };
    let text = match arguments.format {
        Format::Json if common.json => player.json().await?.to_string(),
        Format::Json => format!("{:#}", player.json().await?),
        Format::Urls => player.urls().await?.join("\n"),
        Format::M3u8 => player.m3u8().await?,
        Format::NginxVod => format!("{:#}", player.nginx_vod()?),
        Format::Ffconcat => player.ffconcat().await?,
    };
    output::line(text.trim_end());
    Ok(Exit::Done)
}

/// A line of a stored playlist, with the URL of the file that it names.
fn with_url(line: &str, urls: &HashMap<&str, String>) -> String {
    const MAP: &str = "#EXT-X-MAP:URI=\"";
    let map = line.strip_prefix(MAP).and_then(|rest| rest.strip_suffix('"'));
    match (map.and_then(|name| urls.get(name)), urls.get(line)) {
        (Some(url), _) => format!("{MAP}{url}\""),
        (None, Some(url)) => url.clone(),
        (None, None) => line.to_owned(),
    }
}

impl Player<'_> {
    /// A presigned URL for the object that the manifest calls `key`.
    async fn url(&self, key: &str) -> anyhow::Result<String> {
        let store = &self.archive.store;
        let keys = store.keys(self.appid).room(self.manifest.room.room_id);
        let key = keys.resolve(key).context("the manifest names a key outside its room")?;
        Ok(store.presign_get(&key, self.ttl).await?.expose().to_owned())
    }

    fn archived(&self) -> impl Iterator<Item = (&Segment, &str)> {
        self.manifest.segments.iter().filter_map(|segment| Some((segment, segment.key.as_deref()?)))
    }

    fn whole(&self) -> Option<(&Whole, &str)> {
        let whole = self.manifest.whole.as_ref()?;
        Some((whole, whole.key.as_deref()?))
    }

    /// The stitched film, if there is one of all archived segments.
    fn film(&self) -> Option<(&Stitched, &str)> {
        let film = self.manifest.playback.stitched.as_ref()?;
        Some((film, film.key.as_deref()?))
    }

    async fn json(&self) -> anyhow::Result<Value> {
        let mut segments = Vec::new();
        for (segment, key) in self.archived() {
            let media = segment.media.as_ref();
            segments.push(json!({
                "index": segment.index,
                "url": self.url(key).await?,
                "key": key,
                "content_type": segment.content_type,
                "bytes": segment.bytes,
                "sha256": segment.sha256,
                "duration_ms": media.map(|media| media.duration_ms),
                "offset_ms": segment.timeline.as_ref().map(|timeline| timeline.offset_ms),
                "gap_before_ms": segment.timeline.as_ref().map(|timeline| timeline.gap_before_ms),
                "codecs": media.and_then(|media| media.codecs.clone()),
                "width": media.and_then(|media| media.width),
                "height": media.and_then(|media| media.height),
            }));
        }
        let whole = self.whole().map(|(whole, key)| {
            json!({
                "key": key,
                "duration_ms": whole.duration_ms,
                "chunks": whole.chunks.len(),
                "playable_ms": whole.plays_ms(),
                "missing": whole.missing,
            })
        });
        let film = match self.film() {
            None => None,
            Some((film, key)) => Some(json!({
                "url": self.url(key).await?,
                "key": key,
                "bytes": film.bytes,
                "duration_ms": film.duration_ms,
                "time_map": film.time_map,
            })),
        };
        let now = Clock::system().now();
        let room = &self.manifest.room;
        Ok(json!({
            "appid": room.appid,
            "room_id": room.room_id,
            "name": room.name,
            "status": self.manifest.status,
            "revision": self.manifest.revision,
            "preferred": self.manifest.playback.preferred,
            "duration_ms": self.manifest.playback.duration_ms,
            "uniform_codecs": self.manifest.playback.uniform_codecs,
            "urls_expire_at": now.checked_add(self.ttl)?,
            "stitched": film,
            "segments": segments,
            "whole": whole,
        }))
    }

    async fn urls(&self) -> anyhow::Result<Vec<String>> {
        if let Some((_, key)) = self.film() {
            return Ok(vec![self.url(key).await?]);
        }
        let mut urls = Vec::new();
        for (_, key) in self.archived() {
            urls.push(self.url(key).await?);
        }
        anyhow::ensure!(!urls.is_empty(), "{}", self.no_segments());
        Ok(urls)
    }

    fn no_segments(&self) -> &'static str {
        if self.whole().is_some() {
            "the room has no archived segments\nhint: it has the whole broadcast: use --format m3u8"
        } else {
            "nothing of the room is archived"
        }
    }

    async fn m3u8(&self) -> anyhow::Result<String> {
        let (whole, key) = self.whole().context(
            "the room has no archived whole, and HLS does not play plain MP4 files\n\
             hint: use --format json or urls for its segments",
        )?;
        let store = &self.archive.store;
        let keys = store.keys(self.appid).room(self.manifest.room.room_id);
        let full = keys.resolve(key).context("the manifest names a key outside its room")?;
        let playlist =
            store.get(&full).await?.context("the playlist is missing from the bucket")?;
        anyhow::ensure!(
            whole.sha256.is_none_or(|sha256| sha256 == Sha256Digest::of(&playlist)),
            "the playlist in the bucket differs from the archived one\n\
             hint: `verify --room {}` shows what else is damaged",
            self.manifest.room.room_id
        );
        let text = std::str::from_utf8(&playlist).context("the playlist is damaged")?;
        let mut urls = HashMap::new();
        for chunk in &whole.chunks {
            let name = chunk.key.rsplit('/').next().unwrap_or_default();
            urls.insert(name, self.url(&chunk.key).await?);
        }
        Ok(text.lines().map(|line| with_url(line, &urls) + "\n").collect())
    }

    /// The mapped mode of nginx-vod-module: one sequence of clips, which it joins.
    fn nginx_vod(&self) -> anyhow::Result<Value> {
        let store = &self.archive.store;
        let keys = store.keys(self.appid).room(self.manifest.room.room_id);
        let mut clips = Vec::new();
        let mut durations = Vec::new();
        for (segment, key) in self.archived() {
            let full = keys.resolve(key).context("the manifest names a key outside its room")?;
            clips.push(json!({ "type": "source", "path": format!("/{full}") }));
            durations.push(segment.media.as_ref().map_or(0, |media| media.duration_ms));
        }
        anyhow::ensure!(!clips.is_empty(), "{}", self.no_segments());
        let discontinuity = !self.manifest.playback.uniform_codecs;
        Ok(json!({
            "discontinuity": discontinuity,
            "durations": durations,
            "sequences": [{ "clips": clips }],
        }))
    }

    async fn ffconcat(&self) -> anyhow::Result<String> {
        let mut text = "ffconcat version 1.0\n".to_owned();
        for (segment, key) in self.archived() {
            text.push_str(&format!("file '{}'\n", self.url(key).await?));
            if let Some(media) = &segment.media {
                let (seconds, millis) = (media.duration_ms / 1000, media.duration_ms % 1000);
                text.push_str(&format!("duration {seconds}.{millis:03}\n"));
            }
        }
        anyhow::ensure!(self.archived().next().is_some(), "{}", self.no_segments());
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_lines_that_name_a_file_become_urls() {
        let urls = HashMap::from([
            ("chunk-000000.ts", "http://s/0?x=1".to_owned()),
            ("E", "http://s/e".to_owned()),
            ("i.mp4", "http://s/i".to_owned()),
        ]);
        for (line, expected) in [
            ("chunk-000000.ts", "http://s/0?x=1"),
            ("#EXTINF:1.000,", "#EXTINF:1.000,"),
            ("#EXT-X-MAP:URI=\"i.mp4\"", "#EXT-X-MAP:URI=\"http://s/i\""),
            ("xchunk-000000.ts", "xchunk-000000.ts"),
            ("#EXT-X-ENDLIST", "#EXT-X-ENDLIST"),
        ] {
            assert_eq!(with_url(line, &urls), expected);
        }
    }
}
