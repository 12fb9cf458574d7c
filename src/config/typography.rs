//! Characters that look like the ones TOML has, and are others: an input method's full-width forms,
//! a text processor's quotes, blanks of web pages.

/// A character that cannot stand where it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stray {
    /// Where, in bytes.
    pub offset: usize,
    /// Which.
    pub found: char,
}

/// Characters with a name and what is meant by them, besides the full-width forms of ASCII.
const KNOWN: [(char, &str, &str); 27] = [
    ('“', "opening quotation mark", "\""),
    ('”', "closing quotation mark", "\""),
    ('„', "low quotation mark", "\""),
    ('‘', "opening single quotation mark", "\""),
    ('’', "closing single quotation mark", "\""),
    ('「', "corner bracket", "\""),
    ('」', "corner bracket", "\""),
    ('『', "white corner bracket", "\""),
    ('』', "white corner bracket", "\""),
    ('《', "double angle bracket", "\""),
    ('》', "double angle bracket", "\""),
    ('【', "lenticular bracket", "["),
    ('】', "lenticular bracket", "]"),
    ('〔', "tortoise shell bracket", "["),
    ('〕', "tortoise shell bracket", "]"),
    ('、', "ideographic comma", ","),
    ('。', "ideographic full stop", "."),
    ('·', "middle dot", "."),
    ('…', "ellipsis", "..."),
    ('–', "en dash", "-"),
    ('—', "em dash", "-"),
    ('−', "minus sign", "-"),
    ('￥', "full-width yen sign", "$"),
    ('\u{3000}', "ideographic space", "a space"),
    ('\u{a0}', "non-breaking space", "a space"),
    ('\u{2028}', "line separator", "a line end"),
    ('\u{2029}', "paragraph separator", "a line end"),
];

/// What is wrong with a character, and what to type.
pub(super) fn explained(found: char) -> String {
    let code = u32::from(found);
    let known = KNOWN.iter().find(|(c, ..)| *c == found);
    match (found, known) {
        (_, Some((_, name, meant))) if found.is_whitespace() => {
            format!(
                "a character that cannot be seen, U+{code:04X} ({name})\nhint: type {meant} in its place"
            )
        }
        (_, Some((_, name, meant))) => {
            format!("{found} (U+{code:04X}, {name})\nhint: type {meant} in its place")
        }
        ('\u{ff01}'..='\u{ff5e}', None) => {
            let meant = char::from_u32(code - 0xfee0).unwrap_or(' ');
            let which = if meant.is_ascii_digit() {
                "digit"
            } else if meant.is_ascii_alphabetic() {
                "letter"
            } else {
                "form"
            };
            format!(
                "{found} (U+{code:04X}, full-width {which} of {meant})\nhint: type {meant} in its place, with the input method switched to English"
            )
        }
        (
            '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{feff}'
            | '\u{ad}',
            None,
        ) => {
            let name = if found == '\u{feff}' { "byte order mark" } else { "zero-width mark" };
            format!(
                "a character that cannot be seen, U+{code:04X} ({name})\nhint: delete it, or type the line anew"
            )
        }
        (_, None) if found.is_control() => {
            format!("a control character, U+{code:04X}\nhint: delete it, or type the line anew")
        }
        (_, None) if found.is_whitespace() => {
            format!(
                "a character that cannot be seen, U+{code:04X}\nhint: type a space in its place"
            )
        }
        (_, None) => format!(
            "{found} (U+{code:04X})\nhint: names of keys and sections are \
                 written in English letters, and texts in \"quotes\""
        ),
    }
}

/// The first character that is no part of TOML: outside of strings and comments anything but ASCII,
/// and in a string that its line does not end, a quote that should have ended it.
pub(super) fn stray(text: &str) -> Option<Stray> {
    let mut offset = 0;
    while let Some(found) = text.get(offset..).and_then(|rest| rest.chars().next()) {
        let rest = text.get(offset..).unwrap_or_default();
        offset += match found {
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '"' | '\'' => match string(rest) {
                Ok(length) => length,
                Err(within) => {
                    let end = within.map(|within| offset + within);
                    return end.and_then(|offset| stray_at(text, offset));
                }
            },
            _ if is_toml(found) => 1,
            _ => return Some(Stray { offset, found }),
        };
    }
    None
}

fn stray_at(text: &str, offset: usize) -> Option<Stray> {
    Some(Stray { offset, found: text.get(offset..)?.chars().next()? })
}

