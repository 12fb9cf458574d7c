//! Makes foreign text harmless in a message: the name of a room, or what a server said, must neither notify
//! people nor be a link nor look like a part of the message.

use std::collections::HashSet;

/// The longest name, in characters.
const LONGEST: usize = 40;

/// A name on one line, without anything that a chat interprets.
pub fn name(text: &str) -> String {
    let line = line(text);
    let mut short: String = line.chars().take(LONGEST).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    short
}

/// Text on one line, without anything that a chat interprets. Queries of addresses are left out.
pub fn line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.extend(without_query(word).chars().filter(|c| is_visible(*c)).map(harmless));
    }
    line.replace("](", "］(").replace("__", "＿＿").replace("~~", "～～").replace("://", "：//")
}

/// A hint of this program's own: as it is, so that a command or a name can be copied from it, but for what would
/// notify somebody or be a tag.
pub fn own(text: &str) -> String {
    let visible = |c: &char| is_visible(*c);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().filter(visible).collect::<String>().replace('<', "＜").replace("](", "］(")
}

/// The same text, without the queries of addresses.
pub fn without_queries(text: &str) -> String {
    text.split(' ').map(without_query).collect::<Vec<_>>().join(" ")
}

/// The same text with `…` in place of these words, and of lists of them.
pub fn without_words(text: &str, words: &HashSet<&str>) -> String {
    let is_between = |c: char| !c.is_ascii_alphanumeric();
    let parts = text.split_inclusive(is_between).map(|part| {
        let word = part.trim_end_matches(is_between);
        let is_hidden = words.contains(word);
        if is_hidden { part.replacen(word, "…", 1) } else { part.to_owned() }
    });
    let mut text: String = parts.collect();
    while text.contains("…, …") {
        text = text.replace("…, …", "…");
    }
    text
}

/// An address without what may be a signature.
fn without_query(word: &str) -> &str {
    let is_address = word.contains("://");
    word.find('?').filter(|_| is_address).and_then(|at| word.get(..at)).unwrap_or(word)
}

/// The same character in a form that no markdown knows.
fn harmless(c: char) -> char {
    match c {
        '<' => '＜',
        '>' => '＞',
        '@' => '＠',
        '*' => '＊',
        '`' => '＇',
        '#' => '＃',
        '\\' => '＼',
        other => other,
    }
}

/// Neither a control character nor one that changes the direction or hides.
fn is_visible(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_is_obeyed_by_a_chat() {
        for (hostile, shown) in [
            ("<@all> 秒杀", "＜＠all＞ 秒杀"),
            ("[领奖](https://evil.example)", "[领奖］(https：//evil.example)"),
            ("a\n# 标题\r\n> 引用", "a ＃ 标题 ＞ 引用"),
            ("**粗** `code` __x__ ~~y~~", "＊＊粗＊＊ ＇code＇ ＿＿x＿＿ ～～y～～"),
            ("<at user_id=\"all\">所有人</at>", "＜at user_id=\"all\"＞所有人＜/at＞"),
            ("\u{202e}gpj.exe\u{200b}\u{7}\u{1b}[31m", "gpj.exe[31m"),
            ("<font color=\"warning\">x", "＜font color=\"warning\"＞x"),
            ("   ", ""),
        ] {
            assert_eq!(name(hostile), shown);
        }
        assert_eq!(name(&"直".repeat(60)).chars().count(), 41);
    }

    #[test]
    fn words_are_hidden_whole_and_lists_of_them_as_one() {
        let hidden = HashSet::from(["wx1", "wx2"]);
        for (text, shown) in [
            ("wx1, wx2 and 3 more: left out", "… and 3 more: left out"),
            ("wx12, wx2: /etc/wx1.toml", "wx12, …: /etc/….toml"),
            ("账号wx1不可读", "账号…不可读"),
            ("", ""),
        ] {
            assert_eq!(without_words(text, &hidden), shown);
        }
    }

    #[test]
    fn a_hint_can_be_copied_and_still_notifies_nobody() {
        for hint in [
            "set it in the file or with REPLAY_ARCHIVER_STORE__BUCKET [RA017]",
            "run `mkdir -p '/var/lib/a b'`, or write \"https://h:9000\" [RA012]",
            "use a form such as *.myqcloud.com or 127.0.0.1:9000 [RA022]",
        ] {
            assert_eq!(own(hint), hint);
        }
        assert_eq!(own("<@all>\n[x](y)"), "＜@all> [x］(y)");
    }

    #[test]
    fn the_query_of_an_address_is_left_out() {
        let text = "GET https://h/f.mp4?sign=ab&us=1 failed: is it there?";
        assert_eq!(line(text), "GET https：//h/f.mp4 failed: is it there?");
    }
}
