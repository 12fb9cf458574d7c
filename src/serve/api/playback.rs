//! What plays a room: URLs, and where each of them is in the broadcast.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::response::Response;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::{cover_of, cover_url, not_archived};
use crate::model::{AppId, FilmTime, Manifest, MissingChunk, RoomId, Sha256Digest};
use crate::playback::{self, Clip, Ends, Film, Gap, Plan, Played, RoomLinks};
use crate::serve::access::Scope;
use crate::serve::answer;
use crate::serve::app::App;
use crate::serve::guard::{self, Place};
use crate::serve::problem::Problem;

/// What plays a room. Times are in milliseconds; `offset_ms` is counted from the beginning of the broadcast,
/// gaps included.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RoomPlayback {
    /// The account.
    pub appid: AppId,
    /// The room's number.
    pub room_id: RoomId,
    /// The room's title.
    pub name: String,
    /// What to play.
    pub preferred: Played,
    /// How long it plays.
    pub duration_ms: u64,
    /// When the broadcast began.
    pub start_time: Option<Timestamp>,
    /// When the first of the URLs expires; `null` if none does.
    pub urls_expire_at: Option<Timestamp>,
    /// A link to the cover.
    pub poster_url: Option<String>,
    /// The segments as one film, if they were stitched.
    pub stitched: Option<StitchedPlayback>,
    /// The whole broadcast as HLS, if it is archived.
    pub whole: Option<WholePlayback>,
    /// The archived segments, in order.
    pub segments: Vec<SegmentPlayback>,
    /// What is missing of the broadcast between them, as far as is known.
    pub gaps: Vec<GapPlayback>,
    /// The page of the room.
    pub page_url: String,
    /// A page with nothing but a player, for a web-view.
    pub embed_url: String,
}

/// A stitched film.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StitchedPlayback {
    /// Its URL.
    pub url: String,
    /// Its size.
    pub bytes: Option<u64>,
    /// How long it plays.
    pub duration_ms: Option<u64>,
    /// Where its parts are in the broadcast.
    pub time_map: Vec<FilmTime>,
}

/// A whole broadcast.
#[derive(Debug, Serialize, JsonSchema)]
pub struct WholePlayback {
    /// The URL of its playlist (`.m3u8`).
    pub url: String,
    /// How long the broadcast is.
    pub duration_ms: Option<u64>,
    /// How much of it plays.
    pub playable_ms: Option<u64>,
    /// The chunks that could not be fetched.
    pub missing: Vec<MissingChunk>,
}

/// A segment.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SegmentPlayback {
    /// 1 for the first segment of the broadcast.
    pub index: u64,
    /// Its URL.
    pub url: String,
    /// `video/mp4`.
    pub content_type: Option<String>,
    /// Its size.
    pub bytes: Option<u64>,
    /// SHA-256 of all bytes.
    pub sha256: Option<Sha256Digest>,
    /// How long it plays.
    pub duration_ms: Option<u64>,
    /// Where it begins in the broadcast.
    pub offset_ms: u64,
    /// How much of the broadcast is missing before it.
    pub gap_before_ms: u64,
    /// Its codecs, as in RFC 6381.
    pub codecs: Option<String>,
    /// Its width in pixels.
    pub width: Option<u32>,
    /// Its height in pixels.
    pub height: Option<u32>,
}

/// A part of the broadcast that no segment has.
#[derive(Debug, Serialize, JsonSchema)]
pub struct GapPlayback {
    /// Where it begins in the broadcast.
    pub offset_ms: u64,
    /// How long it is.
    pub duration_ms: u64,
}

/// Shows it to those who may see the account, and to those who have a link of the room.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    let (mut parts, _) = request.into_parts();
    let (place, until) = allowed(&app, &mut parts).await?;
    let published = app.library.manifest(&place.appid, place.room).await?;
    let published = published.ok_or_else(not_archived)?;
    let playback = Maker { app: &app, place: &place, until }.playback(&published.manifest).await?;
    answer::untagged(&app.limits, &playback)
}

/// The room, and when the link ends that asks for it. Whoever is logged in for other accounts may still have
/// a link.
async fn allowed(app: &App, parts: &mut Parts) -> Result<(Place, Ends), Problem> {
    let scope = guard::scope(app, &parts.headers, &parts.extensions);
    let is_link = guard::is_link(&parts.uri);
    if scope.is_none() && !is_link {
        return Err(guard::unauthorized());
    }
    let (appid, room): (String, String) = guard::path(parts).await?;
    let place = Place::parse(&appid, &room)?;
    match scope {
        Some(scope) if !is_link || scope.has(&place.appid) => {
            guard::visible(app, &scope, &place.appid).await?;
            Ok((place, Ends::Never))
        }
        _ => {
            let until = guard::link(app, &place, &parts.uri)?;
            guard::visible(app, &Scope::All, &place.appid).await?;
            Ok((place, until))
        }
    }
}

