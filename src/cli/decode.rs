//! `verify --decode`: decodes the recordings of a room with ffmpeg and prints the result.

use std::ffi::OsString;

use serde_json::{Value, json};

use super::{Common, output};
use crate::config::Environment;
use crate::model::time::playing_time;
use crate::model::{AppId, RoomId};
use crate::stage::decode::{self, Complaint, Decoded, Error, Video};
use crate::store::Store;

/// A decoder that is installed.
pub(super) struct Decoder {
    environment: Vec<(String, OsString)>,
}

/// The totals of decoding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Recordings that were decoded: segments, and wholes by their playlists.
    pub videos: u64,
    /// Complaints of the decoder.
    pub complaints: u64,
    /// Complaints about recordings that are known to be damaged at their source.
    pub known: u64,
}

impl Counts {
    /// Adds the counts of another room.
    pub(super) fn add(&mut self, other: Self) {
        self.videos += other.videos;
        self.complaints += other.complaints;
        self.known += other.known;
    }

    /// Complaints that are not known damage.
    pub(super) fn unknown(self) -> u64 {
        self.complaints.saturating_sub(self.known)
    }

    /// The counts in words.
    pub(super) fn told(self) -> String {
        let plural =
            |count: u64, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let videos = plural(self.videos, "recording");
        match (self.complaints, self.known) {
            (0, _) => format!("{videos} decoded without complaints"),
            (all, 0) => format!("{videos} decoded with {}", plural(all, "complaint")),
            (all, known) => format!(
                "{videos} decoded with {}, {known} of them about recordings known to be damaged at \
                 their source",
                plural(all, "complaint")
            ),
        }
    }
}

impl Decoder {
    /// Finds the decoder of this machine.
    ///
    /// # Errors
    /// When there is none; the error says what to install.
    pub(super) async fn find() -> Result<Self, Error> {
        let environment = Environment::of_process().for_decoder();
        decode::look(&environment).await?;
        Ok(Self { environment })
    }

    /// Decodes the recordings of a room and prints the result, with one line for the room.
    ///
    /// # Errors
    /// When the decoder cannot be run.
    pub(super) async fn room(
        &self,
        common: &Common,
        store: &Store,
        (appid, room): (&AppId, RoomId),
        videos: Vec<Video>,
    ) -> Result<Counts, Error> {
        let decoded = decode::decode(store, (appid, room), videos, &self.environment).await?;
        let mut counts = Counts::default();
        for (video, decoded) in &decoded {
            let complaints = decoded.complaints.len() as u64 + decoded.more;
            let known = if video.is_damaged { complaints } else { 0 };
            counts.add(Counts { videos: 1, complaints, known });
        }
        if common.json {
            let videos: Vec<Value> = decoded.iter().map(video_json).collect();
            let (complaints, known) = (counts.complaints, counts.known);
            output::json(&json!({
                "type": "decoded",
                "appid": appid,
                "room_id": room,
                "films": videos,
                "complaints": complaints,
                "complaints_known": known,
            }));
            return Ok(counts);
        }
        for (video, decoded) in &decoded {
            for line in lines(video, decoded) {
                output::line(format_args!("{appid} room {room}: {line}"));
            }
        }
        output::line(format_args!("{appid} room {room}: {}", counts.told()));
        Ok(counts)
    }
}

fn video_json((video, decoded): &(Video, Decoded)) -> Value {
    let complaint = |complaint: &Complaint| {
        let Complaint { at_ms, key, offset, message } = complaint;
        json!({ "at_ms": at_ms, "key": key, "offset": offset, "message": message })
    };
    json!({
        "key": video.key,
        "frames": decoded.frames,
        "is_known_damage": video.is_damaged,
        "complaints": decoded.complaints.iter().map(complaint).collect::<Vec<_>>(),
        "complaints_more": decoded.more,
    })
}

/// The complaints about a recording, one per line, with time and offset if known.
fn lines(video: &Video, decoded: &Decoded) -> Vec<String> {
    let line = |complaint: &Complaint| {
        let at = complaint.at_ms.map(|ms| format!("at {}", clock(ms)));
        let of = complaint.key.as_deref().and_then(|key| key.rsplit('/').next());
        let of = of.map(|name| format!(" of {name}")).unwrap_or_default();
        let offset = complaint.offset.map(|offset| format!("byte {offset}{of}"));
        let place: Vec<String> = at.into_iter().chain(offset).collect();
        let place =
            if place.is_empty() { String::new() } else { format!("{}: ", place.join(", ")) };
        format!("{}: {place}{}", video.key, complaint.message)
    };
    let more = (decoded.more > 0).then(|| format!("{}: and {} more", video.key, decoded.more));
    decoded.complaints.iter().map(line).chain(more).collect()
}

/// A time in a recording, as `1:02:03.456`.
fn clock(ms: u64) -> String {
    format!("{}.{:03}", playing_time(ms), ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_told_with_their_time_and_offset() {
        let video =
            Video { key: "segments/a.mp4".to_owned(), is_damaged: false, parts: Vec::new() };
        let complaint =
            |at_ms, offset| Complaint { at_ms, key: None, offset, message: "no".to_owned() };
        let complaints = vec![complaint(Some(3_723_004), Some(7)), complaint(None, None)];
        let mut decoded = Decoded::default();
        (decoded.frames, decoded.complaints, decoded.more) = (2, complaints, 3);
        let expected = [
            "segments/a.mp4: at 1:02:03.004, byte 7: no",
            "segments/a.mp4: no",
            "segments/a.mp4: and 3 more",
        ];
        assert_eq!(lines(&video, &decoded), expected);
        let counts = Counts { videos: 2, complaints: 5, known: 0 };
        assert_eq!(counts.told(), "2 recordings decoded with 5 complaints");
    }
}
