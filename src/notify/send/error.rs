//! Why a message was not taken. No text here has an address, which would hold a key.

use std::time::Duration;

use crate::retry::Transient;

/// A message that was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No reply.
    #[error("no reply from {host}")]
    Transport {
        host: String,
        /// Why.
        source: reqwest::Error,
        /// Whether the message may be sent again without being there twice.
        may_repeat: bool,
    },
    /// A reply with a status that is no success.
    #[error("{host} answered with HTTP status {status}: {excerpt}")]
    Status {
        host: String,
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
    /// The check of a monitor is gone.
    #[error(
        "{host} has no such check any more (HTTP status 410)\n\
         hint: set the new address of the check in [monitor], or remove its key [RA702]"
    )]
    CheckGone {
        /// The host.
        host: String,
    },
    /// The robot refuses the message.
    #[error("{host} refused the message: {message} (code {code}){}", hint(*.code, .message))]
    Refused {
        host: String,
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
        host: String,
        /// Why.
        problem: String,
        /// Whether another attempt may succeed.
        is_transient: bool,
    },
    /// The program failed.
    #[error("the command {program:?} {outcome}{}", said(.stderr))]
    Command {
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
        310_000 => security(message),
        19_021 => SIGNATURE,
        19_022 => ADDRESS,
        19_024 => KEYWORD,
        _ => "",
    }
}

const KEYWORD: &str = "\nhint: set keyword to one of the words that the robot asks for [RA705]";

const SIGNATURE: &str = "\nhint: is secret_env the signing secret of this robot, and this machine's clock right? [RA704]";

const ADDRESS: &str = "\nhint: add this machine's address to the robot [RA706]";

/// `DingTalk` has one code for its three security settings: 自定义关键词, 加签 and IP 地址（段）. Which of them refused
/// the message is in its text alone.
fn security(message: &str) -> &'static str {
    let message = message.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| message.contains(word));
    let names_ip = message.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == "ip");
    match () {
        () if has(&["关键词", "keyword"]) => KEYWORD,
        () if has(&["签名", "加签", "sign", "timestamp", "时间戳"]) => SIGNATURE,
        () if has(&["白名单", "whitelist"]) || names_ip => ADDRESS,
        () => {
            "\nhint: look at the robot's security settings: its keyword, its signing secret and its list of addresses \
             must be those of this configuration and this machine [RA705]"
        }
    }
}

fn said(stderr: &str) -> String {
    if stderr.is_empty() { String::new() } else { format!(": {stderr}") }
}

impl Error {
    /// The same about an address that a monitor pings, to which no messages go.
    pub(super) fn of_monitor(self) -> Self {
        match self {
            Self::Gone { host } => Self::CheckGone { host },
            other => other,
        }
    }
}

impl Transient for Error {
    fn is_transient(&self) -> bool {
        match self {
            Self::Transport { may_repeat, .. } => *may_repeat,
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500..),
            Self::Refused { code, .. } => PASSING.contains(code),
            Self::Mail { is_transient, .. } => *is_transient,
            Self::Gone { .. }
            | Self::CheckGone { .. }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_dingtalk_says_leads_to_the_setting_that_refused_the_message() {
        for (message, code) in [
            (
                "description:关键词不匹配;solution:请联系群管理员查看此机器人的关键词，并在发送的信息中包含此关键词;",
                "[RA705]",
            ),
            ("错误描述:关键词不匹配;解决方案:请联系群管理员查看此机器人的关键词;", "[RA705]"),
            ("keywords not in content", "[RA705]"),
            (
                "description:机器人发送签名不匹配;solution:请确认签名和生成签名的时间戳必须都放在调用的网址中;",
                "[RA704]",
            ),
            ("sign not match", "[RA704]"),
            ("invalid timestamp", "[RA704]"),
            ("description:来源IP不匹配;", "[RA706]"),
            ("ip 203.0.113.7 not in whitelist", "[RA706]"),
        ] {
            let hint = hint(310_000, message);
            assert!(
                hint.ends_with(code) && !hint.contains("security settings"),
                "{message}: {hint}"
            );
        }
        let hint = hint(310_000, "description:机器人安全设置不匹配;");
        for setting in ["keyword", "signing secret", "addresses"] {
            assert!(hint.contains(setting), "{hint}");
        }
    }
}
