//! The media host: segments, playlists, chunks and pictures, with ranges.

mod range;
mod resource;

use std::ops::Range;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, IF_RANGE, LAST_MODIFIED, RANGE,
};

use super::address;
use super::api::Answer;
use super::effect::{self, Target};
use super::reply::Reply;
use super::request::Incoming;
use super::scenario::{Effect, Listener, Vod};
use super::world::{Shared, World};
use range::Asked;
use resource::Resource;

/// COS's header with the CRC-64/XZ of the whole file, in decimal.
const CRC64: HeaderName = HeaderName::from_static("x-cos-hash-crc64ecma");

/// Answers a request to the media host's listener.
pub async fn answer(shared: &Shared, request: &Incoming) -> Answer {
    let (found, effect, mut habits) = {
        let mut world = shared.lock();
        let effect = strike(&mut world, request);
        (resource::look_up(&mut world, request), effect, world.scenario.vod.clone())
    };
    let (rate, latency) = (habits.rate, habits.latency);
    let mut reply = match found {
        Ok(mut resource) => {
            alter(&mut resource, &mut habits, effect.as_ref());
            serve(&habits, request, resource).await
        }
        Err(status) => Reply::new(status, "text/plain", format!("{status}\n")),
    };
    reply.rate = rate.map(|rate| rate.0);
    reply.delay = latency.0;
    if let Some(effect) = &effect {
        effect::apply(effect, &mut reply);
    }
    Answer { reply, fault: effect.is_some() }
}

fn strike(world: &mut World, request: &Incoming) -> Option<Effect> {
    let (room, item) = match resource::place(&request.path) {
        Some((folder, id, _)) => address::find(&world.scenario, folder, id)
            .map_or((None, None), |found| (Some(found.room.id), Some(found.item + 1))),
        None => (None, None),
    };
    let (on, method, path) = (Listener::Vod, request.method.as_str(), request.path.as_str());
    let query = &request.query_text();
    let ranged = request.header(RANGE).is_some();
    let target = Target { on, method, path, query, call: None, room, item, ranged };
    effect::strike(&mut world.scenario.faults, &target)
}

/// Applies effects that change the file itself, or how the host treats ranges.
fn alter(resource: &mut Resource, habits: &mut Vod, effect: Option<&Effect>) {
    match effect {
        Some(Effect::ChangedLength { by }) => {
            let end = resource.window.end.saturating_add_signed(*by).max(resource.window.start);
            resource.content = Arc::new(resource.content.resized(end));
            resource.window.end = end;
        }
        Some(Effect::NoMoov) => {
            resource.content = Arc::new(resource.content.replaced(b"moov", b"free"));
        }
        Some(Effect::ChangedEtag) => resource.name("replaced"),
        Some(Effect::IgnoreRange) => habits.ranges = false,
        _ => {}
    }
}

/// Serves a resource as requested.
async fn serve(habits: &Vod, request: &Incoming, resource: Resource) -> Reply {
    let mut reply = Reply::empty(StatusCode::OK);
    if choose_bytes(habits, request, &resource, &mut reply) == Asked::Nothing {
        return reply;
    }
    reply.set(CONTENT_TYPE, resource.content_type);
    reply.set(LAST_MODIFIED, &resource.last_modified());
    if habits.ranges {
        reply.set(ACCEPT_RANGES, "bytes");
    }
    if habits.etag {
        reply.set(ETAG, &resource.etag);
    }
    reply.content = resource.content.clone();
    if habits.crc64 && resource.is_whole() {
        let content = resource.content;
        if let Ok(crc) = tokio::task::spawn_blocking(move || content.crc64()).await {
            reply.set(CRC64, &crc.to_string());
        }
    }
    reply
}

/// Sets the requested range and the matching status in the reply. Ranges only apply to `GET`
/// (RFC 9110).
fn choose_bytes(habits: &Vod, request: &Incoming, resource: &Resource, reply: &mut Reply) -> Asked {
    let Range { start: first, end } = resource.window;
    let len = end - first;
    let asked = if habits.ranges && request.method == "GET" && still_holds(request, resource) {
        range::asked(request.header(RANGE), len)
    } else {
        Asked::Whole
    };
    match &asked {
        Asked::Whole => reply.range = first..end,
        Asked::Part(part) => {
            reply.status = StatusCode::PARTIAL_CONTENT;
            reply.set(CONTENT_RANGE, &format!("bytes {}-{}/{len}", part.start, part.end - 1));
            reply.range = first + part.start..first + part.end;
        }
        Asked::Nothing => {
            reply.status = StatusCode::RANGE_NOT_SATISFIABLE;
            reply.set(CONTENT_RANGE, &format!("bytes */{len}"));
        }
    }
    asked
}

/// Whether the `If-Range`, if any, matches the file.
fn still_holds(request: &Incoming, resource: &Resource) -> bool {
    request
        .header(IF_RANGE)
        .is_none_or(|tag| tag == resource.etag || tag == resource.last_modified())
}
