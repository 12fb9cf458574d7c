//! Rewords errors of the TOML parser for users, without the value: it may be a secret that was put in
//! place of the name of its variable.

use super::suspect::HIDDEN;
use super::{keys, suspect};

/// Names under which people put a secret into the file.
const SECRETS: [&str; 14] = [
    "secret",
    "appsecret",
    "app_secret",
    "secret_key",
    "secretkey",
    "access_secret",
    "secret_id",
    "access_key_secret",
    "secret_access_key",
    "token",
    "access_token",
    "password",
    "passwd",
    "key",
];

/// The message without a value, and with types in plain words.
pub(super) fn problem(message: &str) -> String {
    for (kind, begins) in [("type", "invalid type: "), ("value", "invalid value: ")] {
        let Some(rest) = message.strip_prefix(begins) else { continue };
        let expected = rest.rsplit_once(", expected ").map_or("something else", |(_, e)| e);
        return format!("invalid {kind}: {}, expected {}", found(rest), wanted(expected));
    }
    let Some(rest) = message.strip_prefix("unknown ") else { return message.to_owned() };
    let mut parts = rest.splitn(3, '`');
    let (what, name, end) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let Some((name, end)) = name.zip(end) else { return message.to_owned() };
    let is_field = what.starts_with("field") && !suspect::may_be_secret(name);
    let is_word = nearest(name, message).is_some() && !suspect::may_be_secret(name);
    let name = if is_field || is_word { name } else { HIDDEN };
    format!("unknown {what}`{name}`{end}")
}

fn found(text: &str) -> &'static str {
    let kinds = [
        ("string", "text"),
        ("integer", "a number"),
        ("floating", "a decimal number"),
        ("boolean", "true or false"),
        ("map", "a table"),
        ("sequence", "a list"),
        ("datetime", "a date"),
    ];
    kinds.iter().find(|(kind, _)| text.starts_with(kind)).map_or("something else", |(_, name)| name)
}

fn wanted(expected: &str) -> &str {
    match expected {
        "a string" | "string" => "text in quotes",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "u64" | "u32" | "usize" => "a whole number",
        section if section.starts_with("struct ") => "a section or table",
        path if path.contains("path") => "a path in quotes",
        other => other,
    }
}

/// A `hint:` line for an error about the key, or the section, at a path.
pub(super) fn hint(message: &str, path: &str) -> Option<String> {
    let name = message.split('`').nth(1).filter(|_| message.starts_with("unknown"));
    let expects = |kinds: &[&str]| kinds.iter().any(|kind| message.ends_with(kind));
    let text = match name {
        Some(name) if message.starts_with("unknown field") => of_unknown(name, path, message)?,
        Some(name) => format!("\nhint: did you mean `{}`? [RA004]", nearest(name, message)?),
        None if path.ends_with(".token") => OF_ACCOUNT.to_owned(),
        None if expects(&["expected a string", "path string"]) => {
            "\nhint: put it in \"quotes\" [RA009]".to_owned()
        }
        None if expects(&["a boolean", "expected u64", "usize", "u32"]) => {
            "\nhint: write it without quotes [RA009]".to_owned()
        }
        None if expects(&["a sequence"]) => {
            "\nhint: write a list, as [\"a\", \"b\"] [RA009]".to_owned()
        }
        None => return None,
    };
    Some(text)
}

/// Where to put the secret of an account.
const OF_ACCOUNT: &str = "\nhint: secrets do not belong in this file: write token = { secret_env = \"WECHAT_SECRET\" } \
     and set that variable to the appsecret [RA104]";

/// Where to put the secret of the store.
const OF_STORE: &str = "\nhint: secrets do not belong in this file: set \
     secret_key_env to the name of the variable that holds the secret key, or secret_key_file to a file [RA104]";

/// Where to put the address of a robot, which holds its key.
const OF_CHANNEL: &str = "\nhint: the address of a channel holds a key, which does not belong in this file: write \
     url_env = \"WECOM_URL\" (secret_env for a signing secret, smtp_url_env for mail) and set that variable, or \
     name a file with url_file [RA104]";

/// Keys under which people write the address of a robot or a monitor itself.
const ADDRESSES: [&str; 6] =
    ["url", "webhook", "webhook_url", "smtp_url", "healthchecks_url", "uptime_kuma_url"];

