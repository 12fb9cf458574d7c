//! Which rooms an account wants archived: rules over what the room list says of a room. Pure.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use super::time::beijing;
use super::{LiveStatus, Room};

/// Which rooms are archived. Without any rule, all of them.
///
/// A room is left out if an exclude rule matches it, or if there is an include rule of some kind and none of that
/// kind matches it. What the room list does not say of a room leaves it in: no room is lost because its name was
/// missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Select {
    /// Rooms that match are left out.
    pub exclude: Rules,
    /// Rooms that match none of a kind are left out.
    pub include: Rules,
    /// Shorter broadcasts are left out.
    pub min_length: Option<SignedDuration>,
    /// Longer broadcasts are left out.
    pub max_length: Option<SignedDuration>,
    /// The rules as text, to notice that they have changed; empty without any.
    pub as_text: String,
}

/// Rules of each kind; an empty list says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// Over the room's title.
    pub names: Vec<Pattern>,
    /// Over the anchor's name.
    pub anchors: Vec<Pattern>,
    /// Over the name of each item on sale.
    pub goods: Vec<Pattern>,
    /// Over the day on which it began, in Beijing.
    pub days: Vec<Days>,
    /// Over WeChat's status.
    pub statuses: Vec<LiveStatus>,
}

/// Some text to look for: a word that occurs anywhere, or the whole text with `*` for any characters and `?` for
/// one. Upper and lower case are the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    written: String,
    characters: Vec<char>,
    is_word: bool,
}

/// Days from one to another, both included; an open end is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Days {
    /// Not before.
    pub from: Option<Date>,
    /// Not after.
    pub to: Option<Date>,
    /// As it is written in the configuration.
    pub written: String,
}

impl Select {
    /// The rule that leaves a room out, such as `exclude_names: *test*`; `None` if it is archived.
    pub fn leaves_out(&self, room: &Room) -> Option<String> {
        self.excludes(room).or_else(|| self.does_not_include(room)).or_else(|| self.by_length(room))
    }

    /// Whether every room is archived.
    pub fn is_everything(&self) -> bool {
        self.as_text.is_empty()
    }

    fn excludes(&self, room: &Room) -> Option<String> {
        let Rules { names, anchors, goods, days, statuses } = &self.exclude;
        let of = |key: &str, written: &str| Some(format!("exclude_{key}: {written}"));
        if let Some(found) = first(names, &room.name) {
            return of("names", &found.written);
        }
        if let Some(found) = first(anchors, &room.anchor_name) {
            return of("anchors", &found.written);
        }
        if let Some(found) = room.goods.iter().find_map(|item| first(goods, &item.name)) {
            return of("goods", &found.written);
        }
        if let Some(found) = day(room).and_then(|day| days.iter().find(|days| days.contain(day))) {
            return of("days", &found.written);
        }
        let status = room.live_status.filter(|status| statuses.contains(status))?;
        of("statuses", &status.0.to_string())
    }

    fn does_not_include(&self, room: &Room) -> Option<String> {
        let Rules { names, anchors, goods, days, statuses } = &self.include;
        let lacks = |patterns: &[Pattern], text: &str| {
            !patterns.is_empty() && !text.is_empty() && first(patterns, text).is_none()
        };
        let has_goods = || room.goods.iter().any(|item| first(goods, &item.name).is_some());
        let is_on = |day: Date| days.iter().any(|days| days.contain(day));
        let key = match () {
            () if lacks(names, &room.name) => "names",
            () if lacks(anchors, &room.anchor_name) => "anchors",
            () if !goods.is_empty() && !room.goods.is_empty() && !has_goods() => "goods",
            () if !days.is_empty() && day(room).is_some_and(|day| !is_on(day)) => "days",
            () if !statuses.is_empty()
                && room.live_status.is_some_and(|s| !statuses.contains(&s)) =>
            {
                "statuses"
            }
            () => return None,
        };
        Some(format!("include_{key}: none of them"))
    }

    fn by_length(&self, room: &Room) -> Option<String> {
        let length = length(room)?;
        let written = |limit: SignedDuration| {
            humantime::format_duration(limit.try_into().unwrap_or_default()).to_string()
        };
        match (self.min_length, self.max_length) {
            (Some(least), _) if length < least => Some(format!("min_length: {}", written(least))),
            (_, Some(most)) if length > most => Some(format!("max_length: {}", written(most))),
            _ => None,
        }
    }
}

