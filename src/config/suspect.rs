//! Detects what may be a secret in the wrong place. Neither errors nor `config show` print it.

use std::borrow::Cow;

/// Printed in place of a possible secret.
pub const HIDDEN: &str = "...";

/// Prefixes of the access keys of stores and other services.
const PREFIXES: [&str; 8] = ["AKIA", "ASIA", "AKID", "LTAI", "AIza", "ghp_", "sk-", "eyJ"];

/// The text, or [`HIDDEN`] if it may be a secret.
pub fn shown(text: &str) -> Cow<'_, str> {
    if may_be_secret(text) { HIDDEN.into() } else { text.into() }
}

/// Whether a text looks like a random key rather than a name chosen by a person.
pub fn may_be_secret(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "+/=_-".contains(c);
    text.split(|c: char| !is_part(c)).any(is_random)
}

fn is_random(word: &str) -> bool {
    let digits = |run: &&str| run.len() >= 32;
    let prefixed = |prefix: &&str| word.starts_with(*prefix) && word.len() >= prefix.len() + 12;
    word.split(|c: char| !c.is_ascii_hexdigit()).any(|run| digits(&run))
        || PREFIXES.iter().any(prefixed)
        || (word.len() >= 16 && !is_appid(word) && changes(word, kind) >= 5)
        || (word.len() >= 20 && changes(word, char_case) >= 6)
}

/// An appid or the original id of a mini-program: `wx` or `gh_` and hex digits.
fn is_appid(word: &str) -> bool {
    let digits = word.strip_prefix("wx").or_else(|| word.strip_prefix("gh_"));
    digits.is_some_and(|rest| rest.len() <= 16 && rest.chars().all(|c| c.is_ascii_hexdigit()))
}

/// How often a word alternates between letters and digits, or between cases. Names rarely do.
fn changes(word: &str, kind: impl Fn(char) -> Option<bool>) -> usize {
    let kinds: Vec<bool> = word.chars().filter_map(kind).collect();
    kinds.windows(2).filter(|pair| pair.first() != pair.last()).count()
}

fn kind(c: char) -> Option<bool> {
    c.is_ascii_alphanumeric().then_some(c.is_ascii_digit())
}

fn char_case(c: char) -> Option<bool> {
    c.is_ascii_alphabetic().then_some(c.is_ascii_uppercase())
}

/// Whether a text looks like a typical variable name rather than a key: `WECHAT_SECRET`, `SECRET_2`.
pub(super) fn is_plain_variable(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
    let is_word = |word: &str| {
        let name = word.trim_end_matches(|c: char| c.is_ascii_digit());
        word.chars().all(is_part)
            && word.len() <= 20
            && word.len() - name.len() <= 4
            && (word.len() < 9 || !name.contains(|c: char| c.is_ascii_digit()))
    };
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
        && name.split('_').all(is_word)
        && !may_be_secret(name)
}

/// Whether a text looks like a typical file path rather than a key or a password.
pub(super) fn is_plain_path(path: &str) -> bool {
    path.contains(['/', '.']) && !may_be_secret(path)
}

/// Whether a text can be a variable name at all.
pub(super) fn can_be_variable(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.starts_with(|c: char| !c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRETS: [&str; 12] = [
        "0123456789abcdef0123456789abcdef",
        "A1B2C3D4E5F60718293A4B5C6D7E8F90",
        "AKIAIOSFODNN7EXAMPLE",
        "AKIDz8krbsJ5yKBZQpn74WFkmLPx3gnPhESA",
        "Gu5t9xGARNpq86cd98joQYCN3Cozk1qA",
        "LTAI5tNXmZpqVs2wD9h7KcRe",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "canary-appsecret-8c1f0a2b",
        "77_AbCdEfGhIjKlMnOpQrStUv",
        "iN7NgwM31j4-BZacMjPrOQBs34UG1maYCAQmhdCV",
        "https://host/0123456789abcdef0123456789abcdef",
        "GK31c2f218a2e44f485b94239e",
    ];

    #[test]
    fn what_looks_like_a_key_is_hidden() {
        for secret in SECRETS {
            assert!(may_be_secret(secret), "{secret}");
            assert_eq!(shown(secret), HIDDEN);
            assert!(!is_plain_variable(secret), "{secret}");
        }
    }

    #[test]
    fn names_chosen_by_a_person_are_shown() {
        for name in [
            "",
            "wx0123456789abcdef",
            "wx1a2b3c4d5e6f7a8b",
            "gh_1a2b3c4d5e6f",
            "replays-1250000000",
            "*.myqcloud.com",
            "5000-12.liveplay.myqcloud.com",
            "https://cos.ap-guangzhou.myqcloud.com",
            "/var/lib/replay-archiver/ledger.sqlite",
            "sqlite:replay-archiver.sqlite",
            "http://127.0.0.1:9000",
            "stable_token",
            "1h 30m",
            "us-east-1",
        ] {
            assert!(!may_be_secret(name), "{name}");
        }
    }

    #[test]
    fn variable_names_are_distinguished_from_keys_and_passwords() {
        for name in
            ["WECHAT_SECRET", "REPLAY_ARCHIVER_SECRET_KEY", "SECRET_2", "S3_SECRET", "_A", "WX1"]
        {
            assert!(is_plain_variable(name) && can_be_variable(name), "{name}");
        }
        for other in ["hunter2", "Hunter2", "JBSWY3DPEHPK3PXP", "A-B", "A B", "", "2A", "12345678"]
        {
            assert!(!is_plain_variable(other), "{other}");
        }
        for path in ["./secret", "/run/secrets/wechat", "secret.txt", "a/b"] {
            assert!(is_plain_path(path), "{path}");
        }
        for other in ["hunter2", "minioadmin", SECRETS[0], SECRETS[6]] {
            assert!(!is_plain_path(other), "{other}");
        }
        for impossible in ["A-B", "A B", "A=B", "变量", "2A"] {
            assert!(!can_be_variable(impossible), "{impossible}");
        }
    }
}