fn is_toml(c: char) -> bool {
    c.is_ascii_graphic() || matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// The length of the string that the text begins with; where its line does not end it, the place of
/// what looks like its end.
fn string(text: &str) -> Result<usize, Option<usize>> {
    for (quotes, escapes) in [("\"\"\"", true), ("'''", false)] {
        if let Some(rest) = text.strip_prefix(quotes) {
            let closed = close(rest, quotes, escapes).ok_or(None)?;
            return Ok(quotes.len() + closed);
        }
    }
    let line = text.split('\n').next().unwrap_or(text);
    let (quote, rest) = line.split_at_checked(1).unwrap_or((line, ""));
    match close(rest, quote, quote == "\"") {
        Some(closed) => Ok(1 + closed),
        None => Err(rest
            .find(|c: char| {
                KNOWN.iter().any(|(known, _, meant)| *known == c && *meant == "\"")
                    || c == '\u{ff02}'
                    || c == '\u{ff07}'
            })
            .map(|at| at + 1)),
    }
}

/// How long a text is up to its closing quotes, with them.
fn close(text: &str, quotes: &str, escapes: bool) -> Option<usize> {
    let mut offset = 0;
    loop {
        let rest = text.get(offset..)?;
        if rest.starts_with(quotes) {
            return Some(offset + quotes.len());
        }
        let mut chars = rest.chars();
        let first = chars.next()?;
        offset += first.len_utf8();
        if escapes && first == '\\' {
            offset += chars.next()?.len_utf8();
        }
    }
}

/// The first character of a value that is written in ASCII, and is not.
pub(super) fn stray_in_value(value: &str) -> Option<char> {
    value.chars().find(|c| !c.is_ascii_graphic() && *c != ' ' && *c != '\t' && *c != '\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_that_is_no_part_of_toml_is_found_and_named() {
        for (text, found, typed) in [
            ("a ＝ 1", '＝', "type = in"),
            ("a = “b”", '“', "type \" in"),
            ("a = \"b”\nc = 1", '”', "type \" in"),
            ("a = 'b’", '’', "type \" in"),
            ("a = \"b＂\n", '＂', "type \" in"),
            ("【store】", '【', "type [ in"),
            ("［store］", '［', "type [ in"),
            ("a = ８", '８', "full-width digit of 8"),
            ("a = [\"b\"，\"c\"]", '，', "type , in"),
            ("a = [\"b\"、\"c\"]", '、', "type , in"),
            ("a = 1；", '；', "type ; in"),
            ("桶 = \"a\"", '桶', "English letters"),
            ("a\u{3000}= 1", '\u{3000}', "ideographic space"),
            ("a\u{a0}= 1", '\u{a0}', "non-breaking space"),
            ("\u{200b}a = 1", '\u{200b}', "delete it"),
            ("\u{feff}a = 1", '\u{feff}', "byte order mark"),
            ("a = \"x\" “", '“', "type \" in"),
            ("# “\na：1", '：', "type : in"),
            ("a = \"\"\"x\n“\"\"\"\nb ＝ 1", '＝', "type = in"),
            ("a = '''x\n“'''\nb ＝ 1", '＝', "type = in"),
            ("a = \"x\\\"\" ＃", '＃', "type # in"),
        ] {
            let stray = stray(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(
                (stray.found, text[stray.offset..].chars().next()),
                (found, Some(found)),
                "{text}"
            );
            let explained = explained(stray.found);
            assert!(explained.contains(typed) && explained.contains("U+"), "{text}: {explained}");
        }
    }

    #[test]
    fn toml_with_any_script_in_its_strings_and_comments_is_let_be() {
        for text in [
            "",
            "# 注释：“引号”，＝\r\n[store]\t# x\n a = \"直播，“回放”\"\n",
            "a = '直播’s'\nb = \"\"\"\n“\n\"\"\"\nc = '''\n”'''",
            "a = \"x\\\\\" # ＝",
        ] {
            assert_eq!(stray(text), None, "{text}");
        }
        assert_eq!(stray("a = \"never closed\n“"), None, "the reader tells of it");
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_strange(text in "[a=\"'\\\\\n\\[“”＝ #]{0,40}") {
            if let Some(stray) = stray(&text) {
                proptest::prop_assert!(text[stray.offset..].starts_with(stray.found));
            }
        }
    }
}