fn first<'a>(patterns: &'a [Pattern], text: &str) -> Option<&'a Pattern> {
    if patterns.is_empty() || text.is_empty() {
        return None;
    }
    let text: Vec<char> = text.to_lowercase().chars().collect();
    patterns.iter().find(|pattern| pattern.matches(&text))
}

/// The day on which it began, in Beijing.
fn day(room: &Room) -> Option<Date> {
    room.start_time.map(|start: Timestamp| start.to_zoned(beijing()).date())
}

/// How long it was live. The times of a room that is not over, or never went live, are planned ones.
fn length(room: &Room) -> Option<SignedDuration> {
    let is_over = matches!(
        room.live_status,
        // One that pauses (105, 106) may go on.
        Some(LiveStatus::ENDED | LiveStatus::BANNED)
    );
    let length = room.end_time?.duration_since(room.start_time?);
    (is_over && length.is_positive()).then_some(length)
}

impl Pattern {
    /// The pattern that is written so; `None` if nothing is.
    pub fn new(written: &str) -> Option<Self> {
        let written = written.trim();
        let characters: Vec<char> = written.to_lowercase().chars().collect();
        let is_word = !characters.iter().any(|c| matches!(c, '*' | '?'));
        (!written.is_empty()).then(|| Self { written: written.to_owned(), characters, is_word })
    }

    /// Whether it matches a text in lower case.
    fn matches(&self, text: &[char]) -> bool {
        if self.is_word {
            return text.windows(self.characters.len()).any(|part| part == self.characters);
        }
        // After a mismatch, the last star takes one character more.
        let (mut at, mut in_text, mut star) = (0, 0, None);
        while let Some(&c) = text.get(in_text) {
            match self.characters.get(at) {
                Some('*') => {
                    star = Some((at, in_text));
                    at += 1;
                }
                Some(&p) if p == '?' || p == c => (at, in_text) = (at + 1, in_text + 1),
                _ => match star {
                    Some((star_at, taken)) => {
                        star = Some((star_at, taken + 1));
                        (at, in_text) = (star_at + 1, taken + 1);
                    }
                    None => return false,
                },
            }
        }
        self.characters.iter().skip(at).all(|&c| c == '*')
    }
}

impl Days {
    /// Reads a day such as `2026-11-11`, or a range: `2026-11-01..2026-11-11`, `2026-11-01..`, `..2026-11-11`.
    pub fn parse(written: &str) -> Option<Self> {
        let written = written.trim();
        let day = |text: &str| match text.trim() {
            "" => Some(None),
            text => text.parse::<Date>().ok().map(Some),
        };
        let (from, to) = match written.split_once("..") {
            Some((from, to)) => (day(from)?, day(to)?),
            None => (day(written)?, day(written)?),
        };
        let is_some = from.is_some() || to.is_some();
        let is_forward = from.zip(to).is_none_or(|(from, to)| from <= to);
        (is_some && is_forward).then(|| Self { from, to, written: written.to_owned() })
    }

    fn contain(&self, day: Date) -> bool {
        self.from.is_none_or(|from| day >= from) && self.to.is_none_or(|to| day <= to)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Goods, RoomId};
    use super::*;

    fn room() -> Room {
        let goods = vec![Goods {
            goods_id: None,
            name: "Red lipstick 口红".to_owned(),
            price_fen: None,
            url: None,
        }];
        Room {
            name: "双十一 预热 Test".to_owned(),
            anchor_name: "小李".to_owned(),
            live_status: Some(LiveStatus::ENDED),
            start_time: Some("2026-11-10T17:00:00Z".parse().unwrap()),
            end_time: Some("2026-11-10T17:04:00Z".parse().unwrap()),
            goods,
            ..Room::unlisted("wx1".parse().unwrap(), RoomId(1))
        }
    }

    fn patterns(all: &[&str]) -> Vec<Pattern> {
        all.iter().filter_map(|text| Pattern::new(text)).collect()
    }

