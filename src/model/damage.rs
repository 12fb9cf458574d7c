//! Damage: places of a recording that are damaged at the source and were archived as received, and
//! archived objects that have changed since.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::time::playing_time;
use super::{Sha256Digest, sum};

/// The file name of a whole's playlist as received. Players do not need it.
pub const SOURCE_PLAYLIST: &str = "source.m3u8";

/// An archived object that has changed in the bucket and could not be replaced so far. It is left
/// unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Damaged {
    /// Its key.
    pub key: String,
    /// What is wrong with it.
    pub problem: String,
    /// The archived size, in bytes.
    pub bytes: Option<u64>,
    /// The archived SHA-256.
    pub sha256: Option<Sha256Digest>,
}

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.problem)
    }
}

/// A place of a recording that is damaged at the source: every attempt returned the same bytes, and they
/// were archived as received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Damage {
    /// Where it begins, in bytes from the start of the object.
    pub offset: u64,
    /// How many bytes are affected.
    pub length: u64,
    /// Where it begins in the recording, in milliseconds, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_ms: Option<u64>,
    /// How much of the recording is affected, in milliseconds, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// What is wrong there, in plain words.
    pub what: String,
    /// How many times the source returned these bytes: 2 or more. 1 if the bytes differed each time and the
    /// recording was about to be deleted.
    pub seen: u32,
}

/// What damage means for a viewer, such as `plays but for 0.4 s at 12:03`; `None` without damage.
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
    fn the_effect_of_damage_is_described_by_duration_and_position() {
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
