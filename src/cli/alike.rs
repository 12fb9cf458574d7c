//! Merges lines that say the same about many rooms into one line with a count. Pure.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use super::figures::{counted, moment};
use crate::model::text::gist;
use crate::model::{AppId, Reason, RoomId};

/// How many rooms a line names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    /// The first few, and the number of the others.
    First,
    /// All of them.
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

/// A message, and what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    /// The account.
    pub appid: AppId,
    /// The room, if it is about one.
    pub room: Option<RoomId>,
    /// The recording, if it is about one.
    pub recording: Option<String>,
    /// The next attempt, if it should be printed.
    pub next_try: Option<Timestamp>,
    /// The message, with hints.
    pub reason: Reason,
}

/// The text about many things.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Told {
    /// A line for each thing.
    pub lines: Vec<String>,
    /// Hints, without duplicates.
    pub hints: Vec<String>,
}

impl Told {
    /// All lines, with the hints at the end.
    pub(super) fn into_lines(self) -> impl Iterator<Item = String> {
        self.lines.into_iter().chain(self.hints.into_iter().map(|hint| format!("hint: {hint}")))
    }

    /// Appends more text.
    pub(super) fn add(&mut self, more: Self) {
        self.lines.extend(more.lines);
        for hint in more.hints {
            if !self.hints.contains(&hint) {
                self.hints.push(hint);
            }
        }
    }
}

/// The text of a single reason.
impl From<Reason> for Told {
    fn from(Reason { message, hints }: Reason) -> Self {
        Self { lines: vec![message], hints }
    }
}

/// The lines for `said`, with their hints. Of equal messages only the first is kept, plus what the
/// others are about: there may be very many of them.
pub(super) fn told(said: impl IntoIterator<Item = Said>, names: Names) -> Told {
    let mut groups = Groups::new(names.limit());
    for one in said {
        groups.add(one);
    }
    groups.told()
}

/// The messages, in order of first appearance. Messages that differ only in file names, ids, times
/// and sizes count as equal.
struct Groups {
    /// How many names of one kind are kept and printed.
    limit: usize,
    accounts: BTreeSet<AppId>,
    /// The index of a message in `groups`, by whether it is about a room, and by its gist.
    places: HashMap<(bool, String), usize>,
    groups: Vec<Group>,
    hints: Vec<String>,
}

/// The things that share one message.
struct Group {
    /// The message for the first of them.
    text: String,
    /// Whether the message is identical for all.
    is_verbatim: bool,
    places: BTreeSet<(AppId, Option<RoomId>)>,
    /// The first recordings.
    recordings: Vec<String>,
    /// How many there are.
    count: usize,
    next_try: Option<Timestamp>,
}

impl Groups {
    fn new(limit: usize) -> Self {
        let (accounts, places) = (BTreeSet::new(), HashMap::new());
        Self { limit, accounts, places, groups: Vec::new(), hints: Vec::new() }
    }

    fn add(&mut self, one: Said) {
        let Said { appid, room, recording, next_try, reason: Reason { message: text, hints } } =
            one;
        for hint in hints {
            if !self.hints.contains(&hint) {
                self.hints.push(hint);
            }
        }
        if !self.accounts.contains(&appid) {
            self.accounts.insert(appid.clone());
        }
        let new = self.groups.len();
        let place = *self.places.entry((room.is_some(), gist(&text))).or_insert(new);
        if place == new {
            self.groups.push(Group::of(text.clone()));
        }
        let Some(group) = self.groups.get_mut(place) else { return };
        group.is_verbatim &= group.text == text;
        group.places.insert((appid, room));
        group.next_try = group.next_try.into_iter().chain(next_try).min();
        group.count += usize::from(recording.is_some());
        if group.recordings.len() < self.limit {
            group.recordings.extend(recording);
        }
    }

    fn told(self) -> Told {
        let has_accounts = self.accounts.len() > 1;
        let lines = self.groups.iter().map(|group| group.line(has_accounts, self.limit)).collect();
        Told { lines, hints: self.hints }
    }
}

impl Group {
    fn of(text: String) -> Self {
        let (places, recordings) = (BTreeSet::new(), Vec::new());
        Self { text, is_verbatim: true, places, recordings, count: 0, next_try: None }
    }

    fn line(&self, has_accounts: bool, limit: usize) -> String {
        let text = if self.is_verbatim { self.text.clone() } else { gist(&self.text) };
        let next = self.next_try.map(|at| format!("; next try {}", moment(at)));
        let text = text + &next.unwrap_or_default();
        let place = self.place(has_accounts, limit);
        match (self.recordings.as_slice(), self.count, self.places.len()) {
            ([recording], 1, 1) => format!("{place}: {recording}: {text}"),
            (first, 2.., 1) => {
                let names = named(&mut first.iter().cloned(), self.count, limit);
                format!("{place}: {} ({names}): {text}", counted(self.count, "recording"))
            }
            (_, several, rooms) if several > rooms => {
                format!("{place}, {}: {text}", counted(several, "recording"))
            }
            _ => format!("{place}: {text}"),
        }
    }

    /// What the message is about.
    fn place(&self, has_accounts: bool, limit: usize) -> String {
        let full = |(appid, room): &(AppId, Option<RoomId>)| match room {
            Some(room) if has_accounts => format!("{appid} room {room}"),
            Some(room) => format!("room {room}"),
            None => appid.to_string(),
        };
        let number = |(_, room): &(AppId, Option<RoomId>)| room.map(|room| room.to_string());
        let (all, places) = (self.places.len(), self.places.iter());
        match self.places.first() {
            Some(place) if all == 1 => full(place),
            Some((_, None)) => {
                let names = named(&mut places.map(full), all, limit);
                format!("{} ({names})", counted(all, "account"))
            }
            _ if has_accounts => {
                let names = named(&mut places.map(full), all, limit);
                format!("{} ({names})", counted(all, "room"))
            }
            _ => {
                let names = named(&mut places.filter_map(number), all, limit);
                format!("{} ({names})", counted(all, "room"))
            }
        }
    }
}

/// The first `limit` names, and the number of the others.
fn named(names: &mut dyn Iterator<Item = String>, all: usize, limit: usize) -> String {
    let first: Vec<_> = names.take(limit).collect();
    match all.saturating_sub(first.len()) {
        0 => first.join(", "),
        rest => format!("{} and {rest} more", first.join(", ")),
    }
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
            reason: text.into(),
        }
    }

    fn lines(all: &[Said], names: Names) -> Vec<String> {
        told(all.iter().cloned(), names).lines
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
}
