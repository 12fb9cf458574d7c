//! All configuration keys and the variables that set them.

use super::suspect;

/// The prefix of every variable that sets a key.
pub(super) const PREFIX: &str = "REPLAY_ARCHIVER_";

/// The type of a key, which decides how the value of its variable is parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text, taken literally: names, addresses, durations and sizes.
    Text,
    /// Text in any script: a path, the address of the ledger and the like.
    FreeText,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Bool,
    /// `auto`, `on` or `off`; also `true` and `false`.
    Switch,
    /// Comma-separated values or a TOML list.
    List,
    /// A TOML list or a single text.
    Command,
    /// As [`Kind::List`], in any script: names and addresses of people.
    Addresses,
}

use Kind::{Addresses, Bool, Command, FreeText, List, Number, Switch, Text};

/// The keys of all sections, as `section.key`.
const KEYS: &[(&str, Kind)] = &[
    ("ledger.url", FreeText),
    ("ledger.lease", Text),
    ("store.bucket", Text),
    ("store.prefix", FreeText),
    ("store.region", Text),
    ("store.endpoint", Text),
    ("store.path_style", Switch),
    ("store.access_key", Text),
    ("store.secret_key_env", Text),
    ("store.secret_key_file", FreeText),
    ("store.crc64nvme", Switch),
    ("store.sign_payload", Switch),
    ("store.storage_class", Text),
    ("wechat.base_url", Text),
    ("wechat.timeout", Text),
    ("wechat.proxy", Text),
    ("redis.url_env", Text),
    ("redis.url_file", FreeText),
    ("platform.component_appid", Text),
    ("platform.accounts", Bool),
    ("platform.token_file", FreeText),
    ("platform.token_env", Text),
    ("platform.token_key", FreeText),
    ("platform.only_refresher", Bool),
    ("platform.secret_env", Text),
    ("platform.secret_file", FreeText),
    ("platform.ticket_file", FreeText),
    ("platform.ticket_env", Text),
    ("platform.ticket_key", FreeText),
    ("accounts.folder", FreeText),
    ("accounts.ledger", Bool),
    ("quota.daily_limit", Number),
    ("quota.reserve", Text),
    ("select.exclude_names", Addresses),
    ("select.exclude_anchors", Addresses),
    ("select.exclude_goods", Addresses),
    ("select.exclude_days", List),
    ("select.exclude_statuses", List),
    ("select.include_names", Addresses),
    ("select.include_anchors", Addresses),
    ("select.include_goods", Addresses),
    ("select.include_days", List),
    ("select.include_statuses", List),
    ("select.min_length", Text),
    ("select.max_length", Text),
    ("discover.full_scan_every", Text),
    ("discover.ask_never_live", Bool),
    ("resolve.settle", Text),
    ("resolve.patience", Text),
    ("transfer.memory", Text),
    ("transfer.part_size", Text),
    ("transfer.files", Number),
    ("transfer.ranges", Number),
    ("transfer.connections", Number),
    ("transfer.attempts", Number),
    ("transfer.retry_for", Text),
    ("media.allow_hosts", List),
    ("media.connect_timeout", Text),
    ("media.read_timeout", Text),
    ("media.proxy", Text),
    ("whole.archive", Text),
    ("whole.tolerance", Text),
    ("images.archive", Bool),
    ("images.allow_hosts", List),
    ("serve.listen", Text),
    ("serve.public_url", Text),
    ("serve.token_file", FreeText),
    ("serve.link_key_file", FreeText),
    ("serve.media", Text),
    ("serve.base_url", Text),
    ("serve.sign", Text),
    ("serve.sign_key_file", FreeText),
    ("serve.sign_key_id", Text),
    ("serve.sign_parameter", Text),
    ("serve.sign_time_parameter", Text),
    ("serve.link_ttl", Text),
    ("serve.permanent_links", Bool),
    ("run.success", List),
    ("monitor.healthchecks_url_env", Text),
    ("monitor.healthchecks_url_file", FreeText),
    ("monitor.uptime_kuma_url_env", Text),
    ("monitor.uptime_kuma_url_file", FreeText),
    ("monitor.textfile", FreeText),
    // The keys of an account, of which there may be many.
    ("account.*.appid", Text),
    ("account.*.daily_limit", Number),
    ("account.*.reserve", Text),
    ("account.*.stitch", Text),
    ("account.*.token.source", Text),
];

