//! `playlist`: what a player needs for one room.

mod json;

use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;

use super::output;
use super::reading;
use super::{Common, Exit};
use crate::clock::Clock;
use crate::config::CdnFlags;
use crate::model::{Manifest, RoomId};
use crate::playback::lists::{self, List, Track};
use crate::playback::signing::Scheme;
use crate::playback::vod::{self, Joints, VodClip};
use crate::playback::{self, Clip, Ends, Film, Links, Plan, RoomLinks, Way, hls};

/// Flags of `playlist`.
#[derive(Debug, Args)]
pub struct PlaylistArguments {
    /// The room number.
    #[arg(long, value_name = "NUMBER")]
    room: RoomId,
    /// The output format.
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,
    /// Give the segments even if there is a stitched film of them.
    #[arg(long)]
    segments: bool,
    /// How long the URLs stay valid, at most 7 days. With --sign, the vendor's console decides, except for
    /// CloudFront.
    #[arg(long, value_name = "DURATION", value_parser = ttl, default_value = "1h")]
    ttl: Duration,
    /// Give URLs below this address in front of the bucket, such as a CDN's, instead of presigned ones.
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// Sign URLs below --base-url (or `[serve] base_url`) as that CDN requires, for example `tencent-d`; without a
    /// value, as `[serve] sign` says. The key is that of `[serve] sign_key_file`.
    #[arg(
        long,
        value_name = "FORM",
        num_args = 0..=1,
        require_equals = true,
        value_parser = scheme,
    )]
    sign: Option<Option<Scheme>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Everything: URLs, durations, offsets, gaps, digests.
    Json,
    /// One URL per line, in order.
    Urls,
    /// The archived whole as HLS, with the URL of each chunk.
    M3u8,
    /// A playlist for desktop players (extended M3U in UTF-8), with titles.
    M3u,
    /// The same as m3u, in XSPF.
    Xspf,
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

fn scheme(text: &str) -> Result<Scheme, serde::de::value::Error> {
    Scheme::deserialize(text.into_deserializer())
}

/// A room whose files are listed for a player.
struct Player<'a> {
    manifest: &'a Manifest,
    plan: Plan<'a>,
    /// Whether segments are wanted in any case.
    wants_segments: bool,
    links: RoomLinks<'a>,
}

/// What is played of a room.
#[derive(Clone, Copy)]
enum First<'a> {
    /// The stitched film.
    Film(Film<'a>),
    /// The segments, one after another.
    Segments(&'a [Clip<'a>]),
    /// The whole alone.
    Whole,
    /// Nothing.
    None,
}

