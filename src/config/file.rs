//! The structure of `pipeline.toml`: ledger, store and accounts. Every section and key is optional here;
//! `validate` decides which are required. Sections with good defaults are in `tuning`.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::notify::{MonitorSection, NotifySection, RunSection};
use super::select::SelectSection;
use super::serving::ServeSection;
use super::tuning::{
    Amount, DiscoverSection, ImagesSection, MediaSection, QuotaSection, ResolveSection,
    TransferSection, WechatSection, WholeSection, duration,
};

/// `pipeline.toml` as written.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConfigFile {
    /// The ledger, this program's working memory.
    pub ledger: LedgerSection,
    /// The bucket.
    pub store: StoreSection,
    /// The WeChat API.
    pub wechat: WechatSection,
    /// A Redis server in which others keep tokens.
    pub redis: RedisSection,
    /// A third-party platform.
    pub platform: PlatformSection,
    /// Accounts from elsewhere.
    #[serde(rename = "accounts")]
    pub elsewhere: AccountsSection,
    /// How the day's API calls are shared.
    pub quota: QuotaSection,
    /// Which rooms are archived.
    pub select: SelectSection,
    /// Reading the room list.
    pub discover: DiscoverSection,
    /// Asking for replays.
    pub resolve: ResolveSection,
    /// Transferring media.
    pub transfer: TransferSection,
    /// Where recordings come from.
    pub media: MediaSection,
    /// The recording of the whole broadcast beside its segments.
    pub whole: WholeSection,
    /// Cover and portrait images.
    pub images: ImagesSection,
    /// The server.
    pub serve: ServeSection,
    /// How a run ends.
    pub run: RunSection,
    /// The monitors that watch the nightly run.
    pub monitor: MonitorSection,
    /// Who is told how a run ended.
    pub notify: Vec<NotifySection>,
    /// The mini-programs.
    #[serde(rename = "account")]
    pub accounts: Vec<AccountSection>,
}

impl ConfigFile {
    /// Whether accounts come from elsewhere than `[[account]]`.
    pub fn has_accounts_elsewhere(&self) -> bool {
        let AccountsSection { folder, ledger, .. } = &self.elsewhere;
        !folder.trim().is_empty() || *ledger || self.platform.accounts
    }

    /// Where the tokens of all accounts of this file come from.
    pub(super) fn tokens(&self) -> impl Iterator<Item = &TokenSection> {
        self.accounts.iter().map(|account| &account.token).chain(&self.elsewhere.token)
    }
}

/// `[ledger]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LedgerSection {
    /// `sqlite:PATH` or `postgres://…`.
    #[serde(serialize_with = "without_password")]
    pub url: String,
    /// How long a room's lease lasts without renewal.
    #[serde(with = "duration")]
    pub lease: Duration,
}

impl Default for LedgerSection {
    fn default() -> Self {
        Self { url: "sqlite:replay-archiver.sqlite".to_owned(), lease: Duration::from_secs(5 * 60) }
    }
}

/// A URL as `config show` prints it: without its password, and without its query, which may contain
/// another secret.
pub(super) fn without_password<S: serde::Serializer>(url: &str, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&shown_url(url))
}

pub(super) fn shown_url(text: &str) -> String {
    let (scheme, rest) = text.split_once(':').unwrap_or(("", text));
    // A password that contains a slash or the like turns the URL into a different or an invalid one.
    let hidden = if scheme.is_empty() { "...".to_owned() } else { format!("{scheme}:...") };
    let may_hide_more = scheme != "sqlite" && rest.contains('@');
    let Ok(mut shown) = url::Url::parse(text) else {
        return if may_hide_more || rest.contains('?') { hidden } else { text.to_owned() };
    };
    if may_hide_more && (shown.username().is_empty() || shown.path().contains('@')) {
        return hidden;
    }
    if shown.password().is_none() && shown.query().is_none() && shown.fragment().is_none() {
        return text.to_owned();
    }
    if shown.password().is_some() && shown.set_password(Some("...")).is_err() {
        return hidden;
    }
    if shown.query().is_some() {
        shown.set_query(Some("..."));
    }
    shown.set_fragment(None);
    shown.into()
}

/// A command as `config show` prints it: without its arguments, which may be secrets.
pub(super) fn without_arguments<S: serde::Serializer>(
    command: &Option<Vec<String>>,
    to: S,
) -> Result<S::Ok, S::Error> {
    let shown = command.as_ref().map(|words| {
        let hidden = words.iter().skip(1).map(|_| "...");
        words.iter().take(1).map(String::as_str).chain(hidden).collect::<Vec<_>>()
    });
    shown.serialize(to)
}

/// `[store]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSection {
    /// The bucket's name.
    pub bucket: String,
    /// The prefix of every key.
    pub prefix: String,
    /// The region.
    pub region: String,
    /// The address of the store; empty for AWS.
    #[serde(serialize_with = "without_password")]
    pub endpoint: String,
    /// Whether the bucket goes into the path rather than the host name: auto, on, off.
    pub path_style: Switch,
    /// The access key; empty to use the standard AWS sources.
    pub access_key: String,
    /// The variable that holds the secret key.
    pub secret_key_env: String,
    /// The file that holds the secret key.
    pub secret_key_file: Option<PathBuf>,
    /// Whether to send CRC-64/NVME checksums: auto, on, off.
    pub crc64nvme: Switch,
    /// Whether to sign bodies: auto, on, off. Off works only over https or on this machine.
    pub sign_payload: Switch,
    /// The storage class of media objects; empty for the bucket's default.
    pub storage_class: String,
}

