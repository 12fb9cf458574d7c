//! The exit codes: public, documented in README.

use super::stop::Stopped;
use crate::config::ConfigError;
use crate::pipeline::Report;
use crate::{ledger, store, wechat};

/// Printed below `--help`.
pub(super) const HELP: &str = "\
Exit codes:
  0    done, or nothing to do
  1    could not run, the ledger failed, or stdout took nothing; doctor: a check failed; verify: nothing checked, or unreadable
  2    usage or configuration
  3    finished, but something is left that a later run can still save
  4    something was lost for good (it expired)
  5    verification found a mismatch, or a recording that does not decode
  130  interrupted, state saved";

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, or nothing to do.
    Done,
    /// It could not run.
    CouldNotRun,
    /// Usage or configuration.
    Usage,
    /// Finished, but something is left that a later run can still save.
    Left,
    /// Something was lost for good: it expired.
    Lost,
    /// Verification found a mismatch.
    Mismatch,
    /// Interrupted, state saved.
    Interrupted,
}

impl Exit {
    /// The number the process ends with.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::CouldNotRun => 1,
            Self::Usage => 2,
            Self::Left => 3,
            Self::Lost => 4,
            Self::Mismatch => 5,
            Self::Interrupted => 130,
        }
    }

    /// How a run ended, by its report.
    pub fn of_report(report: &Report, interrupted: bool) -> Self {
        match () {
            // Its state is not saved.
            () if report.ledger.is_some() => Self::CouldNotRun,
            () if interrupted => Self::Interrupted,
            () if report.could_not_run() => Self::CouldNotRun,
            () if report.lost() > 0 => Self::Lost,
            () if report.is_left() => Self::Left,
            () => Self::Done,
        }
    }

    /// How a command ended that came to this, and could not print what it had to.
    pub(super) fn unprinted(self) -> Self {
        match self {
            Self::Usage | Self::Interrupted => self,
            Self::Done | Self::CouldNotRun | Self::Left | Self::Lost | Self::Mismatch => {
                Self::CouldNotRun
            }
        }
    }

    /// How a command ended that failed with an error.
    pub fn of_error(error: &anyhow::Error) -> Self {
        let settings = matches!(error.downcast_ref(), Some(store::Error::Settings { .. }));
        match () {
            () if matches!(error.downcast_ref(), Some(Stopped::BySignal { .. })) => {
                Self::Interrupted
            }
            () if settings || error.is::<ConfigError>() => Self::Usage,
            () => Self::CouldNotRun,
        }
    }
}

/// The kind of an error that made a command fail, in one word that stays: `usage`, `configuration`,
/// `ledger`, `store`, `wechat`, `io`, `stopped`, or `other`.
pub(super) fn kind(error: &anyhow::Error) -> &'static str {
    let of = |cause: &(dyn std::error::Error + 'static)| match () {
        () if cause.downcast_ref().is_some_and(ConfigError::is_flag) => Some("usage"),
        () if cause.is::<ConfigError>() => Some("configuration"),
        () if matches!(cause.downcast_ref(), Some(store::Error::Settings { .. })) => {
            Some("configuration")
        }
        () if cause.is::<ledger::Error>() => Some("ledger"),
        () if cause.is::<store::Error>() => Some("store"),
        () if cause.is::<wechat::Error>() => Some("wechat"),
        () if cause.is::<std::io::Error>() => Some("io"),
        () if cause.is::<Stopped>() => Some("stopped"),
        () => None,
    };
    error.chain().find_map(of).unwrap_or("other")
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
