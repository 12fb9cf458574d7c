//! The structure of `[[notify]]`, `[monitor]` and `[run]`: who is told how a run ended.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::alerts::{Event, Lang};
use super::file::without_arguments;
use crate::model::Outcome;

/// `[run]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunSection {
    /// The outcomes with which `run` and `backfill` exit with 0.
    pub success: Vec<Outcome>,
}

/// `[[notify]]`: a channel.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NotifySection {
    /// What takes the message.
    pub kind: Option<Kind>,
    /// The variable that holds the address.
    pub url_env: Option<String>,
    /// The file that holds the address.
    pub url_file: Option<PathBuf>,
    /// The variable that holds the signing secret.
    pub secret_env: Option<String>,
    /// The file that holds the signing secret.
    pub secret_file: Option<PathBuf>,
    /// A word that the robot asks for in every message.
    pub keyword: Option<String>,
    /// The variable that holds the address of the mail server.
    pub smtp_url_env: Option<String>,
    /// The file that holds it.
    pub smtp_url_file: Option<PathBuf>,
    /// The sender of mail.
    pub from: Option<String>,
    /// Who gets mail.
    pub to: Vec<String>,
    /// The command that gets the message.
    #[serde(serialize_with = "without_arguments")]
    pub command: Option<Vec<String>>,
    /// The variables that the command inherits in addition to the usual ones.
    pub command_env: Vec<String>,
    /// What is told.
    #[serde(default = "usual")]
    pub on: Vec<Event>,
    /// The accounts that are told about; empty for all.
    pub accounts: Vec<String>,
    /// The language of the message.
    pub lang: Lang,
}

fn usual() -> Vec<Event> {
    Event::USUAL.to_vec()
}

/// What takes a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A robot of a WeCom group.
    Wecom,
    /// A robot of a DingTalk group.
    Dingtalk,
    /// A robot of a Feishu group.
    Feishu,
    /// An HTTP server that knows Standard Webhooks.
    Webhook,
    /// A mail server.
    Mail,
    /// A program.
    Command,
}

impl Kind {
    /// Its name, as in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wecom => "wecom",
            Self::Dingtalk => "dingtalk",
            Self::Feishu => "feishu",
            Self::Webhook => "webhook",
            Self::Mail => "mail",
            Self::Command => "command",
        }
    }
}

impl NotifySection {
    /// The variables that the section names.
    pub(super) fn variables(&self) -> impl Iterator<Item = &str> {
        let secrets = [&self.url_env, &self.secret_env, &self.smtp_url_env].into_iter().flatten();
        secrets.chain(&self.command_env).map(|name| name.trim())
    }
}

/// `[monitor]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MonitorSection {
    /// The variable that holds the ping URL of a check of healthchecks.
    pub healthchecks_url_env: String,
    /// The file that holds it.
    pub healthchecks_url_file: Option<PathBuf>,
    /// The variable that holds the push URL of a monitor of Uptime Kuma.
    pub uptime_kuma_url_env: String,
    /// The file that holds it.
    pub uptime_kuma_url_file: Option<PathBuf>,
    /// The file that `node_exporter`'s textfile collector reads.
    pub textfile: Option<PathBuf>,
}

impl MonitorSection {
    /// Whether it names any monitor.
    pub(super) fn is_any(&self) -> bool {
        let files = [&self.healthchecks_url_file, &self.uptime_kuma_url_file, &self.textfile];
        self.variables().next().is_some() || files.into_iter().any(Option::is_some)
    }

    /// The variables that the section names.
    pub(super) fn variables(&self) -> impl Iterator<Item = &str> {
        let named = [&self.healthchecks_url_env, &self.uptime_kuma_url_env];
        named.into_iter().map(|name| name.trim()).filter(|name| !name.is_empty())
    }
}
