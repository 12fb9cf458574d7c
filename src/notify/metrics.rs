//! How the last run ended and what is ahead, as metrics: in the file that `node_exporter`'s textfile collector
//! reads, and on a board for whoever collects them.
//!
//! The file is written beside and renamed, before, during and after a run, also when that fails. What only a success
//! changes is read back from the file before, so that no run makes a graph forget it.

mod series;

use std::collections::{BTreeMap, HashSet};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::digest::{AccountDigest, Digest};
use crate::metrics::{Board, Family, Figures, StageSeconds, seconds};
use crate::model::{AppId, Outcome};
use crate::pipeline::Report;
use crate::progress::Counts;
use series::{Kept, series};

/// How often the file is written during a run.
pub const EVERY: std::time::Duration = std::time::Duration::from_secs(30);

/// Where the metrics go.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// The file.
    pub file: Option<PathBuf>,
    /// The board.
    pub board: Option<Board>,
}

/// Which accounts there are besides those that the configuration names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// None.
    None,
    /// Those of a folder, the ledger or a platform: the run finds all of them.
    Found,
    /// Perhaps some, but the run does not look at all accounts: it is restricted to a part of them, or the
    /// configuration has wrong keys and may mean more.
    Unseen,
}

/// What the metrics say.
#[derive(Debug, Clone)]
pub struct Metrics {
    places: Places,
    began: Timestamp,
    ended: Option<Timestamp>,
    outcome: Option<Outcome>,
    counts: Counts,
    /// What is kept from run to run.
    kept: Kept,
    /// The accounts that the configuration names.
    named: Vec<String>,
    others: Others,
}

impl Metrics {
    /// The metrics of a run that begins now, with what the file says of earlier ones; without a file, nothing is
    /// known of them. Each of the `accounts` that the configuration names has its series from the beginning. Those
    /// that come from elsewhere keep what was written about them until a run has looked at all accounts and they
    /// are not among them.
    pub fn begin<'a>(
        places: Places,
        began: Timestamp,
        (accounts, others): (impl Iterator<Item = &'a str>, Others),
    ) -> Self {
        let (mut kept, unseen) = match &places.file {
            Some(file) => {
                (Kept::read(&std::fs::read_to_string(file).unwrap_or_default()), Figures::ZERO)
            }
            None => (Kept::default(), Figures::default()),
        };
        let named: Vec<String> = accounts.map(str::to_owned).collect();
        for appid in &named {
            kept.accounts.entry(appid.clone()).or_insert(unseen);
        }
        let (ended, outcome, counts) = (None, None, Counts::default());
        let mut metrics = Self { places, began, ended, outcome, counts, kept, named, others };
        if others == Others::None {
            metrics.keep_only(&[]);
        }
        metrics
    }

    /// Every series that there is, without what a run says.
    pub fn blank() -> Vec<Family> {
        let at = Timestamp::UNIX_EPOCH;
        series(&Self::begin(Places::default(), at, (std::iter::empty(), Others::None)))
    }

    /// Writes how far the run is.
    pub fn progress(&mut self, counts: Counts) {
        self.counts = counts;
        self.write();
    }

    /// Writes how the run ended, as the digest says and the report, if there is one.
    pub fn end(&mut self, digest: &Digest, report: Option<&Report>) {
        (self.ended, self.outcome) = (Some(digest.ended_at), Some(digest.outcome));
        self.counts = report.map(|report| report.counts).unwrap_or_default();
        let reported = report.iter().flat_map(|report| &report.accounts);
        let reported: BTreeMap<&AppId, _> =
            reported.map(|account| (&account.appid, account)).collect();
        let at = seconds(digest.ended_at);
        if digest.is_well() {
            self.kept.last_success = Some(at);
        }
        let is_all = digest.stopped.is_none() && digest.unread.is_empty() && !digest.is_cut_short;
        if self.others == Others::Found && is_all {
            self.keep_only(&digest.accounts);
        }
        for account in &digest.accounts {
            let figures = self.kept.accounts.entry(account.appid.to_string());
            let figures = figures.or_insert(Figures::ZERO);
            if matches!(account.outcome, Outcome::Ok | Outcome::Continuing) {
                figures.last_success = Some(at);
            }
            let reported = reported.get(&account.appid);
            if let Some(reported) = reported {
                figures.stages = StageSeconds::measured(reported.stages.iter());
            }
            if digest.stopped.is_some() || digest.is_cut_short {
                continue;
            }
            let lost = account.recordings_lost();
            if let Some(before) = account.lost_before {
                figures.lost = Some((before + lost) as f64);
            }
            figures.rooms_left = Some(account.rooms_left as f64);
            // They come with the forecast; without it, what was known before still holds.
            if let Some(calls) = account.calls {
                figures.calls_left = Some(calls.left as f64);
                figures.at_risk = Some(account.rooms_at_risk() as f64);
                let deadline = reported.and_then(|reported| reported.next_deadline);
                figures.next_deadline = Some(deadline.map_or(0.0, seconds));
            }
        }
        self.write();
    }

    /// Forgets every account but these and those that the configuration names.
    fn keep_only(&mut self, found: &[AccountDigest]) {
        let found = found.iter().map(|account| account.appid.as_str());
        let known: HashSet<&str> = self.named.iter().map(String::as_str).chain(found).collect();
        self.kept.accounts.retain(|appid, _| known.contains(appid.as_str()));
    }

    /// Replaces what file and board have. A failure is logged: it is no reason to end a run.
    fn write(&self) {
        let families = series(self);
        if let Some(file) = &self.places.file {
            let mut text = String::new();
            families.iter().for_each(|family| family.write(&mut text));
            if let Err(error) = replace(file, &text) {
                tracing::warn!(error = %error, "failed to write the metrics to {}", file.display());
            }
        }
        if let Some(board) = &self.places.board {
            board.show(families);
        }
    }
}

/// Writes a file beside and renames it, readable for `node_exporter`.
fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    let mut beside = file.as_os_str().to_owned();
    // node_exporter ignores what does not end in .prom.
    beside.push(format!(".{}.tmp", std::process::id()));
    let written = std::fs::File::create(&beside)
        .and_then(|mut to| {
            // Whatever the umask of the service.
            to.set_permissions(std::fs::Permissions::from_mode(0o644))?;
            to.write_all(text.as_bytes())
        })
        .and_then(|()| std::fs::rename(&beside, file));
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written
}

#[cfg(test)]
mod tests;
