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
/// Masks the `secrets` themselves, raw, URL-encoded and in base64, alone or with other text, every word as long as a secret, and the value of
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
            let text = text.replace(secret, MASK).replace(&encoded, MASK);
            encoded_parts(secret).iter().fold(text, |text, part| mask_around(&text, part))
        },
    )
}

/// What base64 makes of a secret, whatever stands before and after it, as in `AUTH PLAIN` and `Basic`: for each of
/// the three places at which it may begin, the digits that depend on the secret alone.
fn encoded_parts(secret: &str) -> Vec<String> {
    // Fewer digits are found in ordinary text.
    const FEWEST: usize = 4;
    let part = |before: usize| {
        let bytes = [&vec![0; before][..], secret.as_bytes()].concat();
        let digits = aws_smithy_types::base64::encode(&bytes);
        let own = (before * 8).div_ceil(6)..bytes.len() * 8 / 6;
        digits.get(own).filter(|own| own.len() >= FEWEST).map(str::to_owned)
    };
    let parts: Vec<_> = (0..3).filter_map(part).collect();
    let of_urls = parts.iter().map(|part| part.replace('+', "-").replace('/', "_"));
    let of_urls: Vec<_> = of_urls.filter(|part| !parts.contains(part)).collect();
    parts.into_iter().chain(of_urls).collect()
}

/// Masks every run of base64 digits that contains `part`.
fn mask_around(text: &str, part: &str) -> String {
    let is_digit = |c: char| c.is_ascii_alphanumeric() || "+/-_=".contains(c);
    let mut masked = String::new();
    let mut rest = text;
    while let Some((before, found)) = rest.find(part).and_then(|at| rest.split_at_checked(at)) {
        masked.push_str(before.trim_end_matches(is_digit));
        masked.push_str(MASK);
        rest = found.trim_start_matches(is_digit);
    }
    masked + rest
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
    fn secrets_are_masked_in_base64_wherever_they_begin() {
        // "\0ops\0ca/na+ry", "ops:ca/na+ry", "ca/na+ry" and "xca/na+ry!", of which none is 32 digits long.
        for encoded in
            ["AG9wcwBjYS9uYStyeQ==", "b3BzOmNhL25hK3J5", "Y2EvbmErcnk=", "eGNhL25hK3J5IQ"]
        {
            let text = format!("501 bad: AUTH PLAIN {encoded} (line 3)");
            assert_eq!(shown(&text), "501 bad: AUTH PLAIN *** (line 3)");
        }
        assert_eq!(shown("the user said AG9wcwA="), "the user said AG9wcwA=");
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
