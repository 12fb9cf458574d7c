//! Every hint has a code, and the page about errors has, in each language, one entry for every code.

mod literals;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::imports::paths::{File, sources};
use literals::literals;

/// Files that print or read hints which others wrote: the mark stands alone there, or before a placeholder.
const PASSES_ON: &[&str] = &["cli/alike.rs", "cli/pending.rs", "cli/usage.rs", "model/reason.rs"];

/// Codes that hints of earlier versions had. They have no entry, and no hint may have them again.
const RETIRED: &[&str] = &[];

/// A page, and how it introduces the four parts of an entry.
const PAGES: [(&str, [&str; 4]); 2] = [
    ("docs/troubleshooting.md", ["- What happened: ", "- Why: ", "- What to do: ", "- Example: "]),
    ("docs/zh/troubleshooting.md", ["- 现象：", "- 原因：", "- 处理：", "- 示例："]),
];

/// What a page says about one code.
struct Entry {
    /// The heading of the section that it stands in.
    section: String,
    /// The code in its heading.
    code: String,
    lines: Vec<String>,
}

#[test]
fn every_hint_ends_in_a_code() {
    let mut without = Vec::new();
    for file in sources() {
        let passes_on = PASSES_ON.contains(&file.name.as_str());
        for hint in literals(&file.text).iter().flat_map(|literal| hints(literal)) {
            let is_written_elsewhere = passes_on && without_placeholders(&hint).is_empty();
            if !is_written_elsewhere && code_at_the_end(&hint).is_none() {
                without.push(format!("src/{}: \"hint: {hint}\"", file.name));
            }
        }
        // A list of hints has no mark by which they could be found: `Reason::parse` makes one of a text.
        if ["hints: vec![", "hints = vec!["].iter().any(|list| file.text.contains(list)) {
            without.push(format!(
                "src/{}: a list of hints; write a text with \"\\nhint: …\"",
                file.name
            ));
        }
    }
    assert!(
        without.is_empty(),
        "a hint ends in a code, as in \"\\nhint: … [RA204]\", within the same literal: give each of these the code of \
         its kind of trouble (docs/troubleshooting.md), or a new one with an entry in both pages; a file that prints \
         hints which others wrote belongs in PASSES_ON:\n{}",
        without.join("\n")
    );
}

#[test]
fn every_code_has_one_entry_in_each_language_and_every_entry_a_code() {
    let codes = codes();
    assert!(codes.len() > 60, "{codes:?}");
    for retired in RETIRED {
        assert!(!codes.contains_key(*retired), "{retired} had another meaning before");
    }
    for (page, _) in PAGES {
        let entries = entries(page);
        let found: Vec<&str> = entries.iter().map(|entry| entry.code.as_str()).collect();
        let lacking: Vec<_> = codes.iter().filter(|(code, _)| !found.contains(&&***code)).collect();
        assert!(lacking.is_empty(), "{page} has no entry for codes that hints have: {lacking:#?}");
        let unused: Vec<_> = found.iter().filter(|code| !codes.contains_key(**code)).collect();
        assert!(unused.is_empty(), "{page} has entries that no hint leads to: {unused:?}");
        let misplaced: Vec<_> = found.windows(2).filter(|pair| pair[0] >= pair[1]).collect();
        assert!(misplaced.is_empty(), "{page}: each code once, in their order: {misplaced:?}");
    }
}

#[test]
fn an_entry_says_what_happened_why_what_to_do_and_has_an_example() {
    for (page, parts) in PAGES {
        for Entry { section, code, lines } in entries(page) {
            let range = format!("## {}xx", &code[..3]);
            assert!(section.starts_with(&range), "{page}: {code} stands below {section:?}");
            let title = lines.iter().find(|line| !line.is_empty());
            let is_title = |line: &String| line.starts_with("**") && line.ends_with("**");
            assert!(title.is_some_and(is_title), "{page}: {code} has no title in bold");
            let found = lines
                .iter()
                .filter_map(|line| parts.iter().position(|part| line.starts_with(part)));
            assert_eq!(found.collect::<Vec<_>>(), [0, 1, 2, 3], "the parts of {code} in {page}");
            for (at, line) in lines.iter().enumerate() {
                let part = parts.iter().find(|part| line.starts_with(**part));
                let is_empty = part.is_some_and(|part| line.len() < part.len() + 4);
                let goes_on =
                    lines.get(at + 1).is_some_and(|next| next.starts_with("  ") || next.is_empty());
                assert!(!is_empty || goes_on, "{page}: {code}: {line:?} says nothing");
            }
        }
    }
}

