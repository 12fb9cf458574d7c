//! Who is told how a run ended, ready to use.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use lettre::message::Mailbox;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::model::{AppId, Outcome};

/// Who is told how a run ended, and how.
#[derive(Debug, Default)]
pub struct Alerts {
    /// The outcomes with which `run` and `backfill` exit with 0.
    pub success: Vec<Outcome>,
    /// Who gets messages.
    pub channels: Vec<Channel>,
    /// What watches the nightly run.
    pub monitor: Monitor,
    /// The accounts that the file names.
    pub appids: Vec<String>,
    /// Whether a folder, the ledger or a platform may have others.
    pub has_others: bool,
    /// Whether keys or appids of the file are wrong, so that it may mean more accounts than these.
    pub is_partial: bool,
    /// The ledger's URL, whose outbox keeps what could not be sent; `None` if it is wrong.
    pub ledger_url: Option<SecretString>,
}

/// Somebody who gets messages.
#[derive(Debug)]
pub struct Channel {
    /// How logs and the ledger name it: `wecom WECOM_URL`. No two channels have the same name.
    pub name: String,
    /// How a message gets there.
    pub way: Way,
    /// What is told.
    pub on: Vec<Event>,
    /// The accounts that are told about; empty for all.
    pub accounts: Vec<AppId>,
    /// The language of its messages.
    pub lang: Lang,
}

/// How a message gets to somebody.
#[derive(Debug)]
pub enum Way {
    /// A robot of a WeCom group.
    Wecom(Robot),
    /// A robot of a DingTalk group.
    Dingtalk(Robot),
    /// A robot of a Feishu group.
    Feishu(Robot),
    /// An HTTP server that knows Standard Webhooks.
    Webhook(Robot),
    /// Mail.
    Mail {
        /// The address of the mail server, with user and password.
        server: Address,
        /// The sender.
        from: Mailbox,
        /// Who gets it.
        to: Vec<Mailbox>,
    },
    /// A program that reads the message.
    Command {
        /// The program.
        program: String,
        /// Its arguments.
        arguments: Vec<String>,
        /// Its complete environment.
        environment: Vec<(String, OsString)>,
    },
}

/// What a message is posted to.
#[derive(Debug)]
pub struct Robot {
    /// Its address, which holds a key.
    pub address: Address,
    /// What messages are signed with.
    pub secret: Option<SecretString>,
    /// A word that it asks for in every message; empty for none.
    pub keyword: String,
}

/// An address that holds a key: nothing shows more of it than its host.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(Url);

impl Address {
    /// Keeps an address.
    pub fn new(url: Url) -> Self {
        Self(url)
    }

    /// The address itself, for a request to it.
    pub fn expose(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.host_str().unwrap_or_default())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

/// What watches the nightly run.
#[derive(Debug, Default)]
pub struct Monitor {
    /// The ping URL of a check of healthchecks.
    pub healthchecks: Option<Address>,
    /// The push URL of a monitor of Uptime Kuma.
    pub uptime_kuma: Option<Address>,
    /// The file that `node_exporter`'s textfile collector reads.
    pub textfile: Option<PathBuf>,
}

/// What somebody may want to be told: an outcome, or that all is well again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// See [`Outcome::Failed`].
    Failed,
    /// See [`Outcome::Lost`].
    Lost,
    /// See [`Outcome::Mismatch`].
    Mismatch,
    /// See [`Outcome::Interrupted`].
    Interrupted,
    /// See [`Outcome::AtRisk`].
    AtRisk,
    /// See [`Outcome::Left`].
    Left,
    /// See [`Outcome::Continuing`].
    Continuing,
    /// See [`Outcome::Ok`].
    Ok,
    /// All is well again after nights on which it was not.
    Recovered,
}

impl Event {
    /// What is told unless the configuration says otherwise.
    pub const USUAL: [Self; 6] =
        [Self::Failed, Self::Lost, Self::AtRisk, Self::Left, Self::Mismatch, Self::Recovered];
}

impl From<Outcome> for Event {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Failed => Self::Failed,
            Outcome::Lost => Self::Lost,
            Outcome::Mismatch => Self::Mismatch,
            Outcome::Interrupted => Self::Interrupted,
            Outcome::AtRisk => Self::AtRisk,
            Outcome::Left => Self::Left,
            Outcome::Continuing => Self::Continuing,
            Outcome::Ok => Self::Ok,
        }
    }
}

/// The language of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lang {
    /// Chinese.
    #[default]
    Zh,
    /// English.
    En,
}