/// The remaining keys of an account.
const TOKEN_KEYS: [(&str, Kind); 9] = [
    ("account.*.token.secret_env", Text),
    ("account.*.token.secret_file", FreeText),
    ("account.*.token.url", Text),
    ("account.*.token.command", Command),
    ("account.*.token.command_env", List),
    ("account.*.token.file", FreeText),
    ("account.*.token.env", Text),
    ("account.*.token.key", FreeText),
    ("account.*.token.layout", Text),
];

/// Where the tokens of accounts come from that say nothing of it.
const COMMON_TOKEN_KEYS: [(&str, Kind); 10] = [
    ("accounts.token.source", Text),
    ("accounts.token.secret_env", Text),
    ("accounts.token.secret_file", FreeText),
    ("accounts.token.url", Text),
    ("accounts.token.command", Command),
    ("accounts.token.command_env", List),
    ("accounts.token.file", FreeText),
    ("accounts.token.env", Text),
    ("accounts.token.key", FreeText),
    ("accounts.token.layout", Text),
];

/// Which rooms of an account are archived.
const SELECT_KEYS: [(&str, Kind); 12] = [
    ("account.*.select.exclude_names", Addresses),
    ("account.*.select.exclude_anchors", Addresses),
    ("account.*.select.exclude_goods", Addresses),
    ("account.*.select.exclude_days", List),
    ("account.*.select.exclude_statuses", List),
    ("account.*.select.include_names", Addresses),
    ("account.*.select.include_anchors", Addresses),
    ("account.*.select.include_goods", Addresses),
    ("account.*.select.include_days", List),
    ("account.*.select.include_statuses", List),
    ("account.*.select.min_length", Text),
    ("account.*.select.max_length", Text),
];

/// The keys of a channel, of which there may be several.
const NOTIFY_KEYS: [(&str, Kind); 15] = [
    ("notify.*.kind", Text),
    ("notify.*.url_env", Text),
    ("notify.*.url_file", FreeText),
    ("notify.*.secret_env", Text),
    ("notify.*.secret_file", FreeText),
    ("notify.*.keyword", FreeText),
    ("notify.*.smtp_url_env", Text),
    ("notify.*.smtp_url_file", FreeText),
    ("notify.*.from", FreeText),
    ("notify.*.to", Addresses),
    ("notify.*.command", Command),
    ("notify.*.command_env", List),
    ("notify.*.on", List),
    ("notify.*.accounts", List),
    ("notify.*.lang", Text),
];

/// The sections of which there may be several: `[[account]]`, and not `[account]`.
pub(super) const SEVERAL: [&str; 2] = ["account", "notify"];

/// Accounts are numbered from 0; no configuration has more than this.
const MOST_ACCOUNTS: usize = 100_000;

/// All keys. Those of an account or a channel have `*` in place of its number.
pub(super) fn all() -> impl Iterator<Item = (&'static str, Kind)> {
    KEYS.iter()
        .copied()
        .chain(TOKEN_KEYS)
        .chain(COMMON_TOKEN_KEYS)
        .chain(SELECT_KEYS)
        .chain(NOTIFY_KEYS)
}

/// The type of the key at a path such as `store.bucket` or `account.0.appid`.
pub(super) fn kind(path: &str) -> Option<Kind> {
    let general = path.split('.').map(|part| if is_number(part) { "*" } else { part });
    let general = general.collect::<Vec<_>>().join(".");
    all().find(|(key, _)| *key == general).map(|(_, kind)| kind)
}

fn is_number(part: &str) -> bool {
    part.parse::<usize>().is_ok_and(|number| number < MOST_ACCOUNTS)
}

/// The path of the key that a variable sets, if any.
pub(super) fn path_of(variable: &str) -> Option<String> {
    let path = variable.strip_prefix(PREFIX)?.to_ascii_lowercase().replace("__", ".");
    kind(&path).is_some().then_some(path)
}

/// The variable that sets the key at a path.
pub(super) fn variable(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', "__").to_ascii_uppercase())
}

