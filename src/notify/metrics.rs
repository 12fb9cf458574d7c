//! The file that `node_exporter`'s textfile collector reads: how the last run ended, and what is ahead.
//!
//! It is written beside and renamed, before, during and after a run, also when that fails. What only a success
//! changes is read back from the file before, so that no run makes a graph forget it.

mod text;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::Digest;
use crate::metrics::{Figures, seconds};
use crate::model::{AppId, Outcome};
use crate::progress::Counts;
use text::{Kept, text};

/// How often the file is written during a run.
pub const EVERY: std::time::Duration = std::time::Duration::from_secs(30);

/// What the file says.
#[derive(Debug, Clone)]
pub struct Metrics {
    file: PathBuf,
    began: Timestamp,
    ended: Option<Timestamp>,
    outcome: Option<Outcome>,
    counts: Counts,
    /// What is kept from run to run.
    kept: Kept,
}

impl Metrics {
    /// The metrics of a run that begins now, with what the file says of earlier ones.
    /// Each of the configured `accounts` has its series from the beginning, and no other account has any.
    pub fn begin<'a>(
        file: &Path,
        began: Timestamp,
        accounts: impl Iterator<Item = &'a str>,
    ) -> Self {
        let earlier = std::fs::read_to_string(file).unwrap_or_default();
        let mut kept = Kept::read(&earlier);
        let known = |appid: &str| kept.accounts.get(appid).copied().unwrap_or(Figures::ZERO);
        kept.accounts = accounts.map(|appid| (appid.to_owned(), known(appid))).collect();
        let file = file.to_owned();
        let (ended, outcome) = (None, None);
        Self { file, began, ended, outcome, counts: Counts::default(), kept }
    }

    /// Writes how far the run is.
    pub fn progress(&mut self, counts: Counts) {
        self.counts = counts;
        self.write();
    }

    /// Writes how the run ended; `deadlines` has the next deadline of each account that has one.
    pub fn end(&mut self, digest: &Digest, counts: Counts, deadlines: &BTreeMap<AppId, Timestamp>) {
        (self.ended, self.outcome) = (Some(digest.ended_at), Some(digest.outcome));
        self.counts = counts;
        let at = seconds(digest.ended_at);
        if digest.is_well() {
            self.kept.last_success = at;
        }
        for account in &digest.accounts {
            let figures = self.kept.accounts.entry(account.appid.to_string());
            let figures = figures.or_insert(Figures::ZERO);
            if matches!(account.outcome, Outcome::Ok | Outcome::Continuing) {
                figures.last_success = Some(at);
            }
            if digest.stopped.is_some() || digest.is_cut_short {
                continue;
            }
            let lost: u64 = account.lost.iter().map(|lost| lost.recordings).sum();
            if let Some(before) = account.lost_before {
                figures.lost = Some((before + lost) as f64);
            }
            figures.rooms_left = Some(account.rooms_left as f64);
            // They come with the forecast; without it, what was known before still holds.
            if let Some(calls) = account.calls {
                figures.calls_left = Some(calls.left as f64);
                figures.at_risk = Some(account.at_risk.len() as f64);
                let deadline = deadlines.get(&account.appid).copied();
                figures.next_deadline = Some(deadline.map_or(0.0, seconds));
            }
        }
        self.write();
    }

    /// Replaces the file. A failure is logged: it is no reason to end a run.
    fn write(&self) {
        if let Err(error) = replace(&self.file, &text(self)) {
            tracing::warn!(error = %error, "failed to write the metrics to {}", self.file.display());
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
