//! The state behind both servers, and what follows from it about rooms and recordings.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use super::api::{Quotas, Tokens};
use super::clock::SandboxClock;
use super::content::Content;
use super::media::{self, Whole};
use super::request::Call;
use super::scenario::{Account, Fixture, Kind, Replay, Room, Scenario, Span};

/// How long WeChat keeps a recording.
const KEPT: Span = Span::seconds(365 * 86_400);

/// The time from the end of a segment to its `create_time`.
const SEGMENT_DELAY: SignedDuration = SignedDuration::from_secs(3);

/// The time from the last segment to the whole.
const WHOLE_DELAY: SignedDuration = SignedDuration::from_secs(599);

/// The state, shared by all requests.
#[derive(Debug, Clone)]
pub struct Shared(Arc<Mutex<World>>);

impl Shared {
    /// Shares `world`.
    pub fn new(world: World) -> Self {
        Self(Arc::new(Mutex::new(world)))
    }

    /// Locks the state, even after a panic elsewhere.
    pub fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Everything the sandbox knows.
#[derive(Debug)]
pub struct World {
    /// The scenario; its faults are used up here.
    pub scenario: Scenario,
    /// The time.
    pub clock: SandboxClock,
    /// When the sandbox started, the origin of relative times.
    pub started: Timestamp,
    /// The address of the media host.
    pub vod: SocketAddr,
    /// The tokens issued.
    pub tokens: Tokens,
    /// The calls counted against quotas.
    pub quotas: Quotas,
    /// The requests so far.
    pub calls: Vec<Call>,
    files: HashMap<FileKey, File>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct FileKey {
    id: String,
    kind: Kind,
    fixture: Fixture,
    mp4: Option<Bytes>,
    size: u64,
    seconds: Option<u64>,
}

/// The content of a recording.
#[derive(Debug, Clone)]
pub enum File {
    /// A segment.
    Mp4(Arc<Content>),
    /// The whole.
    Hls(Arc<Whole>),
}

impl World {
    /// A fresh state.
    pub fn new(scenario: Scenario, clock: SandboxClock, vod: SocketAddr) -> Self {
        Self {
            started: clock.now(),
            scenario,
            clock,
            vod,
            tokens: Tokens::default(),
            quotas: Quotas::default(),
            calls: Vec::new(),
            files: HashMap::new(),
        }
    }

    /// The account with an appid.
    pub fn account(&self, appid: &str) -> Option<&Account> {
        self.scenario.accounts.iter().find(|account| account.appid == appid)
    }

    /// The file of a recording. It is the same object each time, so that its checksum is computed once.
    pub fn file(&mut self, id: &str, replay: &Replay) -> File {
        let key = FileKey {
            id: id.to_owned(),
            kind: replay.kind,
            fixture: replay.fixture,
            mp4: replay.mp4.clone(),
            size: replay.size.0,
            seconds: replay.seconds,
        };
        let make = || match replay.kind {
            Kind::Segment => File::Mp4(Arc::new(match &replay.mp4 {
                Some(mp4) => Content::of(mp4.clone()),
                None => media::mp4(replay.fixture, id, replay.size.0),
            })),
            Kind::Whole | Kind::WholeF3 => {
                let seconds = replay.seconds.unwrap_or(u64::MAX);
                File::Hls(Arc::new(media::whole(id, seconds, replay.size.0)))
            }
        };
        self.files.entry(key).or_insert_with(make).clone()
    }
}

/// When a room begins and ends.
pub fn room_times(room: &Room, started: Timestamp) -> (Timestamp, Timestamp) {
    let start = room.start.resolve(started);
    let length = SignedDuration::try_from(room.length.0).unwrap_or(SignedDuration::MAX);
    (start, start.saturating_add(length).unwrap_or(start))
}

/// When a recording is listed, created and deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// It is listed from then on.
    pub listed: Timestamp,
    /// `create_time`.
    pub create: Timestamp,
    /// `expire_time`.
    pub expire: Timestamp,
}

/// The times of the recording at `item` (from 0) of a room.
pub fn life(room: &Room, item: usize, started: Timestamp) -> Option<Life> {
    let replay = room.replays.get(item)?;
    let (_, end) = room_times(room, started);
    let create =
        replay.create.map_or_else(|| usual_create(room, item, started), |at| at.resolve(started));
    let expire = replay.expire.map_or_else(|| after(create, KEPT), |at| at.resolve(started));
    let listed = replay.appears.map_or(create, |span| after(end, span));
    Some(Life { listed, create, expire })
}

/// Segments divide the room's time evenly; the whole is created when WeChat's is.
fn usual_create(room: &Room, item: usize, started: Timestamp) -> Timestamp {
    let (start, end) = room_times(room, started);
    let is_segment = |replay: &&Replay| replay.kind == Kind::Segment;
    let segments = room.replays.iter().filter(is_segment).count();
    let at = if room.replays.get(item).as_ref().is_some_and(is_segment) {
        let nth = room.replays.iter().take(item + 1).filter(is_segment).count();
        let share = end.duration_since(start).as_secs_f64() * nth as f64 / segments.max(1) as f64;
        let played = SignedDuration::try_from_secs_f64(share.floor()).unwrap_or_default();
        start.saturating_add(played).and_then(|at| at.saturating_add(SEGMENT_DELAY))
    } else {
        end.saturating_add(SEGMENT_DELAY).and_then(|at| at.saturating_add(WHOLE_DELAY))
    };
    at.unwrap_or(end)
}

fn after(at: Timestamp, span: Span) -> Timestamp {
    SignedDuration::try_from(span.0).ok().and_then(|by| at.checked_add(by).ok()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_follow_the_stream_as_wechats_do() {
        let started: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let room = Room {
            replays: vec![Replay::segment(), Replay::segment(), Replay::whole()],
            ..Room::new(1, "-2h".parse().unwrap())
        };
        let created: Vec<_> = (0..3)
            .filter_map(|item| life(&room, item, started))
            .map(|life| life.create.to_string())
            .collect();
        assert_eq!(
            created,
            ["2026-11-22T10:30:03Z", "2026-11-22T11:00:03Z", "2026-11-22T11:10:02Z"]
        );
        let first = life(&room, 0, started).unwrap();
        assert_eq!(first.listed, first.create);
        assert_eq!(first.expire.to_string(), "2027-11-22T10:30:03Z");
    }

    #[test]
    fn appears_counts_from_the_rooms_end() {
        let started: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let late = Replay { appears: Some(Span::seconds(90)), ..Replay::segment() };
        let room = Room { replays: vec![late], ..Room::new(1, "-2h".parse().unwrap()) };
        let listed = life(&room, 0, started).unwrap().listed;
        assert_eq!(listed.to_string(), "2026-11-22T11:01:30Z");
    }
}
