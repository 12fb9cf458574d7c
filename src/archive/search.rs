//! Which rooms of a catalog somebody is looking for. Pure.

use jiff::Timestamp;

use crate::model::{CatalogRoom, RoomStatus};

/// What a room must have to be found. The default finds every room.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Folded words, each of which its name or its anchor's must contain.
    words: Vec<String>,
    /// It began at this time or later.
    pub from: Option<Timestamp>,
    /// It began before this time.
    pub before: Option<Timestamp>,
    /// One of these statuses, `None` for a room without a manifest; empty for any.
    pub statuses: Vec<Option<RoomStatus>>,
}

impl Query {
    /// A query for these words. Whether letters are capital or full-width (`Ａ１`) makes no difference.
    pub fn for_words(words: &[String]) -> Self {
        let words = words.iter().flat_map(|text| {
            folded(text).split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        });
        Self { words: words.collect(), ..Self::default() }
    }

    /// Whether a room is one that is looked for.
    pub fn finds(&self, room: &CatalogRoom) -> bool {
        self.has_words(room) && self.has_day(room.start_time) && self.has_status(room.status)
    }

    /// The words, folded.
    pub(super) fn words(&self) -> &[String] {
        &self.words
    }

    fn has_words(&self, room: &CatalogRoom) -> bool {
        if self.words.is_empty() {
            return true;
        }
        let name = folded(&room.name);
        let anchor = folded(room.anchor_name.as_deref().unwrap_or_default());
        self.words.iter().all(|word| name.contains(word) || anchor.contains(word))
    }

    /// Whether a room that began then is looked for.
    pub(super) fn has_day(&self, start: Option<Timestamp>) -> bool {
        let Some(start) = start else {
            return self.from.is_none() && self.before.is_none();
        };
        self.from.is_none_or(|from| start >= from) && self.before.is_none_or(|end| start < end)
    }

    /// Whether a room with this status is looked for.
    pub(super) fn has_status(&self, status: Option<RoomStatus>) -> bool {
        self.statuses.is_empty() || self.statuses.contains(&status)
    }
}

/// A text as it is compared: in small letters, full-width forms as plain ones.
pub(super) fn folded(text: &str) -> String {
    text.chars().map(half_width).flat_map(char::to_lowercase).collect()
}

/// The plain form of a full-width letter, digit, sign or space.
fn half_width(c: char) -> char {
    const AHEAD: u32 = 0xff01 - '!' as u32;
    match c {
        '\u{3000}' => ' ',
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - AHEAD).unwrap_or(c),
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn room(name: &str, anchor: Option<&str>) -> CatalogRoom {
        let room = json!({ "room_id": 1, "name": name, "anchor_name": anchor });
        serde_json::from_value(room).unwrap()
    }

    #[test]
    fn every_word_is_in_the_name_or_the_anchors() {
        let room = room("双11 Lipstick Night＿ＶＩＰ", Some("小雨 Amy"));
        let yes =
            ["双11", "lipstick", "LIP", "vip", "ｖｉｐ", "１１", "小雨 night", "amy　双", "", "_"];
        let no = ["双12", "lipstick 阿杰", "amy双", "nightvip"];
        let finds = |text: &&str| Query::for_words(&[(*text).to_owned()]).finds(&room);
        assert_eq!(yes.iter().filter(|text| !finds(text)).collect::<Vec<_>>(), [&""; 0]);
        assert_eq!(no.iter().filter(|text| finds(text)).collect::<Vec<_>>(), [&""; 0]);
    }

    #[test]
    fn a_room_of_an_older_catalog_is_found_by_its_name() {
        let query = Query::for_words(&["小".to_owned()]);
        assert!(query.finds(&room("小雨", None)) && !query.finds(&room("阿杰", None)));
    }

    #[test]
    fn days_end_before_the_next_and_statuses_are_alternatives() {
        let at = |text: &str| text.parse::<Timestamp>().ok();
        let mut room = room("", None);
        let query = Query {
            from: at("2026-11-22T00:00:00Z"),
            before: at("2026-11-23T00:00:00Z"),
            ..Query::default()
        };
        assert!(!query.finds(&room) && Query::default().finds(&room), "it has no time");
        for (start, is_found) in [
            ("2026-11-21T23:59:59Z", false),
            ("2026-11-22T00:00:00Z", true),
            ("2026-11-22T23:59:59Z", true),
            ("2026-11-23T00:00:00Z", false),
        ] {
            room.start_time = at(start);
            assert_eq!(query.finds(&room), is_found, "{start}");
        }
        let query = Query { statuses: vec![Some(RoomStatus::Lost), None], ..Query::default() };
        assert!(query.finds(&room));
        room.status = Some(RoomStatus::Lost);
        assert!(query.finds(&room));
        room.status = Some(RoomStatus::Complete);
        assert!(!query.finds(&room));
    }

    proptest::proptest! {
        #[test]
        fn a_word_of_a_name_finds_it(name in "\\PC{0,20}", from in 0_usize..10, most in 1_usize..10) {
            let word: String = name.chars().skip(from).take(most).collect();
            proptest::prop_assert!(Query::for_words(&[word]).finds(&room(&name, None)));
        }
    }
}