/// A message that was changed leads nobody to its entry.
#[test]
fn the_messages_that_the_pages_show_are_those_of_the_program() {
    let texts: Vec<String> = sources().flat_map(|file| literals(&file.text)).collect();
    for (page, parts) in PAGES {
        for Entry { code, lines, .. } in entries(page) {
            let what = lines.iter().find_map(|line| line.strip_prefix(parts[0])).unwrap();
            let shown: Vec<&str> = what.split('`').skip(1).step_by(2).collect();
            assert!(!shown.is_empty(), "{page}: {code} shows no message");
            let pieces = shown.iter().flat_map(|message| message.split('…')).map(str::trim);
            for piece in pieces.filter(|piece| piece.len() > 3) {
                let is_said = texts.iter().any(|text| text.contains(piece));
                assert!(is_said, "{page}: {code} shows {piece:?}, which the program does not say");
            }
        }
    }
}

/// Either page leads from the same errcodes of WeChat's to the same codes.
#[test]
fn the_errcodes_of_wechat_lead_to_the_same_codes_in_each_language() {
    let of = |page: &str| {
        let rows = text(page);
        let rows = rows.lines().filter(|line| line.starts_with("| `"));
        rows.map(|row| (row.split('`').nth(1).unwrap().to_owned(), named(row)))
            .collect::<BTreeMap<_, _>>()
    };
    let [english, chinese] = PAGES.map(|(page, _)| of(page));
    assert_eq!(english, chinese);
    let codes = codes();
    for (errcode, leads_to) in &english {
        assert!(leads_to.iter().all(|code| codes.contains_key(code)), "{errcode}: {leads_to:?}");
    }
    for known in ["40001", "40164", "45009", "48001", "61007"] {
        assert!(english.get(known).is_some_and(|codes| !codes.is_empty()), "{known}");
    }
}

#[test]
fn a_hint_without_a_code_is_noticed_however_it_is_written() {
    let source = "let a = \"it failed\\nhint: look \\\n    there\"; // \"hint: a comment\"\n\
                  let b = '\"'; f(\"hint: {hint}\", \"no hint: here\", r\"hint: raw [RA100]\");";
    let found: Vec<String> = literals(source).iter().flat_map(|literal| hints(literal)).collect();
    assert_eq!(found, ["look there", "{hint}", "raw [RA100]"]);
    assert_eq!(hints("a\nhint: one [RA001]\nhint: two {x} [RA002]{more}").len(), 2);
    for (hint, code) in [
        ("look [RA204]", Some("RA204")),
        ("{what} [RA204]{more}", Some("RA204")),
        ("look", None),
        ("[RA204] look", None),
        ("look [RA24]", None),
        ("look[RA204]", None),
        ("{hint}", None),
    ] {
        assert_eq!(code_at_the_end(hint), code, "{hint}");
    }
}

/// The hints in a literal, without their mark.
fn hints(literal: &str) -> Vec<String> {
    const MARK: &str = "\nhint: ";
    let text = format!("\n{literal}");
    text.split(MARK).skip(1).map(str::to_owned).collect()
}

/// The code of a hint. Placeholders may follow it: they are other hints.
fn code_at_the_end(hint: &str) -> Option<&str> {
    let (_, code) = without_placeholders(hint).strip_suffix(']')?.rsplit_once(" [")?;
    is_code(code).then_some(code)
}

/// A text without the placeholders at its end.
fn without_placeholders(text: &str) -> &str {
    match text.strip_suffix('}').and_then(|text| text.rsplit_once('{')) {
        Some((text, _)) => without_placeholders(text),
        None => text,
    }
}

fn is_code(text: &str) -> bool {
    let number = text.strip_prefix("RA").unwrap_or_default();
    number.len() == 3 && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// The codes in brackets that a text names.
fn named(text: &str) -> BTreeSet<String> {
    let codes = text.split('[').filter_map(|part| part.split_once(']').map(|(code, _)| code));
    codes.filter(|code| is_code(code)).map(str::to_owned).collect()
}

/// The codes of all hints, each with the files that it stands in.
fn codes() -> BTreeMap<String, BTreeSet<String>> {
    let mut codes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for File { name, text, .. } in sources() {
        for code in literals(&text).iter().flat_map(|literal| named(literal)) {
            codes.entry(code).or_default().insert(format!("src/{name}"));
        }
    }
    codes
}

fn text(page: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap()
}

fn entries(page: &str) -> Vec<Entry> {
    let (mut entries, mut section) = (Vec::<Entry>::new(), String::new());
    let mut is_open = false;
    for line in text(page).lines() {
        if line.starts_with("## ") {
            line.clone_into(&mut section);
            is_open = false;
        } else if let Some(code) = line.strip_prefix("### ") {
            is_open = is_code(code);
            if is_open {
                let (section, code) = (section.clone(), code.to_owned());
                entries.push(Entry { section, code, lines: Vec::new() });
            } else {
                assert!(!code.starts_with("RA"), "{page}: {code:?} is no code");
            }
        } else if is_open {
            entries.last_mut().unwrap().lines.push(line.to_owned());
        }
    }
    entries
}
