//! The bucket's layout: every key that exists.
//!
//! All keys are built here from typed inputs, so that nothing WeChat or a manifest says can name an
//! object outside the room's folder. Keys are stable: the same input gives the same key in every run.

use jiff::Timestamp;

use super::Error;
use crate::model::time::compact_utc;
use crate::model::{
    AppId, ImageRole, ObjectKey, RoomId, SOURCE_ID_LENGTHS, Sha256Digest, source_ids,
};

/// The longest prefix in bytes: S3 allows 1024 for a whole key.
const LONGEST_PREFIX: usize = 512;

/// The keys below the configured prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// Empty, or ending in `/`.
    prefix: String,
}

impl Keys {
    /// The layout below `prefix`, which may be empty; leading and trailing slashes are ignored.
    ///
    /// # Errors
    /// When the prefix is longer than 512 bytes, contains a backslash or a control character, or has a
    /// component that is empty, `.` or `..`.
    pub fn new(prefix: &str) -> Result<Self, Error> {
        let prefix = prefix.trim_matches('/');
        if prefix.is_empty() {
            return Ok(Self { prefix: String::new() });
        }
        if prefix.len() > LONGEST_PREFIX || !prefix.split('/').all(is_plain_component) {
            return Err(Error::Settings {
                setting: "prefix",
                reason: format!("{:?} is not a path", prefix.chars().take(80).collect::<String>()),
                hint: "\nhint: use names separated by single slashes, at most 512 bytes in total [RA020]",
            });
        }
        Ok(Self { prefix: format!("{prefix}/") })
    }

    /// The prefix of all keys; empty, or ending in a slash.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The keys of one account.
    pub fn account(&self, appid: &AppId) -> AccountKeys {
        AccountKeys { folder: format!("{}{appid}/", self.prefix) }
    }

    /// A new key for an object that `doctor` writes and deletes.
    pub(super) fn probe(&self) -> ObjectKey {
        let number = rand::random::<u64>();
        ObjectKey::new(format!("{}.replay-archiver-probe-{number:016x}", self.prefix))
    }
}

/// The keys of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountKeys {
    folder: String,
}

impl AccountKeys {
    /// The prefix of all keys of the account; ends in `/`.
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// `catalog.json`.
    pub fn catalog(&self) -> ObjectKey {
        ObjectKey::new(format!("{}catalog.json", self.folder))
    }

    /// `status.json`.
    pub fn status(&self) -> ObjectKey {
        ObjectKey::new(format!("{}status.json", self.folder))
    }

    /// The prefix of the keys of all rooms; ends in `/`.
    pub fn rooms_folder(&self) -> String {
        format!("{}rooms/", self.folder)
    }

    /// The keys of one room.
    pub fn room(&self, room: RoomId) -> RoomKeys {
        RoomKeys { folder: format!("{}rooms/{room}/", self.folder) }
    }

    /// The room whose folder contains `key`.
    pub fn room_of(&self, key: &ObjectKey) -> Option<RoomId> {
        let rest = key.as_str().strip_prefix(&self.rooms_folder())?;
        let room: RoomId = rest.split_once('/')?.0.parse().ok()?;
        self.room(room).holds(key).then_some(room)
    }

    /// A key that sorts after all of a room's and before all of the next room's in a listing.
    pub fn behind(&self, room: RoomId) -> String {
        format!("{}~", self.room(room).folder())
    }

    /// The room whose `manifest.json` is at `key`, for finding manifests in a listing.
    pub fn room_of_manifest(&self, key: &ObjectKey) -> Option<RoomId> {
        let rest = key.as_str().strip_prefix(&self.rooms_folder())?;
        let room: RoomId = rest.strip_suffix("/manifest.json")?.parse().ok()?;
        // "007" and "+7" parse as well, but this program never writes them.
        (self.room(room).manifest() == *key).then_some(room)
    }
}

/// The keys of one room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomKeys {
    folder: String,
}

impl RoomKeys {
    /// The prefix of all keys of the room; ends in `/`.
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// `manifest.json`, written last.
    pub fn manifest(&self) -> ObjectKey {
        self.below("manifest.json")
    }

    /// `SHA256SUMS`.
    pub fn sums(&self) -> ObjectKey {
        self.below("SHA256SUMS")
    }

    /// `segments/<create time>-<source id>.mp4`; `unknown` if the create time is not known.
    pub fn segment(&self, create_time: Option<Timestamp>, source_id: &str) -> ObjectKey {
        let time = create_time.map_or_else(|| "unknown".to_owned(), compact_utc);
        self.below(&format!("segments/{time}-{}.mp4", digits_of(source_id)))
    }

    /// `whole/<source id>/playlist.m3u8`: the playable copy.
    pub fn whole_playlist(&self, source_id: &str) -> ObjectKey {
        self.below(&format!("whole/{}/playlist.m3u8", digits_of(source_id)))
    }

