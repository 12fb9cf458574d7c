//! Damage: places of a recording that are damaged at their source and were archived as they came, and
//! objects of the archive that are no longer what was archived.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::time::playing_time;
use super::{Sha256Digest, sum};

/// What the key of a whole's playlist as it was received ends in: nothing that plays needs it.
pub const SOURCE_PLAYLIST: &str = "source.m3u8";

/// An object that was archived, is another one now, and could not be replaced so far. It is left as
/// it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Damaged {
    /// Where it lies.
    pub key: String,
    /// What is wrong with it.
    pub problem: String,
    /// The size it had, in bytes.
    pub bytes: Option<u64>,
    /// The SHA-256 it had.
    pub sha256: Option<Sha256Digest>,
}

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.problem)
    }
}

/// A place of a recording that is damaged at its source: the same bytes came each time they were asked
/// for, and were archived as they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Damage {
    /// Where it begins, in bytes from the beginning of the object.
    pub offset: u64,
    /// How many bytes are concerned.
    pub length: u64,
    /// Where in the film it begins, in milliseconds, where that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_ms: Option<u64>,
    /// How much of the film is concerned, in milliseconds, where that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// What is wrong there, in plain words.
    pub what: String,
    /// How often the source sent it like this: 2 or more.
    pub seen: u32,
}

/// What damage of a film means for whoever watches it, as `plays but for 0.4 s at 12:03`; `None`
/// without any.
pub fn plays_but_for(damage: &[Damage]) -> Option<String> {
    let first = damage.first()?;
    let millis = sum(damage.iter().filter_map(|place| place.duration_ms));
    let how_much = match (millis, sum(damage.iter().map(|place| place.length))) {
        (0, bytes) => format!("{bytes} bytes"),
        (millis, _) => format!("{}.{} s", millis.div_ceil(100) / 10, millis.div_ceil(100) % 10),
    };
    let at = match first.at_ms {
        None => format!("at byte {}", first.offset),
        Some(at_ms) => format!("at {}", playing_time(at_ms)),
    };
    let at = match damage.len() {
        1 => at,
        places => format!("in {places} places, the first {at}"),
    };
    Some(format!("plays but for {how_much} {at}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(at_ms: Option<u64>, duration_ms: Option<u64>) -> Damage {
        let what = "a NAL unit ends beyond its sample".to_owned();
        Damage { offset: 4096, length: 700, at_ms, duration_ms, what, seen: 2 }
    }

    #[test]
    fn damage_is_told_by_how_much_of_the_film_is_concerned_and_where_it_begins() {
        let told = |damage: &[Damage]| plays_but_for(damage).unwrap();
        assert_eq!(plays_but_for(&[]), None);
        let one = place(Some(723_900), Some(400));
        assert_eq!(told(std::slice::from_ref(&one)), "plays but for 0.4 s at 12:03");
        let shortest = place(Some(0), Some(1));
        assert_eq!(told(&[shortest]), "plays but for 0.1 s at 0:00");
        assert_eq!(told(&[place(None, None)]), "plays but for 700 bytes at byte 4096");
        let two = [one, place(Some(3_600_000), Some(60_000))];
        assert_eq!(told(&two), "plays but for 60.4 s in 2 places, the first at 12:03");
    }
}
