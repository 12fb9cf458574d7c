//! The file that `node_exporter`'s textfile collector reads: how the last run ended, and what is ahead.
//!
//! It is written beside and renamed, before, during and after a run, also when that fails. What only a success
//! changes is read back from the file before, so that no run makes a graph forget it.

mod text;

use std::collections::{BTreeMap, HashSet};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::digest::{AccountDigest, Digest};
use crate::metrics::{Figures, seconds};
use crate::model::{AppId, Outcome};
use crate::progress::Counts;
use text::{Kept, text};

/// How often the file is written during a run.
pub const EVERY: std::time::Duration = std::time::Duration::from_secs(30);

/// Which accounts there are besides those that the configuration names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// None.
    None,
    /// Those of a folder, the ledger or a platform: the run finds all of them.
    Found,
    /// The same, but the run looks at a part of the accounts.
    Unseen,
}

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
    /// The accounts that the configuration names.
    named: Vec<String>,
    others: Others,
}

impl Metrics {
    /// The metrics of a run that begins now, with what the file says of earlier ones. Each of the `accounts` that
    /// the configuration names has its series from the beginning. Those that come from elsewhere keep what was
    /// written about them until a run has looked at all accounts and they are not among them.
    pub fn begin<'a>(
        file: &Path,
        began: Timestamp,
        (accounts, others): (impl Iterator<Item = &'a str>, Others),
    ) -> Self {
        let earlier = std::fs::read_to_string(file).unwrap_or_default();
        let mut kept = Kept::read(&earlier);
        let named: Vec<String> = accounts.map(str::to_owned).collect();
        for appid in &named {
            kept.accounts.entry(appid.clone()).or_insert(Figures::ZERO);
        }
        let file = file.to_owned();
        let (ended, outcome, counts) = (None, None, Counts::default());
        let mut metrics = Self { file, began, ended, outcome, counts, kept, named, others };
        if others == Others::None {
            metrics.keep_only(&[]);
        }
        metrics
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

    /// Forgets every account but these and those that the configuration names.
    fn keep_only(&mut self, found: &[AccountDigest]) {
        let found = found.iter().map(|account| account.appid.as_str());
        let known: HashSet<&str> = self.named.iter().map(String::as_str).chain(found).collect();
        self.kept.accounts.retain(|appid, _| known.contains(appid.as_str()));
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
