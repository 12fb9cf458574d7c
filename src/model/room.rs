//! A live room as the room list tells of it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AppId, RoomId};

/// The status WeChat reports for a room, kept as its number so that unknown ones survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct LiveStatus(pub i64);

impl LiveStatus {
    /// Broadcasting now.
    pub const LIVE: Self = Self(101);
    /// Planned.
    pub const NOT_STARTED: Self = Self(102);
    /// Over; `start_time` and `end_time` are the actual ones.
    pub const ENDED: Self = Self(103);
    /// Stopped by the platform.
    pub const BANNED: Self = Self(104);
    /// Paused by the anchor.
    pub const PAUSED: Self = Self(105);
    /// Broken off; the platform ends it after 15 minutes.
    pub const INTERRUPTED: Self = Self(106);
    /// Never went live.
    pub const EXPIRED: Self = Self(107);
}

/// One live room (直播间). Everything but its id can be missing in WeChat's reply.
///
/// `creater_openid` is personal data and has no field here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// The account the room belongs to.
    pub appid: AppId,
    /// The room's number.
    pub room_id: RoomId,
    /// The room's title, as received.
    pub name: String,
    /// The anchor's (主播) name, as received.
    pub anchor_name: String,
    /// The status, `None` where the reply had none.
    pub live_status: Option<LiveStatus>,
    /// The actual start of an ended room, the planned one otherwise.
    pub start_time: Option<Timestamp>,
    /// The actual end of an ended room, the planned one otherwise.
    pub end_time: Option<Timestamp>,
    /// What was on sale in the room.
    pub goods: Vec<Goods>,
    /// The room's pictures.
    pub images: Vec<RoomImage>,
}

impl Room {
    /// A room of which only the number is known, as when it has vanished from the list.
    pub fn unlisted(appid: AppId, room_id: RoomId) -> Self {
        Self {
            appid,
            room_id,
            name: String::new(),
            anchor_name: String::new(),
            live_status: None,
            start_time: None,
            end_time: None,
            goods: Vec::new(),
            images: Vec::new(),
        }
    }

    /// Whether nothing but the number is known of it.
    pub fn is_unlisted(&self) -> bool {
        *self == Self::unlisted(self.appid.clone(), self.room_id)
    }
}

/// An item that was on sale in a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Goods {
    /// WeChat's number of the item.
    pub goods_id: Option<i64>,
    /// The item's name.
    pub name: String,
    /// Its price in fen (分), as received.
    pub price_fen: Option<i64>,
    /// The mini-program page it opens.
    pub url: Option<String>,
}

/// A picture of a room and where WeChat serves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomImage {
    /// What the picture is for.
    pub role: ImageRole,
    /// Where it is.
    pub url: String,
}

/// What a picture of a room is for; also the stem of its key.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ImageRole {
    /// `cover_img`: the background of the room.
    Cover,
    /// `anchor_img`: the anchor's portrait.
    Anchor,
    /// `share_img`: shown when the room is shared.
    Share,
    /// `feeds_img`: shown in the shop's feed.
    Feeds,
}

impl ImageRole {
    /// The stem of the image's key: `cover`, `anchor`, `share` or `feeds`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cover => "cover",
            Self::Anchor => "anchor",
            Self::Share => "share",
            Self::Feeds => "feeds",
        }
    }
}