/// Whether a variable carries our prefix in any spelling.
pub(super) fn is_ours(variable: &str) -> bool {
    let plain = |text: &str| text.replace(['_', '-'], "").to_ascii_uppercase();
    plain(variable).starts_with(&plain(PREFIX))
}

/// Variables that carry our prefix but set no key: those of flags, of the scripts for the sandbox and the
/// tests, and those that Kubernetes creates for a service named `replay-archiver`.
pub(super) fn is_other(variable: &str) -> bool {
    let Some(rest) = variable.strip_prefix(PREFIX) else { return false };
    let is_known = ["CONFIG", "LOG", "SECRET_KEY", "SESSION_TOKEN"].contains(&rest);
    let is_service = rest.ends_with("SERVICE_HOST")
        || rest.contains("SERVICE_PORT")
        || rest == "PORT"
        || rest.starts_with("PORT_")
        || (rest.contains("_PORT") && (rest.contains("_TCP") || rest.contains("_UDP")));
    is_known || rest.starts_with("TEST_") || is_service
}

/// A `hint:` line with the variable that the user probably meant by one that sets no key.
pub(super) fn hint(variable: &str) -> String {
    let plain = |text: &str| text.replace(['_', '-'], "").to_ascii_uppercase();
    let meant = plain(variable);
    let number = variable.split('_').find(|part| is_number(part)).unwrap_or("0");
    let names = all().map(|(key, _)| self::variable(&key.replace('*', number)));
    let names = names.chain(["CONFIG", "LOG"].map(|name| format!("{PREFIX}{name}")));
    let distance = |name: &str| {
        let plain = plain(name);
        // A missing number or table does not count as a difference.
        let unnumbered = plain.replacen(&format!("ACCOUNT{number}"), "ACCOUNT", 1);
        let is_of_account = name.contains(&format!("ACCOUNT__{number}__"));
        let unnested = plain.replacen("TOKEN", "", usize::from(is_of_account));
        let to = |other: &String| strsim::damerau_levenshtein(&meant, other);
        [plain, unnumbered, unnested].iter().map(to).min().unwrap_or(usize::MAX)
    };
    let nearest = names.map(|name| (distance(&name), name)).min();
    let is_near = |distance: usize| {
        distance <= (meant.len() - plain(PREFIX).len().min(meant.len())).div_ceil(3)
    };
    match nearest {
        Some((distance, name)) if is_near(distance) && name.ends_with("_ENV") => format!(
            "\nhint: did you mean {name}? Its value is the name of another variable, such as WECHAT_SECRET, which holds \
             the secret itself [RA005]"
        ),
        Some((distance, name)) if is_near(distance) => {
            format!("\nhint: did you mean {name}? [RA005]")
        }
        _ if meant.starts_with(&plain("REPLAY_ARCHIVER_ACCOUNT")) => {
            format!(
                "\nhint: did you mean {PREFIX}ACCOUNT__0__APPID? Accounts are numbered from 0 [RA005]"
            )
        }
        _ => format!(
            "\nhint: variables are named {PREFIX}<SECTION>__<KEY>, such as {PREFIX}STORE__BUCKET; unset \
             this one if it belongs to another program [RA005]"
        ),
    }
}

