//! What ffmpeg says of a file.

use std::path::Path;
use std::process::Command;

/// What ffmpeg makes of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Decoded {
    /// What it complains of first.
    pub complaint: Option<String>,
    /// Each picture and piece of sound: its stream, when it is shown, and its MD5.
    pub frames: Vec<(u32, i64, String)>,
}

impl Decoded {
    /// Has ffmpeg decode all pictures and sound of a file.
    pub fn of(path: &Path) -> Self {
        let output = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-xerror", "-threads", "1", "-i"])
            .arg(path)
            .args(["-map", "0:v?", "-map", "0:a?", "-fps_mode", "passthrough"])
            .args(["-f", "framemd5", "-"])
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        let told = told.lines().next().map(str::to_owned);
        let failed = || (!output.status.success()).then(|| output.status.to_string());
        let frames = String::from_utf8_lossy(&output.stdout);
        let mut frames: Vec<_> = frames.lines().filter_map(frame).collect();
        frames.sort();
        Self { complaint: told.or_else(failed), frames }
    }

    /// Whether pictures of one stream are shown at the same time, or an hour late.
    pub fn has_absurd_times(&self) -> bool {
        const LATE: i64 = 3600 * 1000;
        let pairs = self.frames.iter().zip(self.frames.iter().skip(1));
        let is_absurd = |(one, next): (&(u32, i64, String), &(u32, i64, String))| {
            one.0 == next.0 && (one.1 == next.1 || next.1 - one.1 > LATE)
        };
        pairs.into_iter().any(is_absurd)
    }
}

fn frame(line: &str) -> Option<(u32, i64, String)> {
    let mut fields = line.split(',').map(str::trim);
    let stream = fields.next()?.parse().ok()?;
    let shown = fields.nth(1)?.parse().ok()?;
    Some((stream, shown, fields.nth(2)?.to_owned()))
}
