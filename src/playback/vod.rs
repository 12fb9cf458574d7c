//! The mapped mode of nginx-vod-module: one sequence of clips, which it joins while it serves them. Pure.

use serde_json::{Value, json};

use crate::model::ObjectKey;

/// The most clips of a mapping: `MAX_CLIPS` of the module.
const MOST: usize = 128;

/// The longest clip, in milliseconds: `MAX_CLIP_DURATION` of the module.
const LONGEST_MS: u64 = 24 * 3600 * 1000;

/// The longest sequence, in milliseconds: `MAX_SEQUENCE_DURATION` of the module.
const LONGEST_IN_ALL_MS: u64 = 10 * LONGEST_MS;

/// A file of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VodClip {
    /// Its key in the bucket.
    pub key: ObjectKey,
    /// How long it plays, in milliseconds, if that is known.
    pub duration_ms: Option<u64>,
}

/// Whether the clips of a mapping can be decoded one after another without a new start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joints {
    /// All have the same parameters.
    Continuous,
    /// They differ, or that is not known.
    Discontinuous,
}

/// Why nginx-vod-module would refuse a mapping.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It has too many clips.
    #[error("nginx-vod-module takes {MOST} clips at most, and there are {clips}")]
    TooMany {
        /// How many there are.
        clips: usize,
    },
    /// It wants to know how long each of several clips is.
    #[error("nginx-vod-module must know how long each clip is, and that of {key} is not known")]
    NoDuration {
        /// The clip.
        key: ObjectKey,
    },
    /// It takes no longer clip.
    #[error("nginx-vod-module takes clips of 24 hours at most, and {key} is longer")]
    TooLong {
        /// The clip.
        key: ObjectKey,
    },
    /// It takes no longer sequence.
    #[error("nginx-vod-module takes 10 days at most, and the clips are longer together")]
    TooLongInAll,
}

/// The mapping of these clips.
///
/// # Errors
/// If the module would refuse it.
pub fn mapping(clips: &[VodClip], joints: Joints) -> Result<Value, Unusable> {
    if clips.len() > MOST {
        return Err(Unusable::TooMany { clips: clips.len() });
    }
    let sources = clips
        .iter()
        .map(|clip| json!({ "type": "source", "path": format!("/{}", clip.key) }))
        .collect::<Vec<_>>();
    let sequences = json!([{ "clips": sources }]);
    let discontinuity = joints == Joints::Discontinuous;
    match durations(clips) {
        Ok(durations) => Ok(json!({
            "discontinuity": discontinuity,
            "durations": durations,
            "sequences": sequences,
        })),
        // The module reads the length of a single clip from its file.
        Err(_) if clips.len() == 1 => Ok(json!({ "sequences": sequences })),
        Err(unusable) => Err(unusable),
    }
}

fn durations(clips: &[VodClip]) -> Result<Vec<u64>, Unusable> {
    let duration = |clip: &VodClip| match clip.duration_ms {
        None | Some(0) => Err(Unusable::NoDuration { key: clip.key.clone() }),
        Some(1..=LONGEST_MS) => Ok(clip.duration_ms.unwrap_or_default()),
        Some(_) => Err(Unusable::TooLong { key: clip.key.clone() }),
    };
    let durations = clips.iter().map(duration).collect::<Result<Vec<_>, _>>()?;
    match durations.iter().sum::<u64>() > LONGEST_IN_ALL_MS {
        true => Err(Unusable::TooLongInAll),
        false => Ok(durations),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clips(count: usize, duration_ms: Option<u64>) -> Vec<VodClip> {
        let key = |at: usize| ObjectKey::new(format!("live/wx1/rooms/1/segments/{at}.mp4"));
        (0..count).map(|at| VodClip { key: key(at), duration_ms }).collect()
    }

    #[test]
    fn a_mapping_has_what_the_module_takes_and_no_more() {
        let mapping = |count, duration_ms| mapping(&clips(count, duration_ms), Joints::Continuous);
        let of_two = mapping(2, Some(4_000)).unwrap();
        assert_eq!(of_two["durations"], json!([4_000, 4_000]));
        assert_eq!(of_two["discontinuity"], false);
        let path = "/live/wx1/rooms/1/segments/1.mp4";
        assert_eq!(of_two["sequences"][0]["clips"][1]["path"], path);
        assert!(mapping(MOST, Some(1)).is_ok());
        assert_eq!(mapping(MOST + 1, Some(1)), Err(Unusable::TooMany { clips: 129 }));
        for unknown in [None, Some(0)] {
            assert!(matches!(mapping(2, unknown), Err(Unusable::NoDuration { .. })));
            let single = mapping(1, unknown).unwrap();
            assert!(single["durations"].is_null() && single["sequences"][0]["clips"].is_array());
        }
        assert!(mapping(10, Some(LONGEST_MS)).is_ok());
        assert_eq!(mapping(11, Some(LONGEST_MS)), Err(Unusable::TooLongInAll));
        assert!(matches!(mapping(2, Some(LONGEST_MS + 1)), Err(Unusable::TooLong { .. })));
    }
}