impl Default for StoreSection {
    fn default() -> Self {
        Self {
            bucket: String::new(),
            prefix: String::new(),
            region: "us-east-1".to_owned(),
            endpoint: String::new(),
            path_style: Switch::Auto,
            access_key: String::new(),
            secret_key_env: "REPLAY_ARCHIVER_SECRET_KEY".to_owned(),
            secret_key_file: None,
            crc64nvme: Switch::Auto,
            sign_payload: Switch::Auto,
            storage_class: String::new(),
        }
    }
}

/// A setting that the program can determine by trying.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", from = "Written")]
pub enum Switch {
    /// Determined by trying.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// The accepted spellings of a [`Switch`].
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected \"auto\", \"on\" or \"off\"")]
enum Written {
    Bool(bool),
    Word(Word),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Auto,
    On,
    Off,
}

impl From<Written> for Switch {
    fn from(written: Written) -> Self {
        match written {
            Written::Word(Word::Auto) => Self::Auto,
            Written::Word(Word::On) | Written::Bool(true) => Self::On,
            Written::Word(Word::Off) | Written::Bool(false) => Self::Off,
        }
    }
}

/// `[redis]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RedisSection {
    /// The variable that holds the address.
    pub url_env: Option<String>,
    /// The file that holds the address.
    pub url_file: Option<PathBuf>,
}

/// `[platform]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PlatformSection {
    /// The platform's appid; empty for no platform.
    pub component_appid: String,
    /// Whether every account that has authorised it is archived.
    pub accounts: bool,
    /// The file that holds the `component_access_token`.
    pub token_file: Option<PathBuf>,
    /// The variable that holds it.
    pub token_env: Option<String>,
    /// The key in Redis that holds it.
    pub token_key: Option<String>,
    /// Whether nothing but this program refreshes the platform's tokens.
    pub only_refresher: bool,
    /// The variable that holds the platform's appsecret.
    pub secret_env: Option<String>,
    /// The file that holds it.
    pub secret_file: Option<PathBuf>,
    /// The file that holds the newest `component_verify_ticket`.
    pub ticket_file: Option<PathBuf>,
    /// The variable that holds it.
    pub ticket_env: Option<String>,
    /// The key in Redis that holds it.
    pub ticket_key: Option<String>,
}

/// `[accounts]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccountsSection {
    /// A folder of files with `[[account]]`; empty for none.
    pub folder: String,
    /// Whether the accounts of the ledger are archived.
    pub ledger: bool,
    /// Where the tokens of accounts come from that say nothing of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenSection>,
}

/// `[[account]]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountSection {
    /// The appid; `validate` refuses an empty one.
    #[serde(default)]
    pub appid: String,
    /// Where the access token comes from.
    #[serde(default)]
    pub token: TokenSection,
    /// Calls a day for this account; overrides `[quota]`.
    pub daily_limit: Option<u64>,
    /// The merchant's reserve for this account; overrides `[quota]`.
    pub reserve: Option<Amount>,
    /// Whether a run stitches the account's rooms.
    #[serde(default)]
    pub stitch: Stitching,
    /// Which of its rooms are archived; replaces `[select]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub select: Option<SelectSection>,
}

/// Whether a run has the store join the segments of each room to one film.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stitching {
    /// It does not.
    #[default]
    Off,
    /// It does, once nothing of a room is pending.
    On,
}

/// The `token` of an account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenSection {
    /// The kind of source.
    pub source: TokenKind,
    /// The variable that holds the appsecret (for `stable_token` and `token`).
    pub secret_env: Option<String>,
    /// The file that holds the appsecret.
    pub secret_file: Option<PathBuf>,
    /// The address of the token server (for `url`).
    #[serde(skip_serializing)]
    pub url: Option<String>,
    /// The command that prints the token (for `command`).
    #[serde(serialize_with = "without_arguments")]
    pub command: Option<Vec<String>>,
    /// The variables that the command inherits in addition to the usual ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command_env: Vec<String>,
    /// The file that holds the token (for `file`).
    pub file: Option<PathBuf>,
    /// The variable that holds the token (for `env`).
    pub env: Option<String>,
    /// The key, with `{appid}` and `{component}` (for `redis`).
    pub key: Option<String>,
    /// Whose keys they are, in place of `key` (for `redis`).
    pub layout: Option<Layout>,
}

/// How libraries name the keys of tokens in Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// `WxJava`.
    Wxjava,
    /// silenceper/wechat.
    Silenceper,
}

impl Layout {
    /// The template of its keys.
    pub fn key(self) -> &'static str {
        match self {
            Self::Wxjava => "wechat_authorizer_access_token:{component}:{appid}",
            Self::Silenceper => "authorizer_access_token_{appid}",
        }
    }
}

/// The kinds of token source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// `stable_token`: independent of the shop's own token.
    #[default]
    StableToken,
    /// `token`: replaces the shop's own token.
    Token,
    /// A token server.
    Url,
    /// A command.
    Command,
    /// A file.
    File,
    /// An environment variable.
    Env,
    /// Redis.
    Redis,
    /// The third-party platform.
    Component,
}
