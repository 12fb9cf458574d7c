//! Lines that say the same of many rooms, told once with their count. Pure.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use super::figures::{counted, moment};
use crate::model::{AppId, RoomId};

/// How many rooms a line names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    /// The first few, and how many more there are.
    First,
    /// All.
    All,
}

impl Names {
    fn limit(self) -> usize {
        match self {
            Self::First => 5,
            Self::All => usize::MAX,
        }
    }
}

/// Something to tell, and of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    /// The account.
    pub appid: AppId,
    /// The room, where it is one.
    pub room: Option<RoomId>,
    /// The recording, where it is one.
    pub recording: Option<String>,
    /// When it is tried again, where that is to be told.
    pub next_try: Option<Timestamp>,
    /// What is to be told; hints in lines `hint: …` at its end.
    pub text: String,
}

/// The lines of what is said, with its hints; these come last, each once.
pub(super) fn told(said: impl IntoIterator<Item = Said>, names: Names) -> Vec<String> {
    let mut hints: Vec<String> = Vec::new();
    let mut without_hints = |mut one: Said| {
        let text = std::mem::take(&mut one.text);
        let mut lines = text.split("\nhint: ");
        lines.next().unwrap_or_default().clone_into(&mut one.text);
        for hint in lines.map(|hint| format!("hint: {hint}")) {
            if !hints.contains(&hint) {
                hints.push(hint);
            }
        }
        one
    };
    let said: Vec<_> = said.into_iter().map(&mut without_hints).collect();
    let mut lines = lines(&said, names);
    lines.extend(hints);
    lines
}

/// A line for each thing that is said, in the order in which they are said first. What differs only
/// in file names, ids, times and sizes is one thing.
fn lines(said: &[Said], names: Names) -> Vec<String> {
    let has_accounts = said.iter().any(|one| Some(&one.appid) != said.first().map(|s| &s.appid));
    let mut places: HashMap<(bool, String), usize> = HashMap::new();
    let mut groups: Vec<Vec<&Said>> = Vec::new();
    for one in said {
        let new = groups.len();
        let place = *places.entry((one.room.is_some(), gist(&one.text))).or_insert(new);
        match groups.get_mut(place) {
            Some(group) => group.push(one),
            None => groups.push(vec![one]),
        }
    }
    let line = |group: &Vec<&Said>| line(group, has_accounts, names.limit());
    groups.iter().map(line).collect()
}

fn line(group: &[&Said], has_accounts: bool, limit: usize) -> String {
    let places: BTreeSet<_> = group.iter().map(|one| (&one.appid, one.room)).collect();
    let recordings: Vec<_> = group.iter().filter_map(|one| one.recording.as_deref()).collect();
    let text = match group {
        [first, rest @ ..] if rest.iter().all(|one| one.text == first.text) => first.text.clone(),
        [first, ..] => gist(&first.text),
        [] => String::new(),
    };
    let next = group.iter().filter_map(|one| one.next_try).min();
    let text = text + &next.map_or_else(String::new, |at| format!("; next try {}", moment(at)));
    let named = |names: &mut dyn Iterator<Item = String>| named(names, limit);
    let full = |(appid, room): &(&AppId, Option<RoomId>)| match room {
        Some(room) if has_accounts => format!("{appid} room {room}"),
        Some(room) => format!("room {room}"),
        None => appid.to_string(),
    };
    let place = match (places.first(), places.len()) {
        (Some(place), 1) => full(place),
        (Some((_, None)), count) => {
            format!("{} ({})", counted(count, "account"), named(&mut places.iter().map(full)))
        }
        (_, count) if has_accounts => {
            format!("{} ({})", counted(count, "room"), named(&mut places.iter().map(full)))
        }
        (_, count) => {
            let rooms = places.iter().filter_map(|(_, room)| *room);
            format!(
                "{} ({})",
                counted(count, "room"),
                named(&mut rooms.map(|room| room.to_string()))
            )
        }
    };
    match (recordings.as_slice(), places.len()) {
        ([recording], 1) => format!("{place}: {recording}: {text}"),
        (several @ [_, _, ..], 1) => {
            let names = named(&mut several.iter().map(|name| (*name).to_owned()));
            format!("{place}: {} ({names}): {text}", counted(several.len(), "recording"))
        }
        (several, rooms) if several.len() > rooms => {
            format!("{place}, {}: {text}", counted(several.len(), "recording"))
        }
        _ => format!("{place}: {text}"),
    }
}

/// The first of them by name, the rest by their count.
fn named(names: &mut dyn Iterator<Item = String>, limit: usize) -> String {
    let first: Vec<_> = names.take(limit).collect();
    let rest = names.count();
    match rest {
        0 => first.join(", "),
        rest => format!("{} and {rest} more", first.join(", ")),
    }
}

/// A text with `…` in place of what differs from file to file though the matter is the same.
fn gist(text: &str) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let mut gist: Vec<String> = Vec::with_capacity(words.len());
    for (place, word) in words.iter().enumerate() {
        let before = place.checked_sub(1).and_then(|place| words.get(place)).copied();
        let after = words.get(place + 1).copied();
        gist.push(gist_of(word, before.unwrap_or_default(), after.unwrap_or_default()));
    }
    gist.join(" ")
}

