//! Look-alikes of the characters that TOML uses: full-width forms of an input method, quotation marks of
//! a word processor, spaces from web pages.

/// A character that is not allowed where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stray {
    /// Its offset, in bytes.
    pub offset: usize,
    /// The character.
    pub found: char,
}

/// Look-alikes with their names and what the user meant, besides the full-width forms of ASCII.
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

/// What is wrong with a character, and what to type instead.
pub(super) fn explained(found: char) -> String {
    let code = u32::from(found);
    let known = KNOWN.iter().find(|(c, ..)| *c == found);
    match (found, known) {
        (_, Some((_, name, meant))) if found.is_whitespace() => {
            format!("invisible character U+{code:04X} ({name})\nhint: type {meant} instead [RA007]")
        }
        (_, Some((_, name, meant))) => {
            format!("{found} (U+{code:04X}, {name})\nhint: type {meant} instead [RA007]")
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
                "{found} (U+{code:04X}, full-width {which} of {meant})\nhint: type {meant} instead, with the input method switched to English [RA007]"
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
                "invisible character U+{code:04X} ({name})\nhint: delete it, or retype the line [RA007]"
            )
        }
        (_, None) if found.is_control() => {
            format!("control character U+{code:04X}\nhint: delete it, or retype the line [RA007]")
        }
        (_, None) if found.is_whitespace() => {
            format!("invisible character U+{code:04X}\nhint: type a space instead [RA007]")
        }
        (_, None) => format!(
            "{found} (U+{code:04X})\nhint: write names of keys and sections \
                 in English letters, and text in \"quotes\" [RA007]"
        ),
    }
}

/// The first character that is not allowed in TOML: any non-ASCII character outside strings and comments,
/// or a look-alike quote in a string that is not closed on its line.
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

/// The length of the string that the text begins with. If it is not closed on its line, the offset of a
/// look-alike of its closing quote.
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

/// The length of a text up to and including its closing quotes.
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

/// The first non-ASCII character in a value that must be ASCII.
pub(super) fn stray_in_value(value: &str) -> Option<char> {
    value.chars().find(|c| !c.is_ascii_graphic() && *c != ' ' && *c != '\t' && *c != '\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_that_toml_does_not_allow_is_found_and_named() {
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
    fn strings_and_comments_in_any_script_are_accepted() {
        for text in [
            "",
            "# 注释：“引号”，＝\r\n[store]\t# x\n a = \"直播，“回放”\"\n",
            "a = '直播’s'\nb = \"\"\"\n“\n\"\"\"\nc = '''\n”'''",
            "a = \"x\\\\\" # ＝",
        ] {
            assert_eq!(stray(text), None, "{text}");
        }
        assert_eq!(stray("a = \"never closed\n“"), None, "the parser reports it");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a=\"'\\\\\n\\[“”＝ #]{0,40}") {
            if let Some(stray) = stray(&text) {
                proptest::prop_assert!(text[stray.offset..].starts_with(stray.found));
            }
        }
    }
}