    /// `whole/<source id>/source.m3u8`: the playlist as received.
    pub fn whole_source(&self, source_id: &str) -> ObjectKey {
        self.below(&format!("whole/{}/source.m3u8", digits_of(source_id)))
    }

    /// `whole/<source id>/<name>`: a file of the whole, by the name in its playlist. Characters that a
    /// plain name cannot have are removed.
    pub fn whole_file(&self, source_id: &str, name: &str) -> ObjectKey {
        let plain = |text: &str| -> String {
            let is_plain = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
            Some(text.chars().filter(is_plain).collect())
                .filter(|t: &String| !t.is_empty())
                .unwrap_or_else(|| "unnamed".to_owned())
        };
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name, "bin"));
        let folder = digits_of(source_id);
        self.below(&format!("whole/{folder}/{}.{}", plain(stem), plain(extension)))
    }

    /// `stitched/<digest of what it is made from>.mp4`: the segments joined to one film.
    pub fn stitched(&self, made_from: &Sha256Digest) -> ObjectKey {
        self.below(&format!("stitched/{made_from}.mp4"))
    }

    /// Whether a film of this room may be at `key`.
    pub fn is_film(&self, key: &ObjectKey) -> bool {
        self.relative(key).is_some_and(|key| key.starts_with("stitched/"))
    }

    /// `images/<role>.<extension>`; the extension follows from the content type.
    pub fn image(&self, role: ImageRole, content_type: &str) -> ObjectKey {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        let extension = match essence.to_ascii_lowercase().as_str() {
            "image/jpeg" | "image/jpg" => "jpg",
            "image/png" => "png",
            "image/gif" => "gif",
            "image/webp" => "webp",
            _ => "bin",
        };
        self.below(&format!("images/{}.{extension}", role.as_str()))
    }

    /// `history/<revision>-<sha256>.json`: a manifest as published.
    pub fn history(&self, revision: u64, sha256: &Sha256Digest) -> ObjectKey {
        self.below(&format!("history/{revision}-{sha256}.json"))
    }

    /// The prefix of the keys of the history; ends in `/`.
    pub fn history_folder(&self) -> String {
        format!("{}history/", self.folder)
    }

    /// The revision and digest of the manifest that the history keeps at `key`.
    pub fn kept_in_history(&self, key: &ObjectKey) -> Option<(u64, Sha256Digest)> {
        let name = key.as_str().strip_prefix(&self.history_folder())?.strip_suffix(".json")?;
        let (revision, sha256) = name.split_once('-')?;
        let (revision, sha256) = (revision.parse().ok()?, sha256.to_owned().try_into().ok()?);
        (self.history(revision, &sha256) == *key).then_some((revision, sha256))
    }

    /// The key relative to the room's folder, as manifests write it; `None` for keys of other rooms.
    pub fn relative<'a>(&self, key: &'a ObjectKey) -> Option<&'a str> {
        key.as_str().strip_prefix(&self.folder)
    }

    /// The full key of what a manifest calls `relative`; `None` if that leaves the room's folder or is
    /// not a path.
    pub fn resolve(&self, relative: &str) -> Option<ObjectKey> {
        relative.split('/').all(is_plain_component).then(|| self.below(relative))
    }

    /// Whether a key belongs to the room: it is below its folder, and its path is in normal form.
    pub fn holds(&self, key: &ObjectKey) -> bool {
        self.relative(key).is_some_and(|rest| self.resolve(rest).is_some())
    }

    fn below(&self, rest: &str) -> ObjectKey {
        ObjectKey::new(format!("{}{rest}", self.folder))
    }
}

/// Whether `name` is a single path component in normal form.
fn is_plain_component(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(|c: char| c.is_control() || c == '\\')
}

