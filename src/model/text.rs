//! Limits for text from outside, so that every later run can read stored text at low cost, however many
//! rooms have it.

use std::borrow::Cow;

use super::Sha256Digest;

pub use super::gist::gist;

/// Maximum bytes of a title or of the name of a person or item. WeChat's own forms allow a fifth of this.
pub const LONGEST_NAME: usize = 300;

/// Maximum bytes of the address of an image or a page.
pub const LONGEST_ADDRESS: usize = 2048;

/// Maximum bytes of a time in its original form.
pub const LONGEST_TIME: usize = 64;

/// Maximum bytes of a source path; WeChat's have about a hundred.
const LONGEST_PATH: usize = 512;

/// Separates the beginning of a path from the SHA-256 of the complete path.
const DIGEST: &str = "~sha256~";

/// Maximum bytes of a reason.
pub const LONGEST_REASON: usize = 500;

/// Marks the end of text that was cut.
const CUT: char = '…';

/// The text, cut to `most` bytes and marked with `…` if it is longer.
pub fn capped(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let kept = text.floor_char_boundary(most.saturating_sub(CUT.len_utf8()));
    let mut kept = text.get(..kept).unwrap_or_default().to_owned();
    kept.push(CUT);
    kept
}

/// A path in its stored form: if too long, its beginning and its digest, which identifies it.
pub fn capped_path(path: &str) -> Cow<'_, str> {
    if path.len() <= LONGEST_PATH {
        return Cow::Borrowed(path);
    }
    let digest = Sha256Digest::of(path.as_bytes()).to_string();
    let most = LONGEST_PATH - DIGEST.len() - digest.len();
    let kept = path.get(..path.floor_char_boundary(most)).unwrap_or_default();
    // Does not cut within %2F.
    let kept = match kept.rfind('%') {
        Some(at) if at + 3 > kept.len() => kept.get(..at).unwrap_or_default(),
        _ => kept,
    };
    Cow::Owned(format!("{kept}{DIGEST}{digest}"))
}

/// The SHA-256 of the path with this stored form.
pub fn digest_of_path(kept: &str) -> Sha256Digest {
    let named = kept.rsplit_once(DIGEST).and_then(|(_, digest)| digest.to_owned().try_into().ok());
    named.unwrap_or_else(|| Sha256Digest::of(kept.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters_and_marked() {
        assert_eq!(capped("直播", 6), "直播");
        assert_eq!(capped("直播间", 8), "直…");
        assert_eq!(capped("abcdef", 5), "ab…");
        assert_eq!(capped("", 0), "");
    }

    #[test]
    fn a_path_of_any_length_is_identified_by_its_stored_form() {
        let short = format!("/{}", "a".repeat(511));
        assert_eq!(capped_path(&short), short);
        assert_eq!(digest_of_path(&short), Sha256Digest::of(short.as_bytes()));
        for unit in ["a", "%2F", "b%2F", "直"] {
            let long = format!("/{}", unit.repeat(8000));
            let kept = capped_path(&long);
            assert!(kept.len() <= LONGEST_PATH && !kept.contains("%2~") && !kept.contains("%~"));
            assert_eq!(digest_of_path(&kept), Sha256Digest::of(long.as_bytes()));
            assert_eq!(capped_path(&kept), kept, "idempotent");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_exceeds_its_limit(text in "\\PC{0,40}", most in 3_usize..50) {
            let cut = capped(&text, most);
            proptest::prop_assert!(cut.len() <= most);
            proptest::prop_assert_eq!(cut == text, text.len() <= most);
        }
    }
}
