//! One run of ffprobe and its output.

use std::ffi::OsString;
use std::io;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader, Lines};
use tokio::process::{Child, Command};

use super::Error;
use crate::clock;

/// How long ffprobe may print nothing: it reports every frame.
const MOST_SILENCE: Duration = Duration::from_secs(120);

/// The most complaints kept per file; the others are counted.
const MOST: usize = 20;

/// The longest complaint that is kept, in characters.
const LONGEST: usize = 200;

/// The result of decoding a file.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// Decoded video and audio frames.
    pub frames: u64,
    /// Complaints, in order.
    pub complaints: Vec<Complaint>,
    /// The number of further complaints.
    pub more: u64,
    /// The time of the first frame, since broadcasts may begin at any time.
    begins_at: Option<u64>,
}

/// A complaint of the decoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The time in milliseconds from the first frame, if reported.
    pub at_ms: Option<u64>,
    /// The chunk of a whole in which the frame begins, if known.
    pub key: Option<String>,
    /// The offset in its file at which the frame begins, if reported.
    pub offset: Option<u64>,
    /// The decoder's text.
    pub message: String,
}

impl Decoded {
    fn complain(&mut self, at_ms: Option<u64>, offset: Option<u64>, message: &str) {
        let message = plain(message);
        let is_repeated = message.starts_with("Last message repeated");
        let is_known = self.complaints.iter().any(|complaint| complaint.message == message);
        // The decoder also prints what it says about a frame, without naming the frame.
        if message.is_empty() || is_repeated || (at_ms.is_none() && is_known) {
            return;
        }
        if self.complaints.len() < MOST {
            self.complaints.push(Complaint { at_ms, key: None, offset, message });
        } else {
            self.more += 1;
        }
    }

    /// Parses a frame's line: `frame|media_type=video|…|log|level=16|message=…`.
    fn frame(&mut self, line: &str) {
        let Some(frame) = line.strip_prefix("frame|") else { return };
        self.frames += 1;
        let mut parts = frame.split("|log|");
        let facts = parts.next().unwrap_or_default();
        let fact = |name: &str| {
            facts.split('|').find_map(|fact| fact.strip_prefix(name)?.strip_prefix('='))
        };
        let time = fact("best_effort_timestamp_time").and_then(milliseconds);
        let at_ms = time.map(|time| time.saturating_sub(*self.begins_at.get_or_insert(time)));
        let offset = fact("pkt_pos").and_then(|at| at.parse().ok());
        for log in parts {
            if let Some((_, message)) = log.split_once("message=") {
                self.complain(at_ms, offset, message);
            }
        }
    }
}

/// Converts fractional seconds to milliseconds.
fn milliseconds(seconds: &str) -> Option<u64> {
    let seconds: f64 = seconds.parse().ok()?;
    let is_sane = (0.0..1e10).contains(&seconds);
    is_sane.then_some((seconds * 1000.0).round() as u64)
}

/// A message without control characters and without the address of its sender, which differs between
/// runs.
fn plain(message: &str) -> String {
    let message = match (message.find(" @ 0x"), message.find(']')) {
        (Some(at), Some(end)) if at < end && message.starts_with('[') => {
            format!(
                "{}{}",
                message.get(..at).unwrap_or_default(),
                message.get(end..).unwrap_or_default()
            )
        }
        _ => message.to_owned(),
    };
    message.trim().chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

/// The program with these arguments, only these environment variables, and no input.
fn program(environment: &[(String, OsString)]) -> Command {
    let mut command = Command::new("ffprobe");
    command.env_clear().envs(environment.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    // Signals from the terminal are for this program, which ends the child itself.
    command.process_group(0);
    command
}

pub(super) async fn look(environment: &[(String, OsString)]) -> Result<(), Error> {
    let child = start(program(environment).arg("-version"))?;
    let _ = clock::within(MOST_SILENCE, child.wait_with_output()).await;
    Ok(())
}

fn start(command: &mut Command) -> Result<Child, Error> {
    command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::NotInstalled,
        _ => Error::Run(error),
    })
}

