//! A message: a title and lines, in one language, cut to what a channel takes.

use super::facts::{Fact, Head};
use super::{en, zh};
use crate::config::Lang;
use crate::model::text::capped;

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// How it ended, in one line.
    pub title: String,
    /// The rest, what matters most first.
    pub lines: Vec<String>,
    /// Its language.
    pub lang: Lang,
}

impl Message {
    /// Puts facts into words.
    pub fn of(lang: Lang, command: &str, head: Head, facts: &[Fact]) -> Self {
        let (title, line): (String, fn(&Fact) -> String) = match lang {
            Lang::Zh => (zh::title(command, head), zh::line),
            Lang::En => (en::title(command, head), en::line),
        };
        let mut lines: Vec<String> = facts.iter().map(line).collect();
        // Two hints of one kind are the same line in Chinese.
        lines.dedup();
        Self { title, lines, lang }
    }

    /// The lines that fit into `most` bytes, each of which ends in `end`. What does not fit is counted in a
    /// last line; a line that is too long itself is cut between characters.
    pub fn fitting(&self, most: usize, end: &str) -> String {
        let longest = most / 2;
        let lines: Vec<String> = self.lines.iter().map(|line| capped(line, longest)).collect();
        let whole: String = lines.iter().map(|line| format!("{line}{end}")).collect();
        if whole.len() <= most {
            return whole.trim_end().to_owned();
        }
        let mut text = String::new();
        for (place, line) in lines.iter().enumerate() {
            let more = self.more(lines.len() - place);
            if text.len() + line.len() + 2 * end.len() + more.len() > most {
                text.push_str(&more);
                break;
            }
            text.push_str(line);
            text.push_str(end);
        }
        capped(&text, most)
    }

    /// Title and lines as plain text.
    pub fn text(&self, most: usize) -> String {
        let title = capped(&self.title, most / 2);
        let rest = self.fitting(most.saturating_sub(title.len() + 1), "\n");
        format!("{title}\n{rest}").trim_end().to_owned()
    }

    fn more(&self, lines: usize) -> String {
        match self.lang {
            Lang::Zh => format!("…还有 {lines} 条"),
            Lang::En => format!("… and {lines} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(lines: &[&str]) -> Message {
        let lines = lines.iter().map(|&line| line.to_owned()).collect();
        Message { title: "标题".to_owned(), lines, lang: Lang::Zh }
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let lines: Vec<String> = (0..500).map(|n| format!("直播间 {n}")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let text = message(&lines).text(2048);
        let shown = text.lines().count() - 2;
        assert!(text.len() <= 2048 && text.len() > 1900, "{}", text.len());
        assert!(text.ends_with(&format!("…还有 {} 条", 500 - shown)), "{text}");
    }

    #[test]
    fn a_message_that_fits_is_left_alone() {
        assert_eq!(message(&["一", "二"]).text(100), "标题\n一\n二");
        assert_eq!(message(&[]).text(100), "标题");
    }

    proptest::proptest! {
        #[test]
        fn no_message_is_longer_than_its_channel_takes(
            lines in proptest::collection::vec("\\PC{0,80}", 0..40), most in 60_usize..4096
        ) {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            proptest::prop_assert!(message(&lines).text(most).len() <= most);
        }
    }
}
