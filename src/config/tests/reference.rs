//! The tables of `docs/configuration.md`, generated from `pipeline.toml` and the keys that there are.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use super::super::file::AccountSection;
use super::super::keys::{self, Kind};
use super::super::{ConfigFile, NotifySection};
use super::SHIPPED;

const PAGE: &str = "docs/configuration.md";
const BEGIN: &str = "<!-- generated from pipeline.toml: see src/config/tests/reference.rs -->\n";
const END: &str = "<!-- end -->\n";

/// A key as `pipeline.toml` documents it.
struct Documented {
    key: String,
    value: String,
    is_commented_out: bool,
    text: Vec<String>,
}

/// The documented keys of all sections in order; a section has its heading and what is said of it.
struct Section {
    name: String,
    text: Vec<String>,
    keys: Vec<Documented>,
}

/// The path that a key has among all keys, such as `account.*.token`.
fn path(section: &str, key: &str) -> String {
    let (first, below) = section.split_once('.').unwrap_or((section, ""));
    let number = if keys::SEVERAL.contains(&first) { "*" } else { "" };
    let parts = [first, number, below, key].into_iter().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(".")
}

/// Whether a known key is at a path, or below it.
fn is_key(path: &str) -> bool {
    keys::all().any(|(known, _)| {
        known.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// Takes `pipeline.toml` apart.
fn sections() -> Vec<Section> {
    let top = Section { name: String::new(), text: Vec::new(), keys: Vec::new() };
    let (mut sections, mut comment) = (vec![top], Vec::new());
    // Keys directly below one another share the words above the first.
    let mut is_after_key = false;
    for line in SHIPPED.lines() {
        let plain = line.strip_prefix("# ").unwrap_or(line);
        let heading = plain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if let Some(name) = heading.filter(|name| !name.contains(' ')) {
            let name = name.trim_matches(['[', ']']).to_owned();
            sections.push(Section { name, text: std::mem::take(&mut comment), keys: Vec::new() });
            is_after_key = false;
            continue;
        }
        let assignment = plain.split_once(" = ").zip(sections.last_mut());
        match assignment {
            Some(((key, value), section)) if is_key(&path(&section.name, key)) => {
                let mut text = std::mem::take(&mut comment);
                if text.is_empty() && is_after_key {
                    text.push("See above.".to_owned());
                }
                let (key, value) = (key.to_owned(), value.to_owned());
                let is_commented_out = line.starts_with('#');
                section.keys.push(Documented { key, value, is_commented_out, text });
                is_after_key = true;
                continue;
            }
            _ if line.is_empty() => comment.clear(),
            _ => comment.extend(line.strip_prefix("# ").map(str::to_owned)),
        }
        is_after_key = false;
    }
    sections.retain(|section| !(section.name.is_empty() && section.keys.is_empty()));
    sections
}

/// The default of a key, if it has one.
fn default(section: &str, key: &str) -> Option<Value> {
    let of = |value: Value| value.get(key).cloned().filter(|value| !value.is_null());
    match section {
        "notify" => of(serde_json::to_value(NotifySection::default()).unwrap()),
        "account" => {
            let account: AccountSection = toml::from_str("").unwrap();
            of(serde_json::to_value(account).unwrap())
        }
        "" => of(serde_json::to_value(ConfigFile::default()).unwrap()),
        _ => of(serde_json::to_value(ConfigFile::default()).unwrap()[section].clone()),
    }
}

/// What the column of defaults has: the value, nothing for an empty one, or an example.
fn shown_default(section: &str, key: &Documented) -> String {
    let written: toml::Table = toml::from_str(&format!("x = {}", key.value)).unwrap();
    let written = serde_json::to_value(&written["x"]).unwrap();
    if [Value::from(""), Value::Array(Vec::new())].contains(&written) {
        return String::new();
    }
    let is_default = !key.is_commented_out || default(section, &key.key) == Some(written);
    if is_default { format!("`{}`", key.value) } else { format!("such as `{}`", key.value) }
}

/// The lines of a comment as one line; what is indented is code.
fn prose(lines: &[String]) -> String {
    let mut text = String::new();
    for line in lines {
        match line.strip_prefix("    ") {
            Some(code) if code.starts_with('{') => {
                let (code, note) = code.split_once("    ").unwrap_or((code, ""));
                write!(text, "<br>`{code}` {}", note.trim()).unwrap();
            }
            _ => write!(text, "{}{}", if text.is_empty() { "" } else { " " }, line.trim()).unwrap(),
        }
    }
    text.replace('|', "\\|")
}

fn kind(section: &str, key: &str) -> &'static str {
    let path = path(section, key);
    match keys::all().find(|(known, _)| *known == path).map(|(_, kind)| kind) {
        Some(Kind::Number) => "number",
        Some(Kind::Bool) => "`true`, `false`",
        Some(Kind::Switch) => "`auto`, `on`, `off`",
        Some(Kind::List | Kind::Command | Kind::Addresses) => "list",
        Some(Kind::Text | Kind::FreeText) => "text",
        None => "table",
    }
}

/// The generated part of the page.
fn generated() -> String {
    let mut page = String::new();
    for section in sections() {
        let (name, is_several) = (&section.name, keys::SEVERAL.contains(&section.name.as_str()));
        let heading = match (name.as_str(), is_several) {
            ("", _) => "Before all sections".to_owned(),
            (_, true) => format!("`[[{name}]]`"),
            (_, false) => format!("`[{name}]`"),
        };
        write!(page, "\n## {heading}\n\n").unwrap();
        if !section.text.is_empty() {
            write!(page, "{}\n\n", prose(&section.text)).unwrap();
        }
        page.push_str("| key | type | default | |\n|---|---|---|---|\n");
        for key in &section.keys {
            let (kind, default) = (kind(name, &key.key), shown_default(name, key));
            writeln!(page, "| `{}` | {kind} | {default} | {} |", key.key, prose(&key.text))
                .unwrap();
        }
    }
    page.push('\n');
    page
}

#[test]
fn pipeline_toml_documents_every_key() {
    let mut documented = Vec::new();
    for section in sections() {
        for key in &section.keys {
            assert!(!key.text.is_empty(), "pipeline.toml says nothing of {}", key.key);
            documented.push((path(&section.name, &key.key), key.text.join("\n")));
        }
    }
    for (known, _) in keys::all() {
        let is_told = |known: &str| {
            documented.iter().any(|(path, text)| {
                let below =
                    known.strip_prefix(path.as_str()).and_then(|rest| rest.strip_prefix('.'));
                known == path || below.is_some_and(|name| text.contains(&format!("{name} = ")))
            })
        };
        // A table of an account that is shown may have the keys of the section that it replaces.
        let is_of_section = known.strip_prefix("account.*.").is_some_and(|rest| {
            let table = rest.split('.').next().unwrap_or_default();
            sections().iter().any(|section| section.name == format!("account.{table}"))
                && is_told(rest)
        });
        // `[accounts] token` is as that of an account.
        let is_of_account = known
            .strip_prefix("accounts.token.")
            .is_some_and(|rest| is_told(&format!("account.*.token.{rest}")));
        assert!(
            is_told(known) || is_of_section || is_of_account,
            "pipeline.toml does not document {known}"
        );
    }
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "whoever runs the tests says whether it is written anew"
)]
fn the_page_of_keys_is_that_of_pipeline_toml() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = std::fs::read_to_string(&file).unwrap();
    let (head, rest) = page.split_once(BEGIN).expect("the page has a generated part");
    let (_, tail) = rest.split_once(END).expect("the generated part ends");
    let expected = format!("{head}{BEGIN}{}{END}{tail}", generated());
    if std::env::var("REPLAY_ARCHIVER_TEST_WRITE_DOCS").is_ok() {
        std::fs::write(&file, &expected).unwrap();
    }
    let found = std::fs::read_to_string(&file).unwrap();
    assert!(
        found == expected,
        "{PAGE} is out of date: run this test with REPLAY_ARCHIVER_TEST_WRITE_DOCS=1 and look at the change"
    );
}
