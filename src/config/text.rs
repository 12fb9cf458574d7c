//! Decodes a file as UTF-8, or says what it is instead.

use std::borrow::Cow;

/// Bytes that are not UTF-8 text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotText {
    /// What they look like, to follow "it is".
    pub looks_like: Cow<'static, str>,
    /// The line of the first wrong byte, from 1; `None` if it concerns the whole file.
    pub line: Option<usize>,
}

/// The byte order marks of editors.
const MARKS: [(&[u8], &str); 4] = [
    (&[0xff, 0xfe, 0, 0], "UTF-32 text"),
    (&[0, 0, 0xfe, 0xff], "UTF-32 text"),
    (&[0xff, 0xfe], "UTF-16 text"),
    (&[0xfe, 0xff], "UTF-16 text"),
];

/// The text without a leading byte order mark.
pub(super) fn read(bytes: &[u8]) -> Result<&str, NotText> {
    let wide = MARKS.iter().find(|(mark, _)| bytes.starts_with(mark)).map(|(_, name)| *name);
    if let Some(looks_like) = wide.or_else(|| wide_without_mark(bytes)) {
        return Err(NotText { looks_like: looks_like.into(), line: None });
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let looks_like =
            if is_gbk(bytes) { "probably GBK text, not UTF-8" } else { "not UTF-8 text" };
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        NotText { looks_like: looks_like.into(), line: Some(line) }
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// Recognises a wide encoding by its zero bytes: ASCII text has one in every second byte (UTF-16) or
/// three in every four (UTF-32).
fn wide_without_mark(bytes: &[u8]) -> Option<&'static str> {
    let zeros_at = |place: usize, of: usize| {
        bytes.iter().skip(place).step_by(of).filter(|byte| **byte == 0).count()
    };
    let (even, odd) = (zeros_at(0, 2), zeros_at(1, 2));
    let quarter = bytes.len() / 4;
    match () {
        () if even + odd == 0 => None,
        () if even + odd > 2 * quarter + quarter / 2 => Some("UTF-32 text without a mark"),
        () if even == 0 || odd > 4 * even => Some("UTF-16LE text without a mark"),
        () if odd == 0 || even > 4 * odd => Some("UTF-16BE text without a mark"),
        () => Some("not text: it holds zero bytes"),
    }
}

/// Whether all non-ASCII bytes form GBK pairs or GB 18030 quadruples.
fn is_gbk(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    loop {
        rest = match rest {
            [] => return true,
            [first, after @ ..] if first.is_ascii() => after,
            [0x81..=0xfe, 0x40..=0x7e | 0x80..=0xfe, after @ ..]
            | [0x81..=0xfe, b'0'..=b'9', 0x81..=0xfe, b'0'..=b'9', after @ ..] => after,
            _ => return false,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(text: &str, mark: bool, unit: impl Fn(char) -> Vec<u8>) -> Vec<u8> {
        let mark = if mark { "\u{feff}" } else { "" };
        mark.chars().chain(text.chars()).flat_map(unit).collect()
    }

    #[test]
    fn text_is_read_with_or_without_a_mark_and_with_any_line_ends() {
        for text in ["", "a = 1\r\n", "# 微信\n"] {
            assert_eq!(read(text.as_bytes()), Ok(text));
            assert_eq!(read(format!("\u{feff}{text}").as_bytes()), Ok(text));
        }
    }

    #[test]
    fn other_encodings_are_named() {
        let text = "# 微信直播\n[store]\nbucket = \"回放\"\n";
        for mark in [true, false] {
            let u16s = |c: char| c.encode_utf16(&mut [0; 2]).to_vec();
            let le16 =
                wide(text, mark, |c| u16s(c).into_iter().flat_map(u16::to_le_bytes).collect());
            let be16 =
                wide(text, mark, |c| u16s(c).into_iter().flat_map(u16::to_be_bytes).collect());
            let le32 = wide(text, mark, |c| u32::from(c).to_le_bytes().to_vec());
            let be32 = wide(text, mark, |c| u32::from(c).to_be_bytes().to_vec());
            for (bytes, name) in
                [(le16, "UTF-16"), (be16, "UTF-16"), (le32, "UTF-32"), (be32, "UTF-32")]
            {
                let error = read(&bytes).unwrap_err();
                assert!(error.looks_like.contains(name), "{mark} {name}: {error:?}");
                assert_eq!(error.line, None);
            }
        }
    }

    #[test]
    fn gbk_is_distinguished_from_binary_data_and_its_line_is_named() {
        // 微信 in GBK.
        let gbk = b"[store]\n# \xce\xa2\xd0\xc5\nbucket = \"a\"\n";
        let error = read(gbk).unwrap_err();
        assert!(error.looks_like.contains("GBK") && error.line == Some(2), "{error:?}");
        for no_text in [&b"\x1f\x8b\x08\xff\xff\x01"[..], b"a\n\nb = \"\xff\"", b"ok \xc3"] {
            let error = read(no_text).unwrap_err();
            assert!(error.looks_like.starts_with("not ") && error.line.is_some(), "{error:?}");
        }
        assert!(read(b"a = \"\0\"").is_err(), "zeros");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_text_or_named_as_something_else(bytes: Vec<u8>) {
            let _ = read(&bytes).map_err(|error| assert!(!error.looks_like.is_empty()));
        }
    }
}
