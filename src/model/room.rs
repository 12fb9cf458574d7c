//! A live room as listed by WeChat.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AppId, RoomId};

/// The status that WeChat reports for a room, stored as its number so that unknown ones are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct LiveStatus(pub i64);

impl LiveStatus {
    /// Broadcasting now.
    pub const LIVE: Self = Self(101);
    /// Planned.
    pub const NOT_STARTED: Self = Self(102);
    /// Over; `start_time` and `end_time` are the actual times.
    pub const ENDED: Self = Self(103);
    /// Stopped by the platform.
    pub const BANNED: Self = Self(104);
    /// Paused by the anchor.
    pub const PAUSED: Self = Self(105);
    /// Interrupted; the platform ends it after 15 minutes.
    pub const INTERRUPTED: Self = Self(106);
    /// Never went live.
    pub const EXPIRED: Self = Self(107);
}

/// A live room (直播间). WeChat's reply may lack everything except its id.
///
/// `creater_openid` is personal data and deliberately has no field here.
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
    /// The status; `None` if the reply had none.
    pub live_status: Option<LiveStatus>,
    /// The actual start of an ended room, otherwise the planned one.
    pub start_time: Option<Timestamp>,
    /// The actual end of an ended room, otherwise the planned one.
    pub end_time: Option<Timestamp>,
    /// What was on sale in the room.
    pub goods: Vec<Goods>,
    /// The images of the room.
    pub images: Vec<RoomImage>,
}

impl Room {
    /// A room of which only the number is known, for example because it has vanished from the list.
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

    /// Whether only the number is known.
    pub fn is_unlisted(&self) -> bool {
        *self == Self::unlisted(self.appid.clone(), self.room_id)
    }
}

/// An item that was on sale in a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Goods {
    /// WeChat's id of the item.
    pub goods_id: Option<i64>,
    /// The item's name.
    pub name: String,
    /// Its price in fen (分), as received.
    pub price_fen: Option<i64>,
    /// The mini-program page that it opens.
    pub url: Option<String>,
}

/// An image of a room and where WeChat serves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomImage {
    /// The purpose of the image.
    pub role: ImageRole,
    /// Its URL.
    pub url: String,
}

/// The purpose of an image; also the stem of its key.
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
