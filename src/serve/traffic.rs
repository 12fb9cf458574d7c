//! What the server itself has done, counted: requests by door, how long their answers took, bytes passed on.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::limits::Passing;
use crate::metrics::{Kind, describe, value};

/// The bounds of the histogram, in milliseconds.
const BOUNDS_MS: [u64; 12] = [5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000];

/// Which part of the server a request is for: few, whatever callers ask for.
const DOORS: [(&str, &[&str]); 8] = [
    ("api", &["/api/"]),
    ("media", &["/media/"]),
    ("hls", &["/hls/"]),
    ("embed", &["/embed/"]),
    ("page", &["/rooms/", "/login", "/logout"]),
    ("assets", &["/assets/"]),
    ("health", &["/healthz", "/readyz"]),
    ("metrics", &["/metrics"]),
];

/// The door of the page of rooms, and the one of what is nowhere.
const PAGE: usize = 4;
const OTHER: usize = DOORS.len();

/// The counters.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    doors: [Door; DOORS.len() + 1],
    films: AtomicU64,
    files: AtomicU64,
}

#[derive(Debug, Default)]
struct Door {
    /// Answers by the first digit of their status, from 1 on.
    answers: [AtomicU64; 5],
    /// Answers by how long they took, each in the first bound that it is within; at the end the rest.
    took: [AtomicU64; BOUNDS_MS.len() + 1],
    /// How long all answers took.
    micros: AtomicU64,
}

impl Traffic {
    /// Counts an answer whose beginning took so long.
    pub(super) fn answered(&self, path: &str, status: u16, took: Duration) {
        let Some(door) = self.doors.get(door_of(path)) else { return };
        let class = usize::from(status / 100).clamp(1, 5) - 1;
        let millis = took.as_micros().div_ceil(1_000);
        let bound = BOUNDS_MS.iter().position(|bound| millis <= u128::from(*bound));
        let counted = [door.answers.get(class), door.took.get(bound.unwrap_or(BOUNDS_MS.len()))];
        counted.into_iter().flatten().for_each(|counter| _ = counter.fetch_add(1, Relaxed));
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        door.micros.fetch_add(micros, Relaxed);
    }

    /// Counts bytes of an object that were passed on.
    pub(super) fn passed(&self, passing: Passing, bytes: usize) {
        let counter = match passing {
            Passing::Film => &self.films,
            Passing::File => &self.files,
        };
        counter.fetch_add(bytes as u64, Relaxed);
    }

    /// Writes all of it.
    pub(super) fn write(&self, text: &mut String) {
        let names = DOORS.iter().map(|(name, _)| *name).chain(["other"]);
        let doors: Vec<_> = names.zip(&self.doors).collect();
        let name = "serve_requests_total";
        describe(text, name, "Requests that were answered, by status.", Kind::Counter);
        for (door, counters) in &doors {
            for (class, answers) in (1..).zip(&counters.answers) {
                let labels = format!("door=\"{door}\",code=\"{class}xx\"");
                value(text, name, &labels, answers.load(Relaxed));
            }
        }
        let name = "serve_request_duration_seconds";
        describe(text, name, "How long it took until an answer began.", Kind::Histogram);
        for (door, counters) in &doors {
            counters.write(text, name, door);
        }
        let name = "serve_passed_bytes_total";
        describe(text, name, "Bytes of the bucket that were passed on.", Kind::Counter);
        for (what, counter) in [("film", &self.films), ("file", &self.files)] {
            value(text, name, &format!("what=\"{what}\""), counter.load(Relaxed));
        }
    }
}

impl Door {
    fn write(&self, text: &mut String, name: &str, door: &str) {
        let mut count = 0;
        let bounds = BOUNDS_MS.iter().map(|ms| (*ms as f64 / 1_000.0).to_string());
        for (bound, took) in bounds.chain(["+Inf".to_owned()]).zip(&self.took) {
            count += took.load(Relaxed);
            let labels = format!("door=\"{door}\",le=\"{bound}\"");
            value(text, &format!("{name}_bucket"), &labels, count);
        }
        let seconds = self.micros.load(Relaxed) as f64 / 1e6;
        value(text, &format!("{name}_sum"), &format!("door=\"{door}\""), seconds);
        value(text, &format!("{name}_count"), &format!("door=\"{door}\""), count);
    }
}

fn door_of(path: &str) -> usize {
    if path == "/" {
        return PAGE;
    }
    let door = DOORS.iter().position(|(_, begins)| begins.iter().any(|at| path.starts_with(at)));
    door.unwrap_or(OTHER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_counted_once_in_every_series_of_its_door() {
        let traffic = Traffic::default();
        let ms = Duration::from_millis;
        for (path, status, took) in [
            ("/api/v1/accounts", 200, ms(5)),
            ("/api/v1/accounts", 503, Duration::from_micros(5_001)),
            ("/", 200, ms(40_000)),
            ("/wp-login.php", 404, ms(0)),
        ] {
            traffic.answered(path, status, took);
        }
        traffic.passed(Passing::Film, 7);
        let mut text = String::new();
        traffic.write(&mut text);
        for line in [
            "serve_requests_total{door=\"api\",code=\"2xx\"} 1",
            "serve_requests_total{door=\"api\",code=\"5xx\"} 1",
            "serve_requests_total{door=\"other\",code=\"4xx\"} 1",
            "serve_request_duration_seconds_bucket{door=\"api\",le=\"0.005\"} 1",
            "serve_request_duration_seconds_bucket{door=\"api\",le=\"0.01\"} 2",
            "serve_request_duration_seconds_bucket{door=\"page\",le=\"30\"} 0",
            "serve_request_duration_seconds_bucket{door=\"page\",le=\"+Inf\"} 1",
            "serve_request_duration_seconds_count{door=\"api\"} 2",
            "serve_request_duration_seconds_sum{door=\"page\"} 40",
            "serve_passed_bytes_total{what=\"film\"} 7",
        ] {
            assert!(text.contains(&format!("replay_archiver_{line}\n")), "no {line} in {text}");
        }
    }
}