/// A path as errors show it, such as `[store] bucket` or `[[account]] wx1: token.secret_env`. `name` is the
/// appid of the account, or the kind of the channel.
pub(super) fn shown(path: &str, name: Option<&str>) -> String {
    match path.split_once('.') {
        Some((section, rest)) if SEVERAL.contains(&section) => {
            let (number, key) = rest.split_once('.').unwrap_or((rest, ""));
            if matches!((section, key), ("account", "appid") | ("notify", "kind")) {
                return format!("[[{section}]] {key}");
            }
            let count = number.parse::<usize>().map_or(1, |number| number + 1);
            let name = name.map(suspect::shown).filter(|name| !name.is_empty());
            let which = name.map_or_else(|| format!("number {count}"), Into::into);
            if key.is_empty() {
                format!("[[{section}]] {which}")
            } else {
                format!("[[{section}]] {which}: {key}")
            }
        }
        Some((section, key)) => format!("[{section}] {key}"),
        None if SEVERAL.contains(&path) => format!("[[{path}]]"),
        None if path.starts_with('-') || path.is_empty() => path.to_owned(),
        None => format!("[{path}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ConfigFile;
    use super::*;

    #[test]
    fn every_key_of_the_sections_has_a_variable() {
        let json = serde_json::to_value(ConfigFile::default()).unwrap();
        let mut known = 0;
        for (section, keys) in json.as_object().unwrap() {
            for (key, default) in keys.as_object().into_iter().flatten() {
                let kind = kind(&format!("{section}.{key}"));
                let kind = kind.unwrap_or_else(|| panic!("[{section}] {key} has no variable"));
                assert_eq!(kind == Number, default.is_number(), "[{section}] {key}");
                assert_eq!(kind == Bool, default.is_boolean(), "[{section}] {key}");
                assert_eq!(
                    matches!(kind, List | Addresses),
                    default.is_array(),
                    "[{section}] {key}"
                );
                known += 1;
            }
        }
        let is_of_one = |key: &str| key.split('.').count() == 2;
        assert_eq!(known, all().filter(|(key, _)| is_of_one(key)).count());
        for (key, _) in all() {
            let key = key.replace('*', "7");
            assert_eq!(path_of(&variable(&key)), Some(key));
        }
    }

    #[test]
    fn the_hint_for_an_unknown_variable_names_the_closest_one() {
        for (wrong, meant) in [
            ("STORE_BUCKET", "STORE__BUCKET?"),
            ("STORE__BUKET", "STORE__BUCKET?"),
            ("STORE___BUCKET", "STORE__BUCKET?"),
            ("BUCKET", "STORE__BUCKET"),
            ("MEDIA_ALLOW_HOSTS", "MEDIA__ALLOW_HOSTS?"),
            ("MEDIA__ALLOWED_HOSTS", "MEDIA__ALLOW_HOSTS?"),
            ("ACCOUNT", "ACCOUNT__0__APPID?"),
            ("ACCOUNTS", "ACCOUNT__0__APPID?"),
            ("APPID", "STORE__BUCKET"),
            ("ACCOUNT__APPID", "ACCOUNT__0__APPID?"),
            ("ACCOUNT_3_APPID", "ACCOUNT__3__APPID?"),
            ("ACCOUNTS__0__APPID", "ACCOUNT__0__APPID?"),
            ("ACCOUNT__2__TOKEN_SECRET_ENV", "ACCOUNT__2__TOKEN__SECRET_ENV?"),
            ("ACCOUNT__2__SECRET_ENV", "ACCOUNT__2__TOKEN__SECRET_ENV?"),
            ("STORE__SECRET_KEY", "STORE__SECRET_KEY_ENV? Its value is the name"),
            ("ACCOUNT__0__SECRET", "ACCOUNT__0__TOKEN__SECRET_ENV? Its value is the name"),
            ("CONFG", "CONFIG?"),
            ("WHATEVER_ELSE_THERE_IS", "<SECTION>__<KEY>"),
        ] {
            let hint = hint(&format!("{PREFIX}{wrong}"));
            assert!(hint.contains(&format!("{PREFIX}{meant}")), "{wrong}: {hint}");
        }
        for lower in ["replay_archiver_store__bucket", "REPLAYARCHIVER_STORE__BUCKET"] {
            assert!(is_ours(lower) && hint(lower).contains("REPLAY_ARCHIVER_STORE__BUCKET?"));
        }
    }

    #[test]
    fn variables_of_other_programs_are_ignored() {
        for other in [
            "CONFIG",
            "LOG",
            "SECRET_KEY",
            "TEST_POSTGRES",
            "SERVICE_HOST",
            "SERVICE_PORT_HTTP",
            "PORT",
            "PORT_80_TCP_ADDR",
            "WEB_SERVICE_HOST",
            "WEB_PORT_80_TCP",
        ] {
            assert!(is_other(&format!("{PREFIX}{other}")), "{other}");
        }
        for ours in ["STORE__BUCKET", "STORE_BUCKET", "ACCOUNT", "MEDIA_PROXY"] {
            assert!(!is_other(&format!("{PREFIX}{ours}")), "{ours}");
        }
    }
}
