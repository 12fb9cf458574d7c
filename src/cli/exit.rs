//! The exit codes: public, documented in docs/guide.md.

use super::stop::Stopped;
use crate::config::ConfigError;
use crate::model::Outcome;
use crate::pipeline::Report;
use crate::{ledger, store, wechat};

/// Printed below `--help`.
pub(super) const HELP: &str = "\
Exit codes:
  0    done, or nothing to do
  1    could not run, the ledger failed, or writing to stdout failed;
       doctor: a check failed;
       verify: nothing could be checked, or objects were unreadable
  2    invalid usage or configuration
  3    finished, but work is left that a later run can still do, or
       something will not be archived in time;
       status --stale: an account has not been archived for that long
  4    something expired and is lost for good
  5    verify found a mismatch, or a recording that does not decode
  130  interrupted, state saved";

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, or nothing to do.
    Done,
    /// The command could not run.
    CouldNotRun,
    /// The flags or the configuration are wrong.
    Usage,
    /// Finished, but a later run can still save something.
    Left,
    /// Something expired and is lost for good.
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

    /// The exit code of a run, from its report.
    pub fn of_report(report: &Report, is_interrupted: bool) -> Self {
        Self::of_outcome(report.outcome(is_interrupted))
    }

    /// The exit code of a run that ended so.
    pub(super) fn of_outcome(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Ok => Self::Done,
            Outcome::Failed => Self::CouldNotRun,
            Outcome::Lost => Self::Lost,
            Outcome::Mismatch => Self::Mismatch,
            Outcome::Interrupted => Self::Interrupted,
            Outcome::AtRisk | Outcome::Left | Outcome::Continuing => Self::Left,
        }
    }

    /// The exit code of a command that ended like this but could not print its output.
    pub(super) fn unprinted(self) -> Self {
        match self {
            Self::Usage | Self::Interrupted => self,
            Self::Done | Self::CouldNotRun | Self::Left | Self::Lost | Self::Mismatch => {
                Self::CouldNotRun
            }
        }
    }

    /// The exit code of a command that failed with an error.
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

/// The kind of the error that made a command fail, as one stable word: `usage`, `configuration`,
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

#[cfg(test)]
mod tests {
    use super::HELP;

    #[test]
    fn no_line_of_the_help_is_wrapped_on_a_terminal_of_80_columns() {
        assert!(HELP.lines().all(|line| line.len() < 80), "{HELP}");
    }
}