/// Makes the playback of a room for somebody whose own link ends at `until`.
struct Maker<'a> {
    app: &'a App,
    place: &'a Place,
    until: Ends,
}

impl Maker<'_> {
    async fn playback(&self, manifest: &Manifest) -> Result<RoomPlayback, playback::Error> {
        let Place { appid, room } = self.place;
        let plan = self.plan(manifest).await;
        let links = self.app.links_of(appid, *room, self.until);
        let (embed_url, mut ends) = self.own("embed", "");
        let mut segments = Vec::with_capacity(plan.segments.len());
        for clip in &plan.segments {
            segments.push(segment(clip, &links, &mut ends).await?);
        }
        let stitched = match &plan.film {
            None => None,
            Some(film) => Some(stitched(film, &links, &mut ends).await?),
        };
        if plan.whole.is_some() {
            // The playlist has URLs of its own.
            ends = ends.or_earlier(links.end().await?);
        }
        let whole = plan.whole.map(|playable| WholePlayback {
            url: self.own("hls", "/whole.m3u8").0,
            duration_ms: playable.whole.duration_ms,
            playable_ms: playable.whole.plays_ms(),
            missing: playable.whole.missing.clone(),
        });
        Ok(RoomPlayback {
            appid: appid.clone(),
            room_id: *room,
            name: manifest.room.name.clone(),
            preferred: plan.preferred,
            duration_ms: plan.duration_ms(manifest),
            start_time: manifest.room.start_time,
            urls_expire_at: ends.time(),
            poster_url: cover_of(manifest)
                .map(|key| cover_url(self.app, self.place, key, self.until)),
            stitched,
            whole,
            segments,
            gaps: plan.gaps.iter().map(gap).collect(),
            page_url: format!("{}/rooms/{appid}/{room}", self.app.own.address),
            embed_url,
        })
    }

    /// What can be played: not a film or a whole that is gone from the bucket.
    async fn plan<'m>(&self, manifest: &'m Manifest) -> Plan<'m> {
        let mut plan = Plan::of(manifest);
        if let Some(film) = plan.film
            && !self.has(film.key, film.film.bytes).await
        {
            plan = plan.without_film();
        }
        if let Some(whole) = plan.whole
            && !self.has(whole.key, None).await
        {
            plan = plan.without_whole();
        }
        plan
    }

    /// Whether the bucket has an object of the room.
    async fn has(&self, key: &str, bytes: Option<u64>) -> bool {
        let keys = self.app.store().keys(&self.place.appid).room(self.place.room);
        match keys.resolve(key) {
            Some(key) => self.app.library.has(&self.place.appid, &key, bytes).await,
            None => false,
        }
    }

    /// A link of the server to a path of the room.
    fn own(&self, door: &str, rest: &str) -> (String, Ends) {
        let Place { appid, room } = self.place;
        self.app.link_to(&format!("/{door}/{appid}/{room}{rest}"), appid, *room, self.until)
    }
}

async fn segment(
    clip: &Clip<'_>,
    links: &RoomLinks<'_>,
    ends: &mut Ends,
) -> Result<SegmentPlayback, playback::Error> {
    let Clip { segment, key, begins_ms } = *clip;
    let media = segment.media.as_ref();
    Ok(SegmentPlayback {
        index: segment.index,
        url: url(key, links, ends).await?,
        content_type: segment.content_type.clone(),
        bytes: segment.bytes,
        sha256: segment.sha256,
        duration_ms: media.map(|media| media.duration_ms),
        offset_ms: begins_ms,
        gap_before_ms: segment.timeline.as_ref().map_or(0, |timeline| timeline.gap_before_ms),
        codecs: media.and_then(|media| media.codecs.clone()),
        width: media.and_then(|media| media.width),
        height: media.and_then(|media| media.height),
    })
}

async fn stitched(
    film: &Film<'_>,
    links: &RoomLinks<'_>,
    ends: &mut Ends,
) -> Result<StitchedPlayback, playback::Error> {
    Ok(StitchedPlayback {
        url: url(film.key, links, ends).await?,
        bytes: film.film.bytes,
        duration_ms: film.film.duration_ms,
        time_map: film.film.time_map.clone(),
    })
}

/// The URL of an object. The earliest end is kept in `ends`.
async fn url(key: &str, links: &RoomLinks<'_>, ends: &mut Ends) -> Result<String, playback::Error> {
    let link = links.to(key).await?;
    *ends = ends.or_earlier(link.ends);
    Ok(link.url)
}

fn gap(gap: &Gap) -> GapPlayback {
    GapPlayback { offset_ms: gap.offset_ms, duration_ms: gap.duration_ms }
}
