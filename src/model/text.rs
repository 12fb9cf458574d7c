//! Texts that others wrote, as far as they are kept: what is written has to be read again, by any later
//! run and at no great cost, however many rooms have such a text.

use std::borrow::Cow;

use super::Sha256Digest;

/// A title, the name of a person or of an item, in bytes. WeChat's own forms take a fifth of it.
pub const LONGEST_NAME: usize = 300;

/// The address of a picture or a page, in bytes.
pub const LONGEST_ADDRESS: usize = 2048;

/// A time as it was written, in bytes.
pub const LONGEST_TIME: usize = 64;

/// The path of a source, in bytes: WeChat's have some hundred.
const LONGEST_PATH: usize = 512;

/// What stands between the beginning of a path and the SHA-256 of all of it.
const DIGEST: &str = "~sha256~";

/// Why something is as it is, in bytes.
pub const LONGEST_REASON: usize = 500;

/// What stands at the end of a text that was cut.
const CUT: char = '…';

/// The text, cut to so many bytes where it has more, with `…` at its end then.
pub fn capped(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let kept = text.floor_char_boundary(most.saturating_sub(CUT.len_utf8()));
    let mut kept = text.get(..kept).unwrap_or_default().to_owned();
    kept.push(CUT);
    kept
}

/// A path as it is kept: one that is too long as its beginning and its digest, by which it is known.
pub fn capped_path(path: &str) -> Cow<'_, str> {
    if path.len() <= LONGEST_PATH {
        return Cow::Borrowed(path);
    }
    let digest = Sha256Digest::of(path.as_bytes()).to_string();
    let most = LONGEST_PATH - DIGEST.len() - digest.len();
    let kept = path.get(..path.floor_char_boundary(most)).unwrap_or_default();
    // Not in the middle of %2F.
    let kept = match kept.rfind('%') {
        Some(at) if at + 3 > kept.len() => kept.get(..at).unwrap_or_default(),
        _ => kept,
    };
    Cow::Owned(format!("{kept}{DIGEST}{digest}"))
}

/// The SHA-256 of the path that is kept like this.
pub fn digest_of_path(kept: &str) -> Sha256Digest {
    let named = kept.rsplit_once(DIGEST).and_then(|(_, digest)| digest.to_owned().try_into().ok());
    named.unwrap_or_else(|| Sha256Digest::of(kept.as_bytes()))
}

/// A reason with each of its lines `hint: …`, each of them cut.
pub fn capped_reason(reason: &str) -> String {
    const MOST_HINTS: usize = 4;
    if reason.len() <= LONGEST_REASON {
        return reason.to_owned();
    }
    let parts = reason.split("\nhint: ").take(1 + MOST_HINTS);
    parts.map(|part| capped(part, LONGEST_REASON)).collect::<Vec<_>>().join("\nhint: ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters_and_says_so() {
        assert_eq!(capped("直播", 6), "直播");
        assert_eq!(capped("直播间", 8), "直…");
        assert_eq!(capped("abcdef", 5), "ab…");
        assert_eq!(capped("", 0), "");
    }

    #[test]
    fn a_path_of_any_length_is_known_by_what_is_kept_of_it() {
        let short = format!("/{}", "a".repeat(511));
        assert_eq!(capped_path(&short), short);
        assert_eq!(digest_of_path(&short), Sha256Digest::of(short.as_bytes()));
        for unit in ["a", "%2F", "b%2F", "直"] {
            let long = format!("/{}", unit.repeat(8000));
            let kept = capped_path(&long);
            assert!(kept.len() <= LONGEST_PATH && !kept.contains("%2~") && !kept.contains("%~"));
            assert_eq!(digest_of_path(&kept), Sha256Digest::of(long.as_bytes()));
            assert_eq!(capped_path(&kept), kept, "kept again as it is");
        }
    }

    #[test]
    fn a_reason_keeps_its_hints() {
        let long = "x".repeat(1_000_000);
        let reason = capped_reason(&format!("{long}\nhint: look here\nhint: {long}"));
        assert!(reason.len() < 1_100 && reason.contains("…\nhint: look here\nhint: xx"));
        assert_eq!(capped_reason("a\nhint: b"), "a\nhint: b");
        let many = capped_reason(&"a\nhint: b".repeat(100_000));
        assert!(many.len() < 600, "{}", many.len());
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_longer_than_its_limit(text in "\\PC{0,40}", most in 3_usize..50) {
            let cut = capped(&text, most);
            proptest::prop_assert!(cut.len() <= most);
            proptest::prop_assert_eq!(cut == text, text.len() <= most);
        }
    }
}
