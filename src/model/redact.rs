//! Makes text of others fit to be shown: short, on one line, without secrets.

use secrecy::{ExposeSecret, SecretString};

/// How many characters of a text to show.
const EXCERPT_CHARS: usize = 300;
/// A word of this length or more may be a secret. WeChat's shortest secret, an `AppSecret`, has 32
/// characters; its request ids have 26.
const SECRET_CHARS: usize = 32;
const MASK: &str = "***";

/// `text` on one line, with everything masked that may be a secret.
///
/// Masks the `secrets` themselves, raw and URL-encoded, every word as long as a secret, and the value of
/// anything named token, secret, password, key or signature.
pub fn excerpt(text: &str, secrets: &[&SecretString]) -> String {
    let line = mask_words(&mask_known(text, secrets));
    let mut short: String = line.chars().take(EXCERPT_CHARS).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    short
}

fn mask_known(text: &str, secrets: &[&SecretString]) -> String {
    secrets.iter().map(|secret| secret.expose_secret()).filter(|secret| !secret.is_empty()).fold(
        text.to_owned(),
        |text, secret| {
            let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            text.replace(secret, MASK).replace(&encoded, MASK)
        },
    )
}

/// Puts `text` on one line and masks words by their length and by the word before them.
fn mask_words(text: &str) -> String {
    let mut line = String::new();
    let mut named_secret = false;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let ends = |c| if named_secret { ends_value(c) } else { !is_word(c) };
        let (word, after) = split_where(rest, ends);
        let is_secret = word.len() >= SECRET_CHARS || named_secret;
        line.push_str(if is_secret && !word.is_empty() { MASK } else { word });

        let (gap, next) = split_where(after, is_word);
        named_secret = is_scheme(word) || names_secret(word) && gap.contains(['=', ':']);
        push_gap(&mut line, gap);
        rest = next;
    }
    line
}

/// Appends the characters between two words, with each run of whitespace and controls as one space.
fn push_gap(line: &mut String, gap: &str) {
    for c in gap.chars() {
        match c {
            c if c.is_whitespace() || c.is_control() => {
                if !line.ends_with(' ') {
                    line.push(' ');
                }
            }
            c => line.push(c),
        }
    }
}

fn split_where(text: &str, ends: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at_checked(text.find(ends).unwrap_or(text.len())).unwrap_or((text, ""))
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

fn ends_value(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '&' | '"' | '\'' | ',' | ';' | '<' | '}')
}

fn names_secret(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    ["token", "secret", "password", "key", "sign", "signature"]
        .iter()
        .any(|name| word.ends_with(name))
}

/// Whether `word` is the scheme of an `Authorization` header, which precedes the credentials.
fn is_scheme(word: &str) -> bool {
    word.eq_ignore_ascii_case("bearer") || word.eq_ignore_ascii_case("basic")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        excerpt(text, &[&SecretString::from("ca/na+ry")])
    }

    #[test]
    fn secrets_are_masked_raw_and_encoded() {
        assert_eq!(shown("GET /?t=ca/na+ry failed"), "GET /?t=*** failed");
        assert_eq!(shown("GET /?t=ca%2Fna%2Bry failed"), "GET /?t=*** failed");
    }

    #[test]
    fn unknown_text_that_looks_like_a_secret_is_masked() {
        assert_eq!(shown(&format!("got {} here", "Ab3-_".repeat(30))), "got *** here");
        assert_eq!(shown(r#"{"access_token":"short","x":1"#), r#"{"access_token":"***","x":1"#);
        assert_eq!(shown("?appid=wx1&secret=abc&x=1"), "?appid=wx1&secret=***&x=1");
        assert_eq!(shown("password: hunter2"), "password: ***");
        assert_eq!(shown("access_token=a%2Fb/c+d&x=1"), "access_token=***&x=1");
        assert_eq!(shown("http://h/f0.mp4?t=5&sign=ab"), "http://h/f0.mp4?t=5&sign=***");
        assert_eq!(shown("Authorization: Bearer abc"), "Authorization: Bearer ***");
    }

    #[test]
    fn wechats_own_messages_stay_as_they_are() {
        let message = "invalid credential, access_token is invalid or not latest rid: \
                       64a3c0de-1b2c3d4e-5f60718a";
        assert_eq!(shown(message), message);
    }

    #[test]
    fn a_page_becomes_a_short_line() {
        assert_eq!(shown(" <h1>\r\n\t502\u{7} Bad </h1>\n"), "<h1> 502 Bad </h1>");
        let long = shown(&"微信 ".repeat(1000));
        assert_eq!(long.chars().count(), EXCERPT_CHARS + 1);
        assert!(long.ends_with('…'));
    }

    proptest::proptest! {
        #[test]
        fn any_text_becomes_one_short_line(text in "\\PC{0,400}|(?s).{0,400}") {
            let line = shown(&text);
            proptest::prop_assert!(line.chars().count() <= EXCERPT_CHARS + 1);
            proptest::prop_assert!(!line.contains(|c: char| c.is_control()));
        }
    }
}
