//! `playlist`: what a player needs for one room.

use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::output;
use super::reading;
use super::{Common, Exit};
use crate::clock::Clock;
use crate::model::{Manifest, RoomId};
use crate::playback::{self, Clip, Ends, Links, Plan, RoomLinks, Way, hls};

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
    manifest: &'a Manifest,
    plan: Plan<'a>,
    links: RoomLinks<'a>,
}

pub(super) async fn run(common: &Common, arguments: &PlaylistArguments) -> anyhow::Result<Exit> {
    let archive = reading::open(common).await?;
    let room = arguments.room;
    let not_archived = || {
        format!(
            "room {room} has no manifest, so it is not archived\n\
             hint: `backfill --room {room}` archives it [RA805]"
        )
    };
    let appid = archive.account_of(room).await?.with_context(not_archived)?;
    let manifest = archive.manifest(&appid, room).await?.with_context(not_archived)?;
    let links = Links::new(archive.store, Way::Presigned, arguments.ttl);
    let links = links.of_room(&appid, room, Clock::system().now(), Ends::Never);
    let player = Player { manifest: &manifest, plan: Plan::of(&manifest), links };
    let text = match arguments.format {
        Format::Json if common.json => player.json().await?.to_string(),
        Format::Json => format!("{:#}", player.json().await?),
        Format::Urls => player.urls().await?.join("\n"),
        Format::M3u8 => hls::playlist(&manifest, &player.links).await?,
        Format::NginxVod => format!("{:#}", player.nginx_vod()?),
        Format::Ffconcat => player.ffconcat().await?,
    };
    output::line(text.trim_end());
    Ok(Exit::Done)
}

impl Player<'_> {
    async fn url(&self, key: &str) -> anyhow::Result<String> {
        Ok(self.links.to(key).await?.url)
    }

    async fn json(&self) -> anyhow::Result<Value> {
        let Plan { segments: clips, film, whole, .. } = &self.plan;
        let mut segments = Vec::new();
        for clip in clips {
            segments.push(self.segment(clip).await?);
        }
        let whole = whole.map(|playable| {
            json!({
                "key": playable.key,
                "duration_ms": playable.whole.duration_ms,
                "chunks": playable.whole.chunks.len(),
                "playable_ms": playable.whole.plays_ms(),
                "missing": playable.whole.missing,
            })
        });
        let film = match film {
            None => None,
            Some(film) => Some(json!({
                "url": self.url(film.key).await?,
                "key": film.key,
                "bytes": film.film.bytes,
                "duration_ms": film.film.duration_ms,
                "time_map": film.film.time_map,
            })),
        };
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
            "urls_expire_at": self.links.end().await?.time(),
            "stitched": film,
            "segments": segments,
            "whole": whole,
        }))
    }

    async fn segment(&self, clip: &Clip<'_>) -> anyhow::Result<Value> {
        let Clip { segment, key, .. } = clip;
        let (media, timeline) = (segment.media.as_ref(), segment.timeline.as_ref());
        Ok(json!({
            "index": segment.index,
            "url": self.url(key).await?,
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

    async fn urls(&self) -> anyhow::Result<Vec<String>> {
        if let Some(film) = &self.plan.film {
            return Ok(vec![self.url(film.key).await?]);
        }
        self.must_have_segments()?;
        let mut urls = Vec::new();
        for clip in &self.plan.segments {
            urls.push(self.url(clip.key).await?);
        }
        Ok(urls)
    }

    fn must_have_segments(&self) -> anyhow::Result<()> {
        let problem = match self.plan.whole {
            Some(_) => {
                "the room has no archived segments\nhint: it has the whole broadcast: use --format m3u8 [RA610]"
            }
            None => "nothing of the room is archived",
        };
        anyhow::ensure!(!self.plan.segments.is_empty(), problem);
        Ok(())
    }

    /// The mapped mode of nginx-vod-module: one sequence of clips, which it joins.
    fn nginx_vod(&self) -> anyhow::Result<Value> {
        self.must_have_segments()?;
        let mut clips = Vec::new();
        let mut durations = Vec::new();
        for Clip { segment, key, .. } in &self.plan.segments {
            let full = self.links.keys().resolve(key).ok_or(playback::Error::Outside)?;
            clips.push(json!({ "type": "source", "path": format!("/{full}") }));
            durations.push(segment.media.as_ref().map_or(0, |media| media.duration_ms));
        }
        let discontinuity = !self.manifest.playback.uniform_codecs;
        Ok(json!({
            "discontinuity": discontinuity,
            "durations": durations,
            "sequences": [{ "clips": clips }],
        }))
    }

    async fn ffconcat(&self) -> anyhow::Result<String> {
        self.must_have_segments()?;
        let mut text = "ffconcat version 1.0\n".to_owned();
        for Clip { segment, key, .. } in &self.plan.segments {
            text.push_str(&format!("file '{}'\n", self.url(key).await?));
            if let Some(media) = &segment.media {
                let (seconds, millis) = (media.duration_ms / 1000, media.duration_ms % 1000);
                text.push_str(&format!("duration {seconds}.{millis:03}\n"));
            }
        }
        Ok(text)
    }
}
