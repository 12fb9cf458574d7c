//! Splits the text of a catalog into rooms as it arrives, however long it is. Pure.

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{Error as _, IgnoredAny};

use crate::model::AppId;

/// The longest text of one room, and of everything beside the rooms, in bytes. A longer room is
/// truncated, so that it is no longer valid JSON.
pub(super) const LONGEST: usize = 4 << 20;

/// The text beside the rooms is too long to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong;

/// The position relative to the list of rooms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum List {
    /// Before or after it.
    #[default]
    Outside,
    Begun,
    AfterRoom,
    AfterComma,
}

/// Splits a text into rooms and what is beside them.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    /// Open brackets: one is the catalog's, two are the list's, three are a room's.
    depth: usize,
    in_string: bool,
    is_escaped: bool,
    list: List,
    /// The last string of the catalog itself: the name of the next value.
    name: Vec<u8>,
    room: Vec<u8>,
    rest: Vec<u8>,
}

/// A catalog without its rooms.
#[derive(Deserialize)]
struct Rest {
    rooms: Vec<IgnoredAny>,
    schema: Option<String>,
    appid: Option<AppId>,
}

/// What a catalog says of itself.
#[derive(Debug)]
pub(super) struct Beside {
    /// Its format.
    pub schema: Option<String>,
    /// Whose rooms it has.
    pub appid: Option<AppId>,
}

impl Splitter {
    /// Takes the next bytes and appends the texts of the rooms that end in them. The caller finds out
    /// whether they are valid JSON.
    pub(super) fn feed(&mut self, bytes: &[u8], rooms: &mut Vec<Vec<u8>>) -> Result<(), TooLong> {
        for &byte in bytes {
            if self.in_string {
                self.go_on_with_string(byte);
            } else {
                self.take(byte, rooms);
            }
            if self.rest.len() > LONGEST {
                return Err(TooLong);
            }
        }
        Ok(())
    }

    /// The text beside the rooms.
    pub(super) fn rest(&self) -> &[u8] {
        &self.rest
    }

    /// Checks the text beside the rooms, and returns what it says. Call it at the end of the catalog.
    ///
    /// # Errors
    /// When the text beside the rooms is not that of a catalog.
    pub(super) fn check_rest(&self) -> Result<Beside, serde_json::Error> {
        let rest: Rest = serde_json::from_slice(&self.rest)?;
        match rest.rooms.len() {
            0 => Ok(Beside { schema: rest.schema, appid: rest.appid }),
            _ => Err(serde_json::Error::custom("the rooms are not a list of objects")),
        }
    }

    /// When the catalog was written; known once its text has ended.
    pub(super) fn published_at(&self) -> Option<Timestamp> {
        #[derive(Deserialize)]
        struct Written {
            published_at: Timestamp,
        }
        let written: Written = serde_json::from_slice(&self.rest).ok()?;
        Some(written.published_at)
    }

    fn take(&mut self, byte: u8, rooms: &mut Vec<Vec<u8>>) {
        match byte {
            b'"' => {
                self.in_string = true;
                if self.depth == 1 {
                    self.name.clear();
                }
                self.keep(byte);
            }
            b'{' | b'[' => self.open(byte),
            b'}' | b']' => self.close(byte, rooms),
            b',' if self.depth == 2 && self.list == List::AfterRoom => {
                self.list = List::AfterComma;
            }
            // Whitespace between rooms, of any length.
            b' ' | b'\n' | b'\r' | b'\t' if self.depth == 2 && self.list != List::Outside => {}
            _ => self.keep(byte),
        }
    }

    fn open(&mut self, byte: u8) {
        if self.depth == 1 && byte == b'[' && self.name == b"rooms" {
            self.list = List::Begun;
        }
        if self.depth == 2 && self.list == List::AfterRoom {
            // Two rooms without a separator: make the rest invalid.
            self.rest.push(b'0');
        }
        self.depth += 1;
        self.keep(byte);
    }

    fn close(&mut self, byte: u8, rooms: &mut Vec<Vec<u8>>) {
        if self.depth == 2 && self.list == List::AfterComma {
            self.rest.push(b',');
        }
        self.keep(byte);
        self.depth = self.depth.saturating_sub(1);
        match (self.list, self.depth) {
            (List::Outside, _) | (_, 3..) => {}
            (_, 2) => {
                rooms.push(std::mem::take(&mut self.room));
                self.list = List::AfterRoom;
            }
            (_, _) => self.list = List::Outside,
        }
    }

