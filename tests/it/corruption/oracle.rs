//! What ffmpeg says of a file.

use std::path::Path;
use std::process::Command;

/// A picture or a piece of sound: its stream, when it is shown, in ticks of that, and its MD5.
type Frame = (usize, i64, String);

/// What ffmpeg makes of a file.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Decoded {
    /// What it complains of first.
    pub complaint: Option<String>,
    pub frames: Vec<Frame>,
    /// How many seconds a tick of each stream lasts.
    ticks: Vec<f64>,
}

impl Decoded {
    /// Has ffmpeg decode all pictures and sound of a file.
    pub fn of(path: &Path) -> Self {
        let output = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-xerror", "-threads", "1", "-i"])
            .arg(path)
            .args(["-map", "0:v?", "-map", "0:a?", "-fps_mode", "passthrough"])
            // As exact as the file has them: rounded, times would be alike that are not.
            .args(["-enc_time_base:v", "-1", "-f", "framemd5", "-"])
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        let told = told.lines().next().map(str::to_owned);
        let failed = || (!output.status.success()).then(|| output.status.to_string());
        let lines = String::from_utf8_lossy(&output.stdout);
        let mut frames: Vec<_> = lines.lines().filter_map(frame).collect();
        frames.sort();
        let ticks = lines.lines().filter_map(tick).collect();
        Self { complaint: told.or_else(failed), frames, ticks }
    }

    /// Whether pictures of one stream are shown at the same time, or an hour late.
    pub fn has_absurd_times(&self) -> bool {
        const LATE: f64 = 3600.0;
        let pairs = self.frames.iter().zip(self.frames.iter().skip(1));
        let is_absurd = |(one, next): (&Frame, &Frame)| {
            let tick = self.ticks.get(one.0).unwrap_or(&0.0);
            one.0 == next.0 && (one.1 == next.1 || (next.1 - one.1) as f64 * tick > LATE)
        };
        pairs.into_iter().any(is_absurd)
    }
}

/// The packets of a file with their times, as it says them. When pictures are decoded, ffmpeg guesses
/// better times than impossible ones, which other players show.
pub(super) fn packets(path: &Path) -> Vec<String> {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(path)
        .args(["-map", "0:v?", "-map", "0:a?", "-c", "copy", "-f", "framecrc", "-"])
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

/// The seconds that a tick of a stream lasts, as in `#tb 0: 1/10240`.
fn tick(line: &str) -> Option<f64> {
    let (_, tick) = line.strip_prefix("#tb ")?.split_once(": ")?;
    let (over, under) = tick.split_once('/')?;
    Some(over.parse::<f64>().ok()? / under.parse::<f64>().ok()?)
}

fn frame(line: &str) -> Option<Frame> {
    let mut fields = line.split(',').map(str::trim);
    let stream = fields.next()?.parse().ok()?;
    let shown = fields.nth(1)?.parse().ok()?;
    Some((stream, shown, fields.nth(2)?.to_owned()))
}
