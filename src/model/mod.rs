//! The vocabulary of the program: plain data and pure rules, without I/O.

mod catalog;
mod damage;
mod digest;
mod gist;
mod ids;
pub mod lifecycle;
mod manifest;
mod media_url;
mod objects;
mod obstacle;
mod pause;
mod rate;
mod reason;
mod recording;
pub mod redact;
mod room;
pub mod schema;
pub mod sealing;
mod select;
pub mod settle;
mod stage;
mod status;
mod stitched;
mod stored;
mod summary;
pub mod text;
pub mod time;
mod unfetchable;
mod unread;
mod unsealing;
mod whole;

/// The sum of untrusted numbers, saturating at the maximum.
pub fn sum(numbers: impl IntoIterator<Item = u64>) -> u64 {
    numbers.into_iter().fold(0, u64::saturating_add)
}

pub use catalog::{CATALOG_SCHEMA, Catalog, CatalogRoom};
pub use damage::{Damage, Damaged, SOURCE_PLAYLIST, plays_but_for};
pub use digest::{Crc64Nvme, Crc64Xz, Crcs, Digests, InvalidDigest, Sha256Digest};
pub use ids::{AppId, InvalidAppId, InvalidRoomId, ObjectKey, RoomId, RunId};
pub use manifest::*;
pub use media_url::{
    InvalidMediaUrl, MediaUrl, SOURCE_ID_LENGTHS, UnfetchableUrl, host_and_port, source_ids,
    source_ids_of,
};
pub use objects::{NamedObject, Part};
pub use obstacle::{Obstacle, UnknownObstacle};
pub use pause::Pause;
pub use rate::{ALL_HOSTS, Measured, Rate};
pub use reason::Reason;
pub use recording::{Recording, RecordingKind, RecordingState, Replay, TOLD_BEFORE};
pub use room::{Goods, ImageRole, LiveStatus, Room, RoomImage};
pub use select::{Days, Pattern, Rules, Select};
pub use stage::Stage;
pub use status::{
    AccountStatus, Calls, LastRun, LostRecording, Outcome, Paused, Problem, RoomAtRisk,
    STATUS_SCHEMA,
};
pub use stitched::{BroadcastPlace, FilmTime, MadeFrom, Stitched};
pub use stored::{
    Evidence, MediaFacts, SourceFacts, Stored, StoredObject, StoredWhole, ToldLengths,
};
pub use summary::{Sealed, Summary, cover_at};
pub use time::{ReplayTime, WECHAT_RETENTION};
pub use unfetchable::unfetchable_identity;
pub use unread::Unread;
pub use whole::{MissingChunk, Whole, WholeChunk};
