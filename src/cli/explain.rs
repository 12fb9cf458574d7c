//! `explain`: what the code after a hint means, from the page about errors.

use clap::{Args, ValueEnum};
use serde_json::json;

use super::{Common, Exit, output};

const ENGLISH: &str = include_str!("../../docs/troubleshooting.md");
const CHINESE: &str = include_str!("../../docs/zh/troubleshooting.md");

/// Flags of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArguments {
    /// The code after a hint, such as RA204, or one of WeChat's errcodes, such as 40164. Without it, all
    /// codes are listed.
    #[arg(value_parser = known, allow_negative_numbers = true)]
    code: Option<String>,
    /// The language of the text.
    #[arg(long, value_enum, default_value_t = Language::En)]
    lang: Language,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Language {
    En,
    Zh,
}

/// What a page says about one code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry<'a> {
    /// `RA204`.
    code: &'a str,
    /// The first line, without its marks.
    title: &'a str,
    /// Everything below the heading, as Markdown.
    text: &'a str,
}

pub(super) fn run(common: &Common, arguments: &ExplainArguments) -> Exit {
    let page = match arguments.lang {
        Language::En => ENGLISH,
        Language::Zh => CHINESE,
    };
    let asked = arguments.code.as_deref();
    let told = asked.map_or_else(|| entries(page).collect(), |asked| found(page, asked));
    if let Some((errcode, meaning)) = asked.and_then(|asked| errcode(page, asked)) {
        if common.json {
            output::json(&json!({ "type": "errcode", "errcode": errcode, "meaning": meaning }));
        } else {
            output::line(format_args!("{errcode}: {meaning}\n"));
        }
    }
    for entry in &told {
        let Entry { code, title, text } = entry;
        match (common.json, asked) {
            (true, _) => output::json(
                &json!({ "type": "entry", "code": code, "title": title, "text": text }),
            ),
            (false, Some(_)) => output::line(format_args!("{code}\n\n{text}\n")),
            (false, None) => output::line(format_args!("{code}  {title}")),
        }
    }
    if common.json {
        output::json(&json!({ "type": "summary", "entries": told.len() }));
    }
    Exit::Done
}

/// A code that the pages know. Both know the same.
fn known(asked: &str) -> Result<String, &'static str> {
    let is_known = !found(ENGLISH, asked).is_empty() || errcode(ENGLISH, asked).is_some();
    is_known.then(|| asked.to_owned()).ok_or("no such code; `explain` alone lists all of them")
}

/// The row of an errcode of WeChat's.
fn row<'a>(page: &'a str, asked: &str) -> Option<&'a str> {
    let is_number = asked.parse::<i64>().is_ok();
    let begins = format!("| `{asked}` |");
    page.lines().find(|line| is_number && line.starts_with(&begins))
}

/// An errcode, and what it means.
fn errcode<'a>(page: &'a str, asked: &'a str) -> Option<(&'a str, &'a str)> {
    let meaning = row(page, asked)?.split(" | ").nth(1)?;
    Some((asked, meaning))
}

/// The entries for a code, or for an errcode of WeChat's, which may have several causes.
fn found<'a>(page: &'a str, asked: &str) -> Vec<Entry<'a>> {
    let row = row(page, asked);
    let is_meant = |entry: &Entry<'_>| match row {
        Some(row) => row.contains(&format!("[{}]", entry.code)),
        None => entry.code.eq_ignore_ascii_case(asked),
    };
    entries(page).filter(is_meant).collect()
}

/// The entries of a page, in its order.
fn entries(page: &str) -> impl Iterator<Item = Entry<'_>> {
    page.split("\n### ").skip(1).filter_map(|section| {
        let (code, rest) = section.split_once('\n')?;
        let text = rest.split("\n## ").next().unwrap_or(rest).trim();
        let title = text.lines().next().unwrap_or_default().trim_matches('*');
        code.starts_with("RA").then_some(Entry { code, title, text })
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::Arguments;
    use super::*;

    #[test]
    fn a_code_is_found_in_either_language_and_so_is_an_errcode() {
        for page in [ENGLISH, CHINESE] {
            let of = |asked| found(page, asked).iter().map(|entry| entry.code).collect::<Vec<_>>();
            assert_eq!(of("RA204"), ["RA204"]);
            assert_eq!(of("ra204"), ["RA204"]);
            assert_eq!(of("40164"), ["RA204"]);
            assert!(of("40001").contains(&"RA202") && of("40001").contains(&"RA206"));
            assert!(of("RA000").is_empty() && of("40").is_empty() && of("").is_empty());
            let (errcode, meaning) = errcode(page, "45011").unwrap();
            assert!(errcode == "45011" && !meaning.contains(['|', '[']), "{meaning}");
            assert!(of("45011").is_empty(), "there is nothing to do about it");
        }
    }

    #[test]
    fn the_commands_that_the_pages_show_exist() {
        for page in [ENGLISH, CHINESE] {
            let shown =
                page.split('`').skip(1).step_by(2).filter(|span| !span.contains("journalctl"));
            let commands = shown.filter_map(|span| span.split_once("replay-archiver "));
            let mut seen = 0;
            for (_, command) in commands {
                let words = command.split(' ').take_while(|word| !matches!(*word, ">" | "&&"));
                let parsed =
                    Arguments::try_parse_from(std::iter::once("replay-archiver").chain(words));
                let is_known = parsed.map_or_else(|error| !error.use_stderr(), |_| true);
                assert!(is_known, "{command}");
                seen += 1;
            }
            assert!(seen > 30, "{seen}");
        }
    }

    #[test]
    fn an_entry_ends_where_the_next_one_or_the_next_section_begins() {
        let page =
            "# P\n\n## A\n\n### RA001\n\n**one**\n\ntext\n\n### RA002\n\n**two**\n\n## B\n\nmore\n";
        let all: Vec<_> = entries(page).collect();
        let one = Entry { code: "RA001", title: "one", text: "**one**\n\ntext" };
        assert_eq!(all, [one, Entry { code: "RA002", title: "two", text: "**two**" }]);
    }
}
