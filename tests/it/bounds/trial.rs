//! The built binary in a world with a door before each server, and what a run of it costs.

use std::process::Output;
use std::time::{Duration, Instant};

use replay_archiver::clock;
use tokio::process::Child;
use tokio_util::task::AbortOnDropHandle;

use crate::cli::program::Place;
use crate::net::Server;

const MIB: u64 = 1 << 20;

/// What promise 7 allows at the defaults: 64 MiB for parts, and the base.
pub const PROMISED: u64 = 96;

/// A row that takes longer never ends, however busy the machine is.
const LONGEST: Duration = Duration::from_secs(420);

/// A world at the defaults whose servers do as they should until a row says otherwise.
pub struct Trial {
    pub place: Place,
    pub wechat: Server,
    pub media: Server,
    pub store: Server,
}

/// What a row allows.
#[derive(Debug, Clone, Copy)]
pub struct Bound {
    pub code: i32,
    pub seconds: u64,
    /// Of anonymous memory, at its peak.
    pub mib: u64,
}

/// What a run came to.
#[derive(Debug)]
pub struct Cost {
    pub code: i32,
    pub wall: Duration,
    /// The peak of anonymous memory in bytes.
    pub peak: u64,
    pub out: String,
    pub err: String,
}

/// A run that was started.
pub struct Running {
    child: Child,
    began: Instant,
    peak: AbortOnDropHandle<u64>,
}

impl Trial {
    pub async fn start(scenario: &str) -> Self {
        let place = Place::start(scenario).await;
        let wechat = Server::before(place.sandbox.api_addr()).await;
        let media = Server::before(place.sandbox.vod_addr()).await;
        let store = Server::before(place.store.addr()).await;
        place.sandbox.update(|scenario| scenario.vod.base = format!("http://{}", media.addr));
        let mut text = place.configuration();
        for (server, door) in [
            (place.sandbox.api_addr(), &wechat),
            (place.sandbox.vod_addr(), &media),
            (place.store.addr(), &store),
        ] {
            text = text.replace(&server.to_string(), &door.addr.to_string());
        }
        place.configure(&text);
        Self { place, wechat, media, store }
    }

    /// Puts another text into the configuration.
    pub fn reconfigure(&self, change: impl FnOnce(String) -> String) {
        let path = self.place.folder.path().join("pipeline.toml");
        let text = std::fs::read_to_string(path).unwrap();
        self.place.configure(&change(text));
    }

    /// Runs the program to its end.
    pub async fn run(&self, arguments: &[&str]) -> Cost {
        self.begin(arguments).ended().await
    }

    /// Starts the program.
    pub fn begin(&self, arguments: &[&str]) -> Running {
        Running::of(self.place.command(arguments).spawn().unwrap())
    }
}

impl Running {
    /// Watches a program that was just started with its output piped.
    pub fn of(child: Child) -> Self {
        let peak = AbortOnDropHandle::new(tokio::spawn(peak(child.id().unwrap())));
        Self { child, began: Instant::now(), peak }
    }

    /// Sends a signal by its name, as `TERM`.
    pub async fn signal(&self, name: &str) {
        let pid = self.child.id().unwrap().to_string();
        let sent = tokio::process::Command::new("kill").args(["-s", name, &pid]).status().await;
        assert!(sent.unwrap().success());
    }

    /// Waits for the end.
    pub async fn ended(self) -> Cost {
        let output = clock::within(LONGEST, self.child.wait_with_output()).await;
        let Output { status, stdout, stderr } = output.expect("it ends").unwrap();
        let (wall, peak) = (self.began.elapsed(), self.peak.await.unwrap());
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let code = status.code().unwrap_or(-1);
        Cost { code, wall, peak, out: text(stdout), err: text(stderr) }
    }
}

/// The peak of a process's anonymous memory in bytes, when it has ended. The pages of the program's own
/// file do not count, of which an unoptimised build has many times more.
async fn peak(pid: u32) -> u64 {
    let status = format!("/proc/{pid}/status");
    let mut peak = 0;
    // What has ended has no memory, and soon no status.
    while let Some(now) = anonymous(&std::fs::read_to_string(&status).unwrap_or_default()) {
        peak = peak.max(now);
        clock::pause(Duration::from_millis(2)).await;
    }
    peak
}

fn anonymous(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().unwrap() * 1024)
}

impl Cost {
    /// Prints what was measured, and fails where it is not what `bound` allows.
    #[track_caller]
    #[expect(clippy::print_stdout, reason = "the figures are for docs/guarantees.md")]
    pub fn within(self, row: &str, bound: Bound) -> Self {
        let (seconds, mib) = (self.wall.as_secs_f64(), self.peak / MIB);
        let Bound { code, seconds: longest, mib: most } = bound;
        println!(
            "{row}: exit {} of {code}, {seconds:.1} of {longest} s, {mib} of {most} MiB",
            self.code
        );
        let is_within = self.code == code && seconds <= longest as f64 && mib <= most;
        let shown: String = self.err.chars().take(4000).collect();
        assert!(is_within, "{row}: {bound:?}, not {}, {seconds} s, {mib} MiB:\n{shown}", self.code);
        self
    }
}