/// Decodes a URL on this machine. The program may read nothing else.
pub(super) async fn probe(url: &str, environment: &[(String, OsString)]) -> Result<Decoded, Error> {
    let mut command = program(environment);
    command.args(["-hide_banner", "-v", "error", "-show_log", "16"]);
    let wanted = "frame=media_type,best_effort_timestamp_time,pkt_pos:log=level,message";
    command.args(["-show_entries", wanted, "-of", "compact"]);
    command.args(["-protocol_whitelist", "http,tcp", "-i", url]);
    let mut child = start(&mut command)?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (Some(stdout), Some(stderr)) = (stdout, stderr) else { return Ok(Decoded::default()) };
    let mut decoded = Decoded::default();
    let printed = tokio::spawn(first_lines(BufReader::new(stderr).lines()));
    let mut lines = BufReader::new(stdout).lines();
    let is_stuck = loop {
        match clock::within(MOST_SILENCE, lines.next_line()).await {
            Ok(Ok(Some(line))) => decoded.frame(&line),
            Ok(_) => break false,
            Err(_) => break true,
        }
    };
    if is_stuck {
        decoded.complain(None, None, "ffprobe reported no frame for two minutes and was killed");
        let _ = child.kill().await;
    }
    let ended = child.wait().await.map_err(Error::Run)?;
    for line in printed.await.unwrap_or_default() {
        decoded.complain(None, None, &line);
    }
    if decoded.frames == 0 {
        decoded.complain(None, None, "no frame can be decoded");
    } else if !ended.success() && !is_stuck && decoded.complaints.is_empty() {
        decoded.complain(None, None, &format!("ffprobe exited with {ended}"));
    }
    Ok(decoded)
}

/// The first lines of the output; the rest is read and discarded.
async fn first_lines(mut lines: Lines<BufReader<impl AsyncRead + Unpin>>) -> Vec<String> {
    let mut first = Vec::new();
    while let Ok(Some(line)) = lines.next_line().await {
        if first.len() < 4 * MOST {
            first.push(line);
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_a_frame_has_its_time_and_place() {
        let mut decoded = Decoded::default();
        decoded.frame("frame|media_type=video|best_effort_timestamp_time=95443.717689|pkt_pos=564");
        decoded.frame(
            "frame|media_type=video|best_effort_timestamp_time=95444.637689|pkt_pos=28400|log|level=16|\
             message=[h264 @ 0x55ad0b9bbc40] error while decoding MB 20 32|log|level=16|message=more",
        );
        decoded.frame("frame|media_type=audio|best_effort_timestamp_time=N/A|pkt_pos=N/A");
        decoded.complain(None, None, "[h264 @ 0x55ad0b9bbc41] error while decoding MB 20 32");
        decoded.complain(None, None, "    Last message repeated 1 times");
        decoded.complain(None, None, "[aac @ 0x1] channel element 0.0 duplicate");
        let complaint = |at_ms, offset, message: &str| Complaint {
            at_ms,
            key: None,
            offset,
            message: message.to_owned(),
        };
        assert_eq!(decoded.frames, 3);
        assert_eq!(
            decoded.complaints,
            [
                complaint(Some(920), Some(28400), "[h264] error while decoding MB 20 32"),
                complaint(Some(920), Some(28400), "more"),
                complaint(None, None, "[aac] channel element 0.0 duplicate"),
            ]
        );
    }

    #[test]
    fn a_file_that_is_all_complaints_is_counted_and_not_kept() {
        let mut decoded = Decoded::default();
        for number in 0..1000 {
            decoded.complain(None, None, &format!("{number} {}", "x".repeat(1000)));
        }
        assert_eq!((decoded.complaints.len(), decoded.more), (MOST, 980));
        assert!(decoded.complaints.iter().all(|one| one.message.len() <= LONGEST));
    }
}