pub(super) async fn run(common: &Common, arguments: &PlaylistArguments) -> anyhow::Result<Exit> {
    let flags = CdnFlags { base_url: arguments.base_url.clone(), sign: arguments.sign };
    let (archive, base_url) = reading::open_linking(common, &flags).await?;
    let room = arguments.room;
    let not_archived = || {
        format!(
            "room {room} has no manifest, so it is not archived\n\
             hint: `backfill --room {room}` archives it [RA805]"
        )
    };
    let appid = archive.account_of(room).await?.with_context(not_archived)?;
    let manifest = archive.manifest(&appid, room).await?.with_context(not_archived)?;
    let way = base_url.map_or(Way::Presigned, Way::BaseUrl);
    let links = Links::new(archive.store, way, arguments.ttl);
    let links = links.of_room(&appid, room, Clock::system().now(), Ends::Never);
    let plan = Plan::of(&manifest);
    let player = Player { manifest: &manifest, plan, wants_segments: arguments.segments, links };
    let text = match arguments.format {
        Format::Json if common.json => json::of(&player).await?.to_string(),
        Format::Json => format!("{:#}", json::of(&player).await?),
        Format::Urls => player.urls().await?.join("\n"),
        Format::M3u8 => hls::playlist(&manifest, &player.links).await?,
        Format::M3u => lists::m3u(&player.list().await?),
        Format::Xspf => lists::xspf(&player.list().await?),
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

    /// What is played first.
    fn first(&self) -> First<'_> {
        match &self.plan {
            Plan { film: Some(film), .. } if !self.wants_segments => First::Film(*film),
            Plan { segments, .. } if !segments.is_empty() => First::Segments(segments),
            Plan { whole: Some(_), .. } => First::Whole,
            _ => First::None,
        }
    }

    /// The files to play, in order, with their titles.
    async fn tracks(&self) -> anyhow::Result<Vec<Track>> {
        let name = &self.manifest.room.name;
        match self.first() {
            First::Film(Film { film, key }) => {
                let url = self.url(key).await?;
                Ok(vec![Track { url, title: name.clone(), duration_ms: film.duration_ms }])
            }
            First::Segments(clips) => {
                let all = self.manifest.segments.len();
                let mut tracks = Vec::with_capacity(clips.len());
                for Clip { segment, key, .. } in clips {
                    let title = format!("{name} ({}/{all})", segment.index);
                    let duration_ms = segment.media.as_ref().map(|media| media.duration_ms);
                    tracks.push(Track { url: self.url(key).await?, title, duration_ms });
                }
                Ok(tracks)
            }
            First::Whole => anyhow::bail!(
                "the room has no archived segments\nhint: it has the whole broadcast: use --format m3u8 [RA610]"
            ),
            First::None => anyhow::bail!("nothing of the room is archived"),
        }
    }

    async fn urls(&self) -> anyhow::Result<Vec<String>> {
        Ok(self.tracks().await?.into_iter().map(|track| track.url).collect())
    }

    async fn list(&self) -> anyhow::Result<List> {
        let room = &self.manifest.room;
        let (title, creator) = (room.name.clone(), room.anchor_name.clone());
        Ok(List { title, creator, tracks: self.tracks().await? })
    }

    async fn ffconcat(&self) -> anyhow::Result<String> {
        let mut text = "ffconcat version 1.0\n".to_owned();
        for Track { url, duration_ms, .. } in self.tracks().await? {
            // A quote would end the name; in a URL it means the same encoded.
            text.push_str(&format!("file '{}'\n", url.replace('\'', "%27")));
            if let Some(duration_ms) = duration_ms {
                let (seconds, millis) = (duration_ms / 1000, duration_ms % 1000);
                text.push_str(&format!("duration {seconds}.{millis:03}\n"));
            }
        }
        Ok(text)
    }

    fn nginx_vod(&self) -> anyhow::Result<serde_json::Value> {
        let clip = |key: &str, duration_ms| {
            let key = self.links.keys().resolve(key).ok_or(playback::Error::Outside)?;
            Ok::<_, playback::Error>(VodClip { key, duration_ms })
        };
        let (clips, joints) = match self.first() {
            First::Film(Film { film, key }) => {
                (vec![clip(key, film.duration_ms)?], Joints::Continuous)
            }
            First::Segments(segments) => {
                let clips = segments.iter().map(|Clip { segment, key, .. }| {
                    clip(key, segment.media.as_ref().map(|media| media.duration_ms))
                });
                let joints = match self.manifest.playback.uniform_codecs {
                    true => Joints::Continuous,
                    false => Joints::Discontinuous,
                };
                (clips.collect::<Result<Vec<_>, _>>()?, joints)
            }
            First::Whole => anyhow::bail!(
                "the room has no archived segments\n\
                 hint: it has the whole broadcast, which needs no mapping: use --format m3u8 [RA610]"
            ),
            First::None => anyhow::bail!("nothing of the room is archived"),
        };
        vod::mapping(&clips, joints).with_context(|| self.other_ways())
    }

    /// What to do where a mapping is not possible.
    fn other_ways(&self) -> String {
        let room = self.manifest.room.room_id;
        let film = match (&self.plan.film, &self.manifest.playback.stitched) {
            (Some(_), _) => {
                "leave out --segments: the stitched film of the room is one clip".to_owned()
            }
            (None, Some(_)) => {
                "the segments cannot be stitched to one film: --format urls or m3u lists them"
                    .to_owned()
            }
            (None, None) => {
                format!("`stitch --room {room}` joins the segments to one film, which is one clip")
            }
        };
        format!("no mapping of the room is possible\nhint: {film} [RA610]")
    }
}