    fn go_on_with_string(&mut self, byte: u8) {
        self.keep(byte);
        match byte {
            _ if self.is_escaped => self.is_escaped = false,
            b'\\' => self.is_escaped = true,
            b'"' => self.in_string = false,
            _ if self.depth == 1 && self.name.len() < LONGEST => self.name.push(byte),
            _ => {}
        }
    }

    /// Appends a byte to the text it belongs to.
    fn keep(&mut self, byte: u8) {
        let is_of_a_room = self.list != List::Outside && self.depth >= 3;
        if !is_of_a_room {
            self.rest.push(byte);
        } else if self.room.len() < LONGEST {
            self.room.push(byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str, at_once: usize) -> (Vec<String>, bool) {
        let (mut splitter, mut rooms) = (Splitter::default(), Vec::new());
        text.as_bytes().chunks(at_once).for_each(|bytes| splitter.feed(bytes, &mut rooms).unwrap());
        let text = |room| String::from_utf8(room).unwrap();
        (rooms.into_iter().map(text).collect(), splitter.check_rest().is_ok())
    }

    #[test]
    fn rooms_are_taken_out_wherever_the_text_is_cut() {
        let first = r#"{"room_id": 1, "name": "a \" ] } [ { , \\", "goods": [{"x": [1, 2]}, {}]}"#;
        let text = format!(
            r#"{{"schema": "rooms", "x": ["rooms", {{"rooms": [{{}}]}}], "rooms": [ {first} , {{}},
               {{"rooms": [3]}}], "more": [{{}}]}}"#
        );
        for at_once in [1, 2, 3, 7, 1_000] {
            let (rooms, is_whole) = split(&text, at_once);
            assert_eq!(rooms, [first, "{}", r#"{"rooms": [3]}"#], "{at_once}");
            assert!(is_whole, "{at_once}");
        }
        assert_eq!(split("{\"rooms\": []}", 1), (Vec::new(), true));
    }

    #[test]
    fn a_text_that_is_no_catalog_is_told_from_one() {
        for text in [
            "",
            "{\"rooms\": [",
            "{\"rooms\": [{}",
            "{\"rooms\": [{}]",
            "{\"rooms\": [{} {}]}",
            "{\"rooms\": [{},]}",
            "{\"rooms\": [,{}]}",
            "{\"rooms\": [{},,{}]}",
            "{\"rooms\": [{}-{}]}",
            "{\"rooms\": [1]}",
            "{\"rooms\": [{}, 1]}",
            "{\"rooms\": [{}}}",
            "{\"rooms\": {}}",
            "{\"rooms\": [{}]} }",
            "{\"schema\": \"x\"}",
            "]]{\"rooms\": [{}]}",
            "no JSON",
        ] {
            assert!(!split(text, 1).1, "{text}");
        }
    }

    #[test]
    fn nothing_is_held_of_what_stands_between_rooms() {
        let (mut splitter, mut rooms) = (Splitter::default(), Vec::new());
        splitter.feed(b"{\"rooms\": [{}", &mut rooms).unwrap();
        let before = splitter.rest().len();
        (0..100).for_each(|_| splitter.feed(b",\r\n\t   {}", &mut rooms).unwrap());
        assert_eq!((splitter.rest().len(), rooms.len()), (before, 101));
    }

    #[test]
    fn a_text_without_end_is_not_read_to_it() {
        let more = vec![b'x'; LONGEST + 1];
        let (mut splitter, mut rooms) = (Splitter::default(), Vec::new());
        splitter.feed(b"{\"rooms\": [{\"name\": \"", &mut rooms).unwrap();
        splitter.feed(&more, &mut rooms).unwrap();
        splitter.feed(b"\"}]}", &mut rooms).unwrap();
        assert_eq!((rooms.len(), rooms[0].len()), (1, LONGEST));
        let mut splitter = Splitter::default();
        splitter.feed(b"{\"x\": \"", &mut rooms).unwrap();
        assert_eq!(splitter.feed(&more, &mut rooms), Err(TooLong));
    }

    proptest::proptest! {
        #[test]
        fn what_serde_reads_is_what_is_taken_out(names in proptest::collection::vec(".*", 0..5), at_once in 1..40_usize) {
            let rooms: Vec<_> = names.iter().map(|name| serde_json::json!({ "name": name })).collect();
            let text = serde_json::json!({ "schema": "s", "rooms": rooms, "x": names }).to_string();
            let (taken, is_whole) = split(&text, at_once);
            let taken: Vec<serde_json::Value> =
                taken.iter().map(|room| serde_json::from_str(room).unwrap()).collect();
            proptest::prop_assert_eq!(taken, rooms);
            proptest::prop_assert!(is_whole);
        }
    }
}