fn gist_of(word: &str, before: &str, after: &str) -> String {
    let bare = word.trim_end_matches([':', ',', ';', ')', '.']);
    let end = word.get(bare.len()..).unwrap_or_default();
    let is_number = !bare.is_empty() && bare.chars().all(|c| c.is_ascii_digit());
    let is_measured =
        after.starts_with("byte") || ["byte", "bytes", "of", "part"].contains(&before);
    if let Some((scheme, rest)) = bare.split_once("://") {
        let host = rest.split('/').next().unwrap_or_default();
        return if host == rest { word.to_owned() } else { format!("{scheme}://{host}/…{end}") };
    }
    match () {
        () if is_number && is_measured => format!("…{end}"),
        () if bare.parse::<jiff::Timestamp>().is_ok() => format!("…{end}"),
        () if bare.split(['-', '/', '_', '.']).any(is_id) => format!("…{end}"),
        () => word.to_owned(),
    }
}

/// Hex digits as in a recording's id, a request's or a digest.
fn is_id(text: &str) -> bool {
    text.len() >= 8
        && text.chars().all(|c| c.is_ascii_hexdigit())
        && text.contains(|c: char| c.is_ascii_digit())
        && text.contains(|c: char| c.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(appid: &str, room: u64, recording: &str, text: &str) -> Said {
        Said {
            appid: appid.parse().unwrap(),
            room: (room > 0).then_some(RoomId(room)),
            recording: (!recording.is_empty()).then(|| recording.to_owned()),
            next_try: None,
            text: text.to_owned(),
        }
    }

    #[test]
    fn what_is_said_of_many_rooms_is_one_line() {
        let of = |room: u64| {
            let text = format!("https://h:8443/{room}/f{room}.mp4: h:8443 is not allowed");
            said("wx1", room, &format!("3fa2b1{room:02}"), &text)
        };
        let mut all: Vec<_> = (1..=8).map(of).collect();
        all.insert(1, said("wx1", 77, "aa00bb11", "the file is empty"));
        assert_eq!(
            lines(&all, Names::First),
            [
                "8 rooms (1, 2, 3, 4, 5 and 3 more): https://h:8443/…: h:8443 is not allowed",
                "room 77: aa00bb11: the file is empty",
            ]
        );
        assert_eq!(
            lines(&[of(3)], Names::First),
            ["room 3: 3fa2b103: https://h:8443/3/f3.mp4: h:8443 is not allowed"]
        );
    }

    #[test]
    fn rooms_recordings_and_accounts_are_counted_for_themselves() {
        let gone = "the host no longer has it, status 404";
        let two = [said("wx1", 2, "a", gone), said("wx1", 2, "b", gone)];
        assert_eq!(lines(&two, Names::First), [format!("room 2: 2 recordings (a, b): {gone}")]);
        let three = [&two[..], &[said("wx1", 3, "c", gone)]].concat();
        assert_eq!(lines(&three, Names::First), [format!("2 rooms (2, 3), 3 recordings: {gone}")]);
        let accounts = [&three[..], &[said("wx2", 2, "d", gone)]].concat();
        let rooms = "3 rooms (wx1 room 2, wx1 room 3, wx2 room 2), 4 recordings";
        assert_eq!(lines(&accounts, Names::First), [format!("{rooms}: {gone}")]);
        let list = "the room list: could not connect";
        let down = [said("wx1", 0, "", list), said("wx2", 0, "", list)];
        assert_eq!(lines(&down, Names::First), [format!("2 accounts (wx1, wx2): {list}")]);
        assert_eq!(lines(&down[..1], Names::First), [format!("wx1: {list}")]);
        assert_eq!(lines(&[], Names::First), Vec::<String>::new());
    }

    #[test]
    fn losses_name_every_room_and_what_waits_its_next_try() {
        let of = |room: u64| said("wx1", room, "", "gone");
        let all: Vec<_> = (1..=8).map(of).collect();
        assert_eq!(lines(&all, Names::All), ["8 rooms (1, 2, 3, 4, 5, 6, 7, 8): gone"]);
        let at = |text: &str| text.parse().ok();
        let one = Said { next_try: at("2026-11-23T03:00:00Z"), ..of(1) };
        let other = Said { next_try: at("2026-11-22T03:00:00Z"), ..of(2) };
        let next = moment(other.next_try.unwrap());
        let line = format!("2 rooms (1, 2): gone; next try {next}");
        assert_eq!(lines(&[one, other], Names::First), [line]);
    }

    #[test]
    fn what_differs_in_the_matter_is_told_apart() {
        let differ = [
            ("the host answered with status 404", "the host answered with status 500"),
            ("WeChat answered 40125", "WeChat answered 300022"),
            ("https://a.com/x: not allowed", "https://b.com/x: not allowed"),
            ("h:8443 is not allowed", "h:9443 is not allowed"),
        ];
        for (one, other) in differ {
            assert_ne!(gist(one), gist(other));
        }
        let alike = [
            ("the body ended after 5 bytes of 77", "the body ended after 900123 bytes of 1234567"),
            (
                "WeChat deleted it on 2026-11-22T03:00:00Z: gone",
                "WeChat deleted it on 2026-11-23T04:01:00Z: gone",
            ),
            ("failed (rid: 65f3ab12-3ab4-77)", "failed (rid: 65f3ab99-0000-12)"),
        ];
        for (one, other) in alike {
            assert_eq!(gist(one), gist(other));
        }
    }
}
