//! One run of ffprobe, and what it says.

use std::ffi::OsString;
use std::io;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader, Lines};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::Error;

/// How long it may say nothing: it tells of every frame.
const PATIENCE: Duration = Duration::from_secs(120);

/// So many complaints of a film are kept; the others are counted.
const MOST: usize = 20;

/// The longest complaint that is kept, in characters.
const LONGEST: usize = 200;

/// What became of a film.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// Frames of pictures and sound.
    pub frames: u64,
    /// What was complained of, in order.
    pub complaints: Vec<Complaint>,
    /// Complaints beyond those.
    pub more: u64,
}

/// Something that the decoder complains of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// When in the film, in milliseconds, where that is told.
    pub at_ms: Option<u64>,
    /// Where in the file the frame begins, where that is told; of a whole, in its chunk.
    pub offset: Option<u64>,
    /// What.
    pub message: String,
}

impl Decoded {
    fn complain(&mut self, at_ms: Option<u64>, offset: Option<u64>, message: &str) {
        let message = plain(message);
        let is_repeated = message.starts_with("Last message repeated");
        let is_known = self.complaints.iter().any(|complaint| complaint.message == message);
        // What the decoder says of a frame it also prints, without the frame.
        if message.is_empty() || is_repeated || (at_ms.is_none() && is_known) {
            return;
        }
        if self.complaints.len() < MOST {
            self.complaints.push(Complaint { at_ms, offset, message });
        } else {
            self.more += 1;
        }
    }

    /// Takes what is told of a frame: `frame|media_type=video|…|log|level=16|message=…`.
    fn frame(&mut self, line: &str) {
        let Some(frame) = line.strip_prefix("frame|") else { return };
        self.frames += 1;
        let mut parts = frame.split("|log|");
        let facts = parts.next().unwrap_or_default();
        let fact = |name: &str| {
            facts.split('|').find_map(|fact| fact.strip_prefix(name)?.strip_prefix('='))
        };
        let at_ms = fact("best_effort_timestamp_time").and_then(milliseconds);
        let offset = fact("pkt_pos").and_then(|at| at.parse().ok());
        for log in parts {
            if let Some((_, message)) = log.split_once("message=") {
                self.complain(at_ms, offset, message);
            }
        }
    }
}

/// Seconds with a fraction, as milliseconds.
fn milliseconds(seconds: &str) -> Option<u64> {
    let seconds: f64 = seconds.parse().ok()?;
    let is_sane = (0.0..1e10).contains(&seconds);
    is_sane.then_some((seconds * 1000.0).round() as u64)
}

/// A message without the address of what says it, in which no two runs agree, and without control
/// characters.
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

/// The program with these arguments, no other variables than these, and nothing to read.
fn program(environment: &[(String, OsString)]) -> Command {
    let mut command = Command::new("ffprobe");
    command.env_clear().envs(environment.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    // What the terminal sends is for this program, which ends it.
    command.process_group(0);
    command
}

pub(super) async fn look(environment: &[(String, OsString)]) -> Result<(), Error> {
    let child = start(program(environment).arg("-version"))?;
    let _ = timeout(PATIENCE, child.wait_with_output()).await;
    Ok(())
}

fn start(command: &mut Command) -> Result<Child, Error> {
    command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::NotInstalled,
        _ => Error::Run(error),
    })
}

/// Decodes what is at a URL of this machine. It may read nothing else.
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
        match timeout(PATIENCE, lines.next_line()).await {
            Ok(Ok(Some(line))) => decoded.frame(&line),
            Ok(_) => break false,
            Err(_) => break true,
        }
    };
    if is_stuck {
        decoded.complain(None, None, "ffprobe told of no frame for two minutes, and was ended");
        let _ = child.kill().await;
    }
    let ended = child.wait().await.map_err(Error::Run)?;
    for line in printed.await.unwrap_or_default() {
        decoded.complain(None, None, &line);
    }
    if decoded.frames == 0 {
        decoded.complain(None, None, "there is not one frame that can be decoded");
    } else if !ended.success() && !is_stuck && decoded.complaints.is_empty() {
        decoded.complain(None, None, &format!("ffprobe ended with {ended}"));
    }
    Ok(decoded)
}

/// The first lines of what is printed; all of it is read.
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
        decoded.frame(
            "frame|media_type=video|best_effort_timestamp_time=0.920000|pkt_pos=28400|log|level=16|\
             message=[h264 @ 0x55ad0b9bbc40] error while decoding MB 20 32|log|level=16|message=more",
        );
        decoded.frame("frame|media_type=audio|best_effort_timestamp_time=N/A|pkt_pos=N/A");
        decoded.complain(None, None, "[h264 @ 0x55ad0b9bbc41] error while decoding MB 20 32");
        decoded.complain(None, None, "    Last message repeated 1 times");
        decoded.complain(None, None, "[aac @ 0x1] channel element 0.0 duplicate");
        let complaint =
            |at_ms, offset, message: &str| Complaint { at_ms, offset, message: message.to_owned() };
        assert_eq!(decoded.frames, 2);
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
    fn a_film_that_is_all_complaints_is_counted_and_not_kept() {
        let mut decoded = Decoded::default();
        for number in 0..1000 {
            decoded.complain(None, None, &format!("{number} {}", "x".repeat(1000)));
        }
        assert_eq!((decoded.complaints.len(), decoded.more), (MOST, 980));
        assert!(decoded.complaints.iter().all(|one| one.message.len() <= LONGEST));
    }
}
