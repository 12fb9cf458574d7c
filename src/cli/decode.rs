//! `verify --decode`: what ffmpeg makes of the films of a room, and how it is told.

use std::ffi::OsString;

use serde_json::{Value, json};

use super::{Common, output};
use crate::config::Environment;
use crate::model::time::playing_time;
use crate::model::{AppId, RoomId};
use crate::stage::decode::{self, Complaint, Decoded, Error, Film};
use crate::store::Store;

/// A decoder that is there.
pub(super) struct Decoder {
    environment: Vec<(String, OsString)>,
}

/// What decoding has come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Films that were decoded: segments, and wholes by their playlists.
    pub films: u64,
    /// What was complained of.
    pub complaints: u64,
    /// … of films that are known to be damaged at their source.
    pub known: u64,
}

impl Counts {
    /// Adds those of another room.
    pub(super) fn add(&mut self, other: Self) {
        self.films += other.films;
        self.complaints += other.complaints;
        self.known += other.known;
    }

    /// What is no damage that is known.
    pub(super) fn unknown(self) -> u64 {
        self.complaints.saturating_sub(self.known)
    }

    /// In words.
    pub(super) fn told(self) -> String {
        let plural =
            |count: u64, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let films = plural(self.films, "film");
        match (self.complaints, self.known) {
            (0, _) => format!("{films} decoded without a complaint"),
            (all, 0) => format!("{films} decoded with {}", plural(all, "complaint")),
            (all, known) => format!(
                "{films} decoded with {}, {known} of them of what is known to be damaged at its source",
                plural(all, "complaint")
            ),
        }
    }
}

impl Decoder {
    /// The decoder of this machine.
    ///
    /// # Errors
    /// When there is none, with what to install.
    pub(super) async fn find() -> Result<Self, Error> {
        let environment = Environment::of_process().for_decoder();
        decode::look(&environment).await?;
        Ok(Self { environment })
    }

    /// Decodes the films of a room and tells what came of it, the room in one line.
    ///
    /// # Errors
    /// When the decoder cannot be run.
    pub(super) async fn room(
        &self,
        common: &Common,
        store: &Store,
        (appid, room): (&AppId, RoomId),
        films: Vec<Film>,
    ) -> Result<Counts, Error> {
        let decoded = decode::decode(store, (appid, room), films, &self.environment).await?;
        let mut counts = Counts::default();
        for (film, decoded) in &decoded {
            let complaints = decoded.complaints.len() as u64 + decoded.more;
            let known = if film.is_damaged { complaints } else { 0 };
            counts.add(Counts { films: 1, complaints, known });
        }
        if common.json {
            let films: Vec<Value> = decoded.iter().map(film_json).collect();
            let (complaints, known) = (counts.complaints, counts.known);
            output::json(&json!({
                "type": "decoded",
                "appid": appid,
                "room_id": room,
                "films": films,
                "complaints": complaints,
                "complaints_known": known,
            }));
            return Ok(counts);
        }
        for (film, decoded) in &decoded {
            for line in lines(film, decoded) {
                output::line(format_args!("{appid} room {room}: {line}"));
            }
        }
        output::line(format_args!("{appid} room {room}: {}", counts.told()));
        Ok(counts)
    }
}

fn film_json((film, decoded): &(Film, Decoded)) -> Value {
    let complaint = |complaint: &Complaint| {
        let Complaint { at_ms, offset, message } = complaint;
        json!({ "at_ms": at_ms, "offset": offset, "message": message })
    };
    json!({
        "key": film.key,
        "frames": decoded.frames,
        "is_known_damage": film.is_damaged,
        "complaints": decoded.complaints.iter().map(complaint).collect::<Vec<_>>(),
        "complaints_more": decoded.more,
    })
}

/// The complaints of a film, one a line, with time and offset where they are known.
fn lines(film: &Film, decoded: &Decoded) -> Vec<String> {
    let line = |complaint: &Complaint| {
        let at = complaint.at_ms.map(|ms| format!("at {}", clock(ms)));
        let offset = complaint.offset.map(|offset| format!("byte {offset}"));
        let place: Vec<String> = at.into_iter().chain(offset).collect();
        let place =
            if place.is_empty() { String::new() } else { format!("{}: ", place.join(", ")) };
        format!("{}: {place}{}", film.key, complaint.message)
    };
    let more = (decoded.more > 0).then(|| format!("{}: and {} more", film.key, decoded.more));
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
        let film = Film { key: "segments/a.mp4".to_owned(), is_damaged: false };
        let complaint = |at_ms, offset| Complaint { at_ms, offset, message: "no".to_owned() };
        let complaints = vec![complaint(Some(3_723_004), Some(7)), complaint(None, None)];
        let decoded = Decoded { frames: 2, complaints, more: 3 };
        let expected = [
            "segments/a.mp4: at 1:02:03.004, byte 7: no",
            "segments/a.mp4: no",
            "segments/a.mp4: and 3 more",
        ];
        assert_eq!(lines(&film, &decoded), expected);
        let counts = Counts { films: 2, complaints: 5, known: 0 };
        assert_eq!(counts.told(), "2 films decoded with 5 complaints");
    }
}
