//! Why a message was not taken. No text here has an address, which would hold a key.

use std::time::Duration;

use crate::retry::Transient;

/// A message that was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No reply.
    #[error("no reply from {host}")]
    Transport {
        /// The host.
        host: String,
        /// Why.
        source: reqwest::Error,
        /// Whether the message may be sent again without being there twice.
        may_repeat: bool,
    },
    /// A reply with a status that is no success.
    #[error("{host} answered with HTTP status {status}: {excerpt}")]
    Status {
        /// The host.
        host: String,
        /// The status.
        status: u16,
        /// The beginning of the body.
        excerpt: String,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// The receiver wants no more messages.
    #[error(
        "{host} wants no more messages (HTTP status 410): it gets none from now on\n\
         hint: remove this [[notify]], or set its new address; `notify --test` tries it again [RA702]"
    )]
    Gone {
        /// The host.
        host: String,
    },
    /// The robot refuses the message.
    #[error("{host} refused the message: {message} (code {code}){}", hint(*.code, .message))]
    Refused {
        /// The host.
        host: String,
        /// Its code.
        code: i64,
        /// What it says.
        message: String,
    },
    /// A reply that does not say whether the message was taken.
    #[error(
        "{host} did not say that it took the message: {excerpt}\n\
         hint: is this the address of the robot, and of this kind? [RA703]"
    )]
    Unclear {
        /// The host.
        host: String,
        /// The beginning of the body.
        excerpt: String,
    },
    /// A signing secret that cannot be used.
    #[error(
        "the signing secret is not usable: what follows whsec_ is not base64\n\
         hint: copy it again from the receiver [RA704]"
    )]
    Secret,
    /// A client cannot be set up.
    #[error("failed to set up the client")]
    Setup(#[source] reqwest::Error),
    /// The mail server did not take it.
    #[error("the mail server {host} did not take the message: {problem}")]
    Mail {
        /// The host.
        host: String,
        /// Why.
        problem: String,
        /// Whether another attempt may succeed.
        is_transient: bool,
    },
    /// The program failed.
    #[error("the command {program:?} {outcome}{}", said(.stderr))]
    Command {
        /// The program.
        program: String,
        /// How it ended.
        outcome: String,
        /// What it printed to stderr.
        stderr: String,
    },
}

/// Codes of the robots that pass within seconds. One that got too many messages is blocked for longer.
const PASSING: [i64; 2] = [-1, 11_232];

fn hint(code: i64, message: &str) -> &'static str {
    match code {
        93000 => {
            "\nhint: copy the address of the robot again; it may have been removed from the group [RA703]"
        }
        40058 | 9499 => "\nhint: please report this with the version of the program [RA901]",
        310_000 if message.contains("keyword") => {
            "\nhint: set keyword to one of the words that the robot asks for [RA705]"
        }
        310_000 if message.contains("ip") => {
            "\nhint: add this machine's address to the robot [RA706]"
        }
        310_000 | 19_021 => {
            "\nhint: is secret_env the signing secret of this robot, and this machine's clock right? [RA704]"
        }
        19_022 => "\nhint: add this machine's address to the robot [RA706]",
        19_024 => "\nhint: set keyword to one of the words that the robot asks for [RA705]",
        _ => "",
    }
}

fn said(stderr: &str) -> String {
    if stderr.is_empty() { String::new() } else { format!(": {stderr}") }
}

impl Transient for Error {
    fn is_transient(&self) -> bool {
        match self {
            Self::Transport { may_repeat, .. } => *may_repeat,
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500..),
            Self::Refused { code, .. } => PASSING.contains(code),
            Self::Mail { is_transient, .. } => *is_transient,
            Self::Gone { .. }
            | Self::Unclear { .. }
            | Self::Secret
            | Self::Setup(_)
            | Self::Command { .. } => false,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