    #[test]
    fn a_word_occurs_anywhere_and_a_glob_is_the_whole_text() {
        let matches = |pattern: &str, text: &str| first(&patterns(&[pattern]), text).is_some();
        for (pattern, text) in [
            ("测试", "这是测试间"),
            ("TEST", "my test room"),
            ("*", "x"),
            ("test*", "Test 1"),
            ("*测试*", "测试"),
            ("a*b*c", "axxbyybc"),
            ("??", "测试"),
            ("*.?", "1.2.3"),
            ("a**", "a"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("测试", "测一试"),
            ("test*", "my test"),
            ("*test", "tests"),
            ("?", "ab"),
            ("a*b", "ac"),
            ("*", ""),
            ("", "x"),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn days_are_those_of_beijing_and_ranges_include_both_ends() {
        for written in ["2026-11-11", "2026-11-01..2026-11-11", "2026-11-11..", "..2026-11-11"] {
            let days = Days::parse(written).unwrap();
            let exclude = Rules { days: vec![days], ..Rules::default() };
            let select = Select { exclude, ..Select::default() };
            assert_eq!(select.leaves_out(&room()), Some(format!("exclude_days: {written}")));
        }
        for wrong in ["", "..", "11/11", "2026-11-12..2026-11-11", "2026-13-01"] {
            assert_eq!(Days::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn any_exclude_rule_and_any_kind_of_include_rule_can_leave_a_room_out() {
        let none = Rules::default;
        let (here, away) = (patterns(&["lipstick"]), patterns(&["shoes"]));
        let out = |exclude: Rules, include: Rules| {
            Select { exclude, include, ..Select::default() }.leaves_out(&room())
        };
        assert_eq!(out(none(), none()), None);
        assert_eq!(out(none(), Rules { goods: here.clone(), ..none() }), None);
        assert_eq!(
            out(Rules { goods: here, ..none() }, none()).unwrap(),
            "exclude_goods: lipstick"
        );
        assert_eq!(
            out(none(), Rules { goods: away, names: patterns(&["双十一"]), ..none() }).unwrap(),
            "include_goods: none of them"
        );
        let anchors = patterns(&["*李"]);
        assert_eq!(out(Rules { anchors, ..none() }, none()).unwrap(), "exclude_anchors: *李");
        let statuses = vec![LiveStatus(103)];
        assert_eq!(
            out(Rules { statuses: statuses.clone(), ..none() }, none()).unwrap(),
            "exclude_statuses: 103"
        );
        assert_eq!(out(none(), Rules { statuses, ..none() }), None);
    }

    #[test]
    fn what_is_not_known_of_a_room_leaves_it_in() {
        let names = patterns(&["x"]);
        let days = vec![Days::parse("2020-01-01").unwrap()];
        let goods = patterns(&["x"]);
        let include =
            Rules { anchors: names.clone(), names, goods, days, statuses: vec![LiveStatus(103)] };
        let (min_length, max_length) = (Some(SignedDuration::from_mins(5)), None);
        let select = Select { include, min_length, max_length, ..Select::default() };
        let blank = Room::unlisted("wx1".parse().unwrap(), RoomId(1));
        assert_eq!(select.leaves_out(&blank), None);
        let goods = Rules { goods: patterns(&["shoes"]), ..Rules::default() };
        let select = Select { include: goods, ..Select::default() };
        let without_goods = Room { goods: Vec::new(), ..room() };
        assert_eq!(select.leaves_out(&without_goods), None);
        assert!(select.leaves_out(&room()).is_some(), "its goods are others");
    }

    #[test]
    fn the_length_counts_once_the_broadcast_is_over() {
        let limits = |least: Option<i64>, most: Option<i64>| Select {
            min_length: least.map(SignedDuration::from_mins),
            max_length: most.map(SignedDuration::from_mins),
            ..Select::default()
        };
        assert_eq!(limits(Some(5), None).leaves_out(&room()).unwrap(), "min_length: 5m");
        assert_eq!(limits(None, Some(3)).leaves_out(&room()).unwrap(), "max_length: 3m");
        assert_eq!(limits(Some(4), Some(4)).leaves_out(&room()), None);
        let planned = Room { live_status: Some(LiveStatus::NOT_STARTED), ..room() };
        assert_eq!(limits(Some(5), None).leaves_out(&planned), None);
        let pausing = Room { live_status: Some(LiveStatus::PAUSED), ..room() };
        assert_eq!(limits(Some(5), None).leaves_out(&pausing), None, "it may go on");
    }
}