/// The source id if it is a valid one; otherwise one derived from it, so that no text can become a
/// path.
fn digits_of(source_id: &str) -> String {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if SOURCE_ID_LENGTHS.contains(&source_id.len()) && source_id.bytes().all(is_digit) {
        return source_id.to_owned();
    }
    let [usual, ..] = source_ids(source_id);
    usual
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn room() -> RoomKeys {
        let appid = "wx0123456789abcdef".parse().unwrap();
        Keys::new("/live/").unwrap().account(&appid).room(RoomId(354))
    }

    #[test]
    fn the_keys_are_those_of_the_public_layout() {
        let room = room();
        let at = "2021-03-26T07:56:21Z".parse().ok();
        let folder = "live/wx0123456789abcdef/rooms/354/";
        let digest = Sha256Digest::of(b"");
        let table = [
            (room.manifest(), "manifest.json".to_owned()),
            (room.sums(), "SHA256SUMS".to_owned()),
            (room.segment(at, "1a2b3c4d"), "segments/20210326T075621Z-1a2b3c4d.mp4".to_owned()),
            (room.segment(None, "1a2b3c4d"), "segments/unknown-1a2b3c4d.mp4".to_owned()),
            (room.whole_playlist("1a2b3c4d"), "whole/1a2b3c4d/playlist.m3u8".to_owned()),
            (room.whole_source("1a2b3c4d"), "whole/1a2b3c4d/source.m3u8".to_owned()),
            (
                room.whole_file("1a2b3c4d", "chunk-000000.ts"),
                "whole/1a2b3c4d/chunk-000000.ts".to_owned(),
            ),
            (room.image(ImageRole::Cover, "image/jpeg"), "images/cover.jpg".to_owned()),
            (room.image(ImageRole::Share, "IMAGE/PNG; q=1"), "images/share.png".to_owned()),
            (room.image(ImageRole::Feeds, "text/html"), "images/feeds.bin".to_owned()),
            (room.history(2, &digest), format!("history/2-{digest}.json")),
        ];
        for (key, relative) in table {
            assert_eq!(key.as_str(), format!("{folder}{relative}"));
            assert_eq!(room.relative(&key), Some(relative.as_str()));
            assert_eq!(room.resolve(&relative), Some(key));
        }
    }

    #[test]
    fn an_empty_prefix_adds_no_slash() {
        let account = Keys::new("").unwrap().account(&"wx1".parse().unwrap());
        assert_eq!(account.catalog().as_str(), "wx1/catalog.json");
        assert_eq!(account.rooms_folder(), "wx1/rooms/");
    }

    #[test]
    fn prefixes_that_are_no_paths_are_refused() {
        for bad in ["a//b", "..", "a/../b", "a/./b", "a\\b", "a\nb", &"x".repeat(513)] {
            assert!(Keys::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn only_keys_this_program_writes_are_taken_for_manifests() {
        let account = Keys::new("p").unwrap().account(&"wx1".parse().unwrap());
        let of = |text: &str| account.room_of_manifest(&ObjectKey::new(text));
        assert_eq!(of("p/wx1/rooms/7/manifest.json"), Some(RoomId(7)));
        for other in [
            "p/wx1/rooms/007/manifest.json",
            "p/wx1/rooms/+7/manifest.json",
            "p/wx1/rooms/7/history/manifest.json",
            "p/wx2/rooms/7/manifest.json",
            "p/wx1/rooms/7/SHA256SUMS",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn a_room_holds_what_lies_below_its_folder_and_nothing_else() {
        let held = |key: &str| room().holds(&ObjectKey::new(key));
        assert!(held("live/wx0123456789abcdef/rooms/354/segments/a.mp4"));
        for other in [
            "live/wx0123456789abcdef/rooms/355/segments/a.mp4",
            "live/wx0123456789abcdef/rooms/3540/a.mp4",
            "live/wx0123456789abcdef/rooms/354/../355/a.mp4",
            "live/wx0123456789abcdef/rooms/354/",
            "live/wx0123456789abcdef/rooms/354",
            "/live/wx0123456789abcdef/rooms/354/a.mp4",
            "payroll.xlsx",
            "",
        ] {
            assert!(!held(other), "{other}");
        }
    }

    /// Texts that try to be paths, and arbitrary text.
    fn hostile() -> impl Strategy<Value = String> {
        prop_oneof![".*", "(\\.\\./|/|\\.|%2e%2e/|\\\\|[a-z0-9]|\u{0}){0,12}"]
    }

    proptest! {
        #[test]
        fn no_source_id_or_content_type_leaves_the_folder(id in hostile(), other in hostile()) {
            let room = room();
            let keys = [
                (room.segment(None, &id), "segments/"),
                (room.whole_playlist(&id), "whole/"),
                (room.whole_source(&id), "whole/"),
                (room.whole_file(&id, &other), "whole/"),
                (room.image(ImageRole::Cover, &other), "images/"),
            ];
            for (key, folder) in keys {
                let relative = room.relative(&key).unwrap();
                prop_assert!(relative.starts_with(folder));
                let plain = |c: char| c.is_ascii_alphanumeric() || "/-.".contains(c);
                prop_assert!(relative.chars().all(plain) && !relative.contains(".."));
                prop_assert_eq!(room.resolve(relative), Some(key.clone()));
            }
        }

        #[test]
        fn what_a_manifest_names_stays_in_its_folder(relative in hostile()) {
            if let Some(key) = room().resolve(&relative) {
                let resolved = url::Url::parse("http://host/").unwrap();
                let resolved = resolved.join(&format!("/{}", key.as_str().replace('%', "%25"))).unwrap();
                prop_assert!(resolved.path().starts_with("/live/wx0123456789abcdef/rooms/354/"));
            }
        }
    }
}
