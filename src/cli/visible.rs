//! Makes text safe for a terminal: everything that is printed or logged goes through here.
//!
//! Of the invisible characters it keeps line ends, tabs, and those that are part of emoji and Chinese
//! characters: `👩‍🚀` has a joiner in it, `❤️` a variation selector.

use std::borrow::Cow;
use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

/// The text with every invisible character escaped as in JSON, so that JSON text stays valid and
/// keeps its meaning.
pub(super) fn printable(text: &str) -> Cow<'_, str> {
    visible(text, |_| false)
}

/// Like [`printable`], but keeps what `is_ours` recognizes.
fn visible(text: &str, is_ours: fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(is_invisible) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut before = Before::default();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let is_kept = !is_invisible(c) || is_ours(c) || before.is_joined_by(c, rest.clone().next());
        if is_kept {
            shown.push(c);
        } else {
            let mut units = [0; 2];
            let units = c.encode_utf16(&mut units);
            shown.extend(units.iter().map(|unit| format!("\\u{unit:04x}")));
        }
        before.goes_on(c);
    }
    Cow::Owned(shown)
}

/// The two characters before the current one.
#[derive(Default)]
struct Before {
    last: Option<char>,
    last_but_one: Option<char>,
}

impl Before {
    fn goes_on(&mut self, c: char) {
        self.last_but_one = self.last.replace(c);
    }

    /// Whether an invisible character serves its purpose here: it changes how the one before it
    /// looks, or joins two emoji.
    fn is_joined_by(&self, c: char, next: Option<char>) -> bool {
        let Some(last) = self.last else { return false };
        match c {
            '\u{fe0e}' | '\u{fe0f}' => {
                is_emoji(last) || last.is_ascii_digit() || matches!(last, '#' | '*')
            }
            '\u{fe00}'..='\u{fe0d}' | '\u{e0100}'..='\u{e01ef}' => is_ideograph(last),
            '\u{200d}' => {
                let styled = (last == '\u{fe0f}').then_some(self.last_but_one).flatten();
                is_emoji(styled.unwrap_or(last)) && next.is_some_and(is_emoji)
            }
            _ => false,
        }
    }
}

/// Whether a character is invisible: controls, direction marks, zero-width blanks, fillers, tags,
/// selectors.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\0'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{13430}'..='\u{1345f}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d159}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Whether a character may be part of an emoji sequence.
fn is_emoji(c: char) -> bool {
    matches!(c,
        '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' | '\u{2122}' | '\u{2139}' | '\u{2194}'..='\u{21aa}'
        | '\u{231a}'..='\u{23ff}' | '\u{24c2}' | '\u{25aa}'..='\u{27bf}' | '\u{2934}' | '\u{2935}'
        | '\u{2b05}'..='\u{2b55}' | '\u{3030}' | '\u{303d}' | '\u{3297}' | '\u{3299}'
        | '\u{1f000}'..='\u{1faff}')
}

fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// Log lines, each written in one call and made visible on the way.
#[derive(Debug, Clone)]
pub(super) struct Lines<W> {
    to: W,
    is_coloured: bool,
}

impl<W> Lines<W> {
    /// Coloured lines contain escape sequences of their own; the logging library has already escaped
    /// foreign ones.
    pub(super) fn to(to: W, is_coloured: bool) -> Self {
        Self { to, is_coloured }
    }
}

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for Lines<W> {
    type Writer = Lines<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Lines { to: self.to.make_writer(), is_coloured: self.is_coloured }
    }
}

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let shown =
            if self.is_coloured { visible(&text, |c| c == '\u{1b}') } else { printable(&text) };
        self.to.write_all(shown.as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_printed_is_obeyed_by_a_terminal() {
        let hostile = "a\u{1b}[31m\r\u{7}\u{9b}2J\u{202e}gpj\u{2066}\u{200f}\u{7f}\0\tb\nc";
        assert_eq!(
            printable(hostile),
            "a\\u001b[31m\\u000d\\u0007\\u009b2J\\u202egpj\\u2066\\u200f\\u007f\\u0000\tb\nc"
        );
        assert!(matches!(printable("直播 🌸 é\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn nothing_that_cannot_be_seen_is_printed_raw() {
        for (hidden, shown) in [
            ("a\u{200b}b", "a\\u200bb"),
            ("\u{feff}a", "\\ufeffa"),
            ("a\u{ad}\u{2060}\u{2063}b", "a\\u00ad\\u2060\\u2063b"),
            ("\u{e0001}\u{e0061}\u{e007f}", "\\udb40\\udc01\\udb40\\udc61\\udb40\\udc7f"),
            ("\u{1f3f4}\u{e0067}", "\u{1f3f4}\\udb40\\udc67"),
            ("\u{2028}\u{2029}\u{85}", "\\u2028\\u2029\\u0085"),
            ("\u{3164}\u{ffa0}\u{115f}\u{2800}", "\\u3164\\uffa0\\u115f\\u2800"),
            ("a\u{fe0f}", "a\\ufe0f"),
            ("❤\u{fe0f}\u{fe0f}", "❤\u{fe0f}\\ufe0f"),
            ("\u{fe0f}a", "\\ufe0fa"),
            ("a\u{200d}b", "a\\u200db"),
            ("🌸\u{200d}b", "🌸\\u200db"),
            ("b\u{200d}🌸", "b\\u200d🌸"),
            ("葛\u{e0100}\u{e0101}", "葛\u{e0100}\\udb40\\udd01"),
            ("a\u{e0100}", "a\\udb40\\udd00"),
            ("\u{180e}\u{34f}\u{61c}\u{fff9}", "\\u180e\\u034f\\u061c\\ufff9"),
        ] {
            assert_eq!(printable(hidden), shown, "{hidden:?}");
            let json = serde_json::json!({ "name": hidden }).to_string();
            let read: serde_json::Value = serde_json::from_str(&printable(&json)).unwrap();
            assert_eq!(read["name"], hidden);
        }
        for plain in [
            "👩\u{200d}🚀",
            "❤\u{fe0f}",
            "🏳\u{fe0f}\u{200d}🌈",
            "1\u{fe0f}\u{20e3}",
            "👩🏽\u{200d}⚕\u{fe0f}",
            "葛\u{e0100}",
            "直播间\u{3000}é",
        ] {
            assert_eq!(printable(plain), plain);
        }
    }

    #[test]
    fn lines_of_a_log_keep_their_own_colours_alone() {
        let logged = |is_coloured: bool| {
            let mut lines = Lines::to(Vec::new(), is_coloured);
            lines.write_all("\u{1b}[31mroom\u{200b}\u{202e}\n".as_bytes()).unwrap();
            String::from_utf8(lines.to).unwrap()
        };
        assert_eq!(logged(true), "\u{1b}[31mroom\\u200b\\u202e\n");
        assert_eq!(logged(false), "\\u001b[31mroom\\u200b\\u202e\n");
    }

    proptest::proptest! {
        #[test]
        fn a_json_text_keeps_its_meaning(name in "[\\x00-\u{10ffff}]{0,40}") {
            let json = serde_json::to_string(&name).unwrap();
            let read: String = serde_json::from_str(&printable(&json)).unwrap();
            proptest::prop_assert_eq!(read, name);
        }
    }
}
