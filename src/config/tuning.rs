//! The sections of `pipeline.toml` that tune how the program works. Their defaults suit most users.

use std::time::Duration;

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

use super::WholePolicy;
use super::file::without_password;

/// `[wechat]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WechatSection {
    /// The address of the API; its query may contain a key.
    #[serde(serialize_with = "without_password")]
    pub base_url: String,
    /// How long a call may take.
    #[serde(with = "duration")]
    pub timeout: Duration,
    /// A proxy for API calls; empty for none.
    #[serde(serialize_with = "without_password")]
    pub proxy: String,
}

impl Default for WechatSection {
    fn default() -> Self {
        Self {
            base_url: "https://api.weixin.qq.com".to_owned(),
            timeout: Duration::from_secs(30),
            proxy: String::new(),
        }
    }
}

/// `[quota]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QuotaSection {
    /// Calls a day if WeChat does not report the limit.
    pub daily_limit: u64,
    /// The merchant's reserve: a number of calls, or a percentage such as `20%`.
    pub reserve: Amount,
}

impl Default for QuotaSection {
    fn default() -> Self {
        Self { daily_limit: 500, reserve: Amount::Text("20%".to_owned()) }
    }
}

/// A number, or a percentage such as `20%`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a number of calls, or a percentage such as \"20%\"")]
pub enum Amount {
    /// A number of calls.
    Number(u64),
    /// A percentage, or a number as text.
    Text(String),
}

/// `[discover]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiscoverSection {
    /// How often to read the whole list.
    #[serde(with = "duration")]
    pub full_scan_every: Duration,
    /// Whether to ask for replays of rooms that never went live.
    pub ask_never_live: bool,
}

impl Default for DiscoverSection {
    fn default() -> Self {
        Self { full_scan_every: Duration::from_secs(7 * 86_400), ask_never_live: false }
    }
}

/// `[resolve]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ResolveSection {
    /// How long after the last sign of life to stop expecting further recordings.
    #[serde(with = "duration")]
    pub settle: Duration,
    /// The retry window: how long to keep asking for an announced recording that is not listed.
    #[serde(with = "duration", rename = "patience")]
    pub retry_window: Duration,
}

impl Default for ResolveSection {
    fn default() -> Self {
        Self { settle: Duration::from_secs(30 * 60), retry_window: Duration::from_secs(7 * 86_400) }
    }
}

/// `[transfer]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TransferSection {
    /// Bytes of parts held in memory at once.
    #[serde(with = "size")]
    pub memory: ByteSize,
    /// Size of a part.
    #[serde(with = "size")]
    pub part_size: ByteSize,
    /// Maximum recordings at once.
    pub files: usize,
    /// Maximum ranges of one recording at once.
    pub ranges: usize,
    /// Maximum connections to one media host.
    pub connections: usize,
    /// Attempts per request.
    pub attempts: u32,
    /// How long to retry one request.
    #[serde(with = "duration")]
    pub retry_for: Duration,
}

impl Default for TransferSection {
    fn default() -> Self {
        Self {
            memory: ByteSize::mib(64),
            part_size: ByteSize::mib(5),
            files: 8,
            ranges: 16,
            connections: 16,
            attempts: 6,
            retry_for: Duration::from_secs(120),
        }
    }
}

/// `[media]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MediaSection {
    /// Where recordings may be fetched from.
    pub allow_hosts: Vec<String>,
    /// Time limit for making a connection.
    #[serde(with = "duration")]
    pub connect_timeout: Duration,
    /// How long a transfer may make no progress.
    #[serde(with = "duration")]
    pub read_timeout: Duration,
    /// A proxy for media; empty for none.
    #[serde(serialize_with = "without_password")]
    pub proxy: String,
}

impl Default for MediaSection {
    fn default() -> Self {
        Self {
            allow_hosts: vec!["*.myqcloud.com".to_owned()],
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(30),
            proxy: String::new(),
        }
    }
}

/// `[whole]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WholeSection {
    /// When to archive its chunks.
    pub archive: WholePolicy,
    /// How far the segments may fall short of it.
    #[serde(with = "duration")]
    pub tolerance: Duration,
}

impl Default for WholeSection {
    fn default() -> Self {
        Self { archive: WholePolicy::WhenNeeded, tolerance: Duration::from_secs(10) }
    }
}

/// `[images]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImagesSection {
    /// Whether to archive them.
    pub archive: bool,
    /// Where they may be fetched from.
    pub allow_hosts: Vec<String>,
}

impl Default for ImagesSection {
    fn default() -> Self {
        let hosts = ["*.qpic.cn", "*.qlogo.cn", "*.myqcloud.com"];
        Self { archive: true, allow_hosts: hosts.map(str::to_owned).to_vec() }
    }
}

/// Durations as people write them: `30m`, `7d`, `1h 30m`.
pub(super) mod duration {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    /// As a person would write it.
    pub fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&humantime::format_duration(*value))
    }

    /// From text such as `90m`.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let text = match toml::Value::deserialize(from)? {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            _ => String::new(),
        };
        humantime::parse_duration(text.trim()).map_err(|_| D::Error::custom(problem(text.trim())))
    }

    /// What is wrong. Repeats the text only if it is a number: anything else may be a secret.
    fn problem(text: &str) -> String {
        match text.parse::<u32>() {
            Ok(number) => format!(
                "a duration needs a unit\nhint: write \"{number}s\", \"{number}m\", \"{number}h\" or \"{number}d\" [RA010]"
            ),
            Err(_) => {
                "this is not a duration\nhint: write it as \"30s\", \"10m\", \"1h 30m\" or \"7d\" [RA010]"
                    .to_owned()
            }
        }
    }
}

/// Sizes as people write them: `64MiB`, `1 GiB`, a number of bytes.
pub(super) mod size {
    use bytesize::ByteSize;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer, de::Error as _};

    /// As a person would write it.
    pub fn serialize<S: Serializer>(value: &ByteSize, to: S) -> Result<S::Ok, S::Error> {
        value.serialize(to)
    }

    /// From text such as `64MiB`, or a number of bytes.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<ByteSize, D::Error> {
        let read = match toml::Value::deserialize(from)? {
            toml::Value::String(text) => text.trim().parse().ok(),
            toml::Value::Integer(number) => u64::try_from(number).ok().map(ByteSize),
            _ => None,
        };
        let problem = "this is not a size\nhint: write it as \"64MiB\" or \"1GiB\" [RA011]";
        read.ok_or_else(|| D::Error::custom(problem))
    }
}
