//! The URLs of recordings and pictures, shaped like Tencent's, with their signatures, and how to
//! resolve them.

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::scenario::{Account, Kind, Replay, Scenario};

/// A recording found in the scenario.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    pub room: &'a super::scenario::Room,
    /// The recording.
    pub replay: &'a Replay,
    /// Its index in the room, from 0.
    pub item: usize,
}

/// The media host's folder of an account: `1b87576bvodcq1258344707`, with different digits for each.
pub fn folder(appid: &str) -> String {
    let hash = digest(&["folder", appid]);
    let (hex, digits) = hash.split_at(8);
    let number = u64::from_str_radix(digits.get(..8).unwrap_or_default(), 16).unwrap_or_default();
    format!("{hex}vodcq12{:08}", number % 100_000_000)
}

/// The id of a recording: 32 hex digits, beginning with a checksum of the rest, which encodes the
/// account's index, the room and the item.
pub fn media_id(account: usize, appid: &str, room: i64, item: usize) -> String {
    let check = digest(&["media", appid, &room.to_string(), &item.to_string()]);
    let check = check.get(..8).unwrap_or_default();
    format!("{check}{account:04x}{room:016x}{item:04x}")
}

/// The file name of a recording.
pub fn file_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Segment => "f0.mp4",
        Kind::Whole => "playlist_eof.m3u8",
        Kind::WholeF3 => "playlist.f3.m3u8",
    }
}

/// The recording that a folder and an id stand for, if any.
pub fn find<'a>(scenario: &'a Scenario, folder_name: &str, id: &str) -> Option<Found<'a>> {
    let index = usize::from_str_radix(id.get(8..12)?, 16).ok()?;
    let room_id = i64::from_str_radix(id.get(12..28)?, 16).ok()?;
    let item = usize::from_str_radix(id.get(28..32)?, 16).ok()?;
    let account: &Account = scenario.accounts.get(index)?;
    let room = account.rooms.iter().find(|room| room.id == room_id)?;
    let replay = room.replays.get(item)?;
    let genuine = media_id(index, &account.appid, room_id, item) == id
        && folder(&account.appid) == folder_name;
    genuine.then_some(Found { room, replay, item })
}

/// The query of a signed URL that is valid until `until`.
pub fn sign(path: &str, until: Timestamp, us: &str) -> String {
    let t = format!("{:x}", until.as_second().max(0));
    let sign = signature(path, &t, us);
    format!("t={t}&us={us}&sign={sign}")
}

/// Whether a signed URL is genuine and still valid. The signature covers the folder of the file, so the
/// signature of a playlist is valid for its chunks.
pub fn is_signed(path: &str, param: impl Fn(&str) -> Option<String>, now: Timestamp) -> bool {
    let (Some(t), Some(us), Some(sign)) = (param("t"), param("us"), param("sign")) else {
        return false;
    };
    let until = i64::from_str_radix(&t, 16).unwrap_or_default();
    signature(path, &t, &us) == sign && now.as_second() < until
}

fn signature(path: &str, t: &str, us: &str) -> String {
    let directory = path.rsplit_once('/').map_or(path, |(directory, _)| directory);
    digest(&["sign", directory, t, us]).get(..32).unwrap_or_default().to_owned()
}

/// 64 hex digits derived from all the texts.
pub fn digest(texts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(text.as_bytes());
        hash.update([0]);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sandbox::scenario::{Room, When};

    #[test]
    fn folders_and_ids_have_tencents_shape() {
        let folder = folder("wx1");
        let (hex, digits) = folder.split_once("vodcq").unwrap();
        assert!(hex.len() == 8 && hex.chars().all(|c| c.is_ascii_hexdigit()), "{folder}");
        assert!(digits.len() == 10 && digits.chars().all(|c| c.is_ascii_digit()), "{folder}");
    }

    #[test]
    fn a_signature_ends_with_its_time_and_holds_for_its_folder_only() {
        let until = Timestamp::from_second(1_000).unwrap();
        let query = sign("/a/playlist.m3u8", until, "x1");
        let param = |key: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.into_iter().find(|(name, _)| *name == key).map(|(_, value)| value.to_owned())
        };
        let before = Timestamp::from_second(999).unwrap();
        assert!(is_signed("/a/playlist.m3u8", param, before));
        assert!(is_signed("/a/x.ts", param, before));
        assert!(!is_signed("/b/x.ts", param, before));
        assert!(!is_signed("/a/x.ts", param, until));
        assert!(!is_signed("/a/x.ts", |_| None, before));
    }

    proptest! {
        #[test]
        fn an_id_leads_back_to_its_recording(room in 1i64.., item in 0usize..20, flip in 0usize..32) {
            let mut account = Account::new("wx1", "s");
            account.rooms.push(Room {
                replays: vec![Replay::segment(); 20],
                ..Room::new(room, "now".parse::<When>().unwrap())
            });
            let scenario = Scenario { accounts: vec![account], ..Scenario::default() };
            let id = media_id(0, "wx1", room, item);
            prop_assert_eq!(id.len(), 32);
            let found = find(&scenario, &folder("wx1"), &id).unwrap();
            prop_assert_eq!((found.room.id, found.item), (room, item));

            let mut other = id.into_bytes();
            other[flip] = if other[flip] == b'0' { b'1' } else { b'0' };
            let other = String::from_utf8(other).unwrap();
            prop_assert!(find(&scenario, &folder("wx1"), &other).is_none());
        }
    }
}