fn of_unknown(name: &str, path: &str, message: &str) -> Option<String> {
    let is_told = path.starts_with("notify") || path.starts_with("monitor");
    let is_secret = SECRETS.contains(&name.to_ascii_lowercase().as_str());
    if is_told && (is_secret || ADDRESSES.contains(&name)) {
        return Some(OF_CHANNEL.to_owned());
    }
    if SECRETS.contains(&name.to_ascii_lowercase().as_str()) {
        return Some(if path.starts_with("account") { OF_ACCOUNT } else { OF_STORE }.to_owned());
    }
    let is_elsewhere = |key: &str| key.starts_with("notify.") || key.starts_with("accounts.token.");
    let is_owner = |key: &str| key.rsplit('.').next() == Some(name) && !is_elsewhere(key);
    let owners = keys::all().filter(|(key, _)| is_owner(key));
    let owners = owners.map(|(key, _)| key.rsplit_once('.').map_or("", |(owner, _)| owner));
    let owners: Vec<&str> = owners.collect();
    if path.starts_with("account.") && owners.contains(&"account.*.token") {
        return Some(format!(
            "\nhint: `{name}` belongs in token = {{ … }} of an [[account]] [RA004]"
        ));
    }
    let mut owners = owners.into_iter();
    Some(match (owners.next(), owners.next()) {
        (Some("account.*.token"), None) => {
            format!("\nhint: `{name}` belongs in token = {{ … }} of an [[account]] [RA004]")
        }
        (Some("account.*"), None) => format!("\nhint: `{name}` belongs below [[account]] [RA004]"),
        (Some(owner), None) => format!("\nhint: `{name}` belongs below [{owner}] [RA004]"),
        (Some(one), Some(other)) if !one.contains('.') && !other.contains('.') => {
            format!("\nhint: `{name}` belongs below [{one}] or [{other}] [RA004]")
        }
        _ => format!("\nhint: did you mean `{}`? [RA004]", nearest(name, message)?),
    })
}

/// The closest of the expected names.
///
/// serde's wording: unknown field `x`, expected one of `a`, `b`.
fn nearest(unknown: &str, message: &str) -> Option<String> {
    let names = message.split('`').skip(1).step_by(2).skip(1);
    names
        .map(|name| (strsim::damerau_levenshtein(unknown, name), name))
        .min()
        .filter(|(distance, name)| *distance <= name.len().div_ceil(2))
        .map(|(_, name)| name.to_owned())
}

/// A `hint:` line for a line that is not valid TOML.
pub(super) fn syntax_hint(line: &str) -> Option<&'static str> {
    let value = line.split_once('=').map_or("", |(_, value)| value.trim_start());
    let rest = value.strip_prefix("\"\"").or_else(|| value.strip_prefix("''"));
    let is_doubled = rest.is_some_and(|rest| {
        rest.starts_with(|c: char| c.is_alphanumeric() || c == '\'' || c == '/')
    });
    match () {
        () if is_doubled => Some("\nhint: put the text in a single pair of quotes [RA006]"),
        () if value.starts_with('"') && value.contains('\\') => {
            Some("\nhint: write \\ as \\\\, or put the text in 'single quotes' [RA006]")
        }
        () if line.contains(": ") && !line.contains('=') => {
            Some("\nhint: set a key with =, as in bucket = \"replays\" [RA006]")
        }
        () if line.trim_end().ends_with(';') => {
            Some("\nhint: remove what follows the value [RA006]")
        }
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_is_shown_and_types_are_in_plain_words() {
        for (message, shown) in [
            (
                "invalid type: string \"s3cret, expected x\", expected a boolean",
                "invalid type: text, expected true or false",
            ),
            (
                "invalid type: integer `12345`, expected a string",
                "invalid type: a number, expected text in quotes",
            ),
            (
                "invalid type: string \"s\", expected struct TokenSection",
                "invalid type: text, expected a section or table",
            ),
            (
                "unknown variant `hunter2`, expected `a` or `b`",
                "unknown variant `...`, expected `a` or `b`",
            ),
            (
                "unknown variant `stabel_token`, expected `stable_token`",
                "unknown variant `stabel_token`, expected `stable_token`",
            ),
            (
                "unknown field `0123456789abcdef0123456789abcdef`, expected `a`",
                "unknown field `...`, expected `a`",
            ),
            (
                "unknown field `buckt`, expected `bucket`",
                "unknown field `buckt`, expected `bucket`",
            ),
            ("missing field `x`", "missing field `x`"),
        ] {
            assert_eq!(problem(message), shown);
        }
    }

    #[test]
    fn a_hint_names_the_right_key() {
        let unknown = |name: &str| {
            format!("unknown field `{name}`, expected one of `bucket`, `secret_key_env`, `token`")
        };
        for (name, path, meant) in [
            ("buckt", "store", "did you mean `bucket`?"),
            ("secret_key", "store", "secret_key_env"),
            ("appsecret", "account.0", "token = { secret_env"),
            ("secret_env", "account.0", "belongs in token"),
            ("appid", "", "belongs below [[account]]"),
            ("settle", "store", "belongs below [resolve]"),
            ("base_url", "store", "belongs below [wechat] or [serve]"),
        ] {
            let hint = hint(&unknown(name), path).unwrap_or_default();
            assert!(hint.starts_with("\nhint: ") && hint.contains(meant), "{name}: {hint}");
        }
        assert_eq!(hint(&unknown("whatever"), "store"), None);
    }
}
